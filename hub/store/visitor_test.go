package store_test

import (
	"encoding/base64"
	"path/filepath"
	"testing"
	"time"

	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/storage/keys"
	"github.com/channelhub/channelhub/hub/storage/keys/localkeys"
	"github.com/channelhub/channelhub/hub/storage/table"
	"github.com/channelhub/channelhub/hub/storage/table/pebbletable"
	"github.com/channelhub/channelhub/hub/store"
)

// visitorStore returns a store whose clock is at.
func visitorStore(t *testing.T, at *time.Time) *store.Store {
	t.Helper()
	rows, err := pebbletable.Open(filepath.Join(t.TempDir(), "table"), nil)
	if err != nil {
		t.Fatal(err)
	}
	ring, err := localkeys.Open(filepath.Join(t.TempDir(), "keyring"), nil)
	if err != nil {
		t.Fatal(err)
	}
	s := store.New(table.New(rows, nil), keys.New(ring), &store.Options{Now: func() time.Time { return *at }})
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func TestVisitorToken(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	s := visitorStore(t, &now)
	acme, err := s.Client(t.Context(), "acme")
	if err != nil {
		t.Fatal(err)
	}
	globex, err := s.Client(t.Context(), "globex")
	if err != nil {
		t.Fatal(err)
	}
	visitor := store.NewVisitor()
	token, err := acme.VisitorToken(t.Context(), "shop", visitor, now.Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	got, err := acme.ParseVisitorToken(t.Context(), "shop", token)
	if err != nil || got != visitor {
		t.Fatalf("the token of %v is %v's, %v", visitor, got, err)
	}

	denied := func(what string, c *store.Client, account model.AccountID, token string) {
		t.Helper()
		if got, err := c.ParseVisitorToken(t.Context(), account, token); !model.Is(err, model.Denied) || got != (model.Address{}) {
			t.Errorf("%s: %v, %v", what, got, err)
		}
	}
	denied("another account", acme, "help", token)
	denied("another client", globex, "shop", token)
	denied("nothing", acme, "shop", "")
	denied("no base64", acme, "shop", "?"+token[1:])
	denied("longer", acme, "shop", token+"AAAA")
	raw, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil {
		t.Fatal(err)
	}
	for i := range raw {
		raw[i] ^= 1
		denied("one bit changed", acme, "shop", base64.RawURLEncoding.EncodeToString(raw))
		raw[i] ^= 1
	}
	now = now.Add(time.Hour)
	denied("expired", acme, "shop", token)
}

func TestVisitorTokenIsForVisitors(t *testing.T) {
	now := time.Now()
	s := visitorStore(t, &now)
	c, err := s.Client(t.Context(), "acme")
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range []model.Address{{Kind: model.Phone, Value: store.NewVisitor().Value}, {Kind: model.Visitor, Value: "ada"}, {}} {
		if _, err := c.VisitorToken(t.Context(), "shop", a, now.Add(time.Hour)); !model.Is(err, model.Invalid) {
			t.Errorf("%v: %v", a.Kind, err)
		}
	}
	if a, b := store.NewVisitor(), store.NewVisitor(); a == b {
		t.Error("two visitors are one")
	}
}

// TestAttachmentOwner: the name of a visitor in rows of files is the same
// whenever it is asked for, and says nothing to anybody else.
func TestAttachmentOwner(t *testing.T) {
	now := time.Now()
	s := visitorStore(t, &now)
	owner := func(client model.ClientID, account model.AccountID, visitor model.Address) model.Random16 {
		t.Helper()
		c, err := s.Client(t.Context(), client)
		if err != nil {
			t.Fatal(err)
		}
		got, err := c.AttachmentOwner(t.Context(), account, visitor)
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	ada, bob := store.NewVisitor(), store.NewVisitor()
	mine := owner("acme", "shop", ada)
	if mine == (model.Random16{}) || mine != owner("acme", "shop", ada) {
		t.Errorf("ada is %x, then %x", mine, owner("acme", "shop", ada))
	}
	for name, other := range map[string]model.Random16{
		"another visitor":             owner("acme", "shop", bob),
		"on another account":          owner("acme", "forum", ada),
		"with another client":         owner("globex", "shop", ada),
		"an address of another kind":  owner("acme", "shop", model.Address{Kind: model.Phone, Value: ada.Value}),
		"the address as it is stored": model.Random16([]byte(ada.Value)[:16]),
	} {
		if other == mine {
			t.Errorf("%s has the same name", name)
		}
	}
}
