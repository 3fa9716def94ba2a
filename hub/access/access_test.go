package access_test

import (
	"crypto/sha256"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/channelhub/channelhub/hub/access"
	"github.com/channelhub/channelhub/hub/hubtest/storetest"
	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/store"
)

const bootstrap = "a configured token of more than 32 characters"

type fixture struct {
	*access.Tokens
	store *store.Store
	clock atomic.Int64
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	f := &fixture{store: storetest.Open(t, nil).Store()}
	f.Tokens = access.NewTokens(f.store, func() time.Time { return time.Now().Add(time.Duration(f.clock.Load())) })
	f.SetBootstrap([]access.Bootstrap{{ID: "acme-desk", Role: access.Machine, Client: "acme", Secret: bootstrap}})
	return f
}

// put writes a token row that the test's own act leaves.
func (f *fixture) put(t *testing.T, row store.Token) {
	t.Helper()
	if now, err := f.store.Token(t.Context(), row.ID); err == nil {
		now.Revoked = row.Revoked
		row = now
	}
	if err := f.store.PutToken(t.Context(), row, store.Act{Action: "token.create", Subject: row.ID}); err != nil {
		t.Fatal(err)
	}
	f.Forget(row.ID)
}

func TestConfiguredToken(t *testing.T) {
	f := newFixture(t)
	p, err := f.Authenticate(t.Context(), bootstrap)
	if want := (access.Principal{Token: "acme-desk", Role: access.Machine, Client: "acme", Consumer: "acme-desk"}); err != nil || p != want {
		t.Errorf("%+v, %v; want %+v", p, err, want)
	}
	f.put(t, store.Token{ID: "acme-desk", Revoked: time.Now()})
	if _, err := f.Authenticate(t.Context(), bootstrap); !model.Is(err, model.Denied) {
		t.Errorf("revoked: %v, want denied", err)
	}
	f.SetBootstrap(nil)
	if _, err := f.Authenticate(t.Context(), bootstrap); !model.Is(err, model.Denied) {
		t.Errorf("configured no more: %v, want denied", err)
	}
}

func TestMintedToken(t *testing.T) {
	f := newFixture(t)
	id, token, hash := access.Mint()
	if _, other, _ := access.Mint(); other == token || !strings.HasPrefix(token, "hub_"+id+"_") {
		t.Errorf("minted %q and %q", token, other)
	}
	if _, err := f.Authenticate(t.Context(), token); !model.Is(err, model.Denied) {
		t.Errorf("before it is kept: %v, want denied", err)
	}
	f.put(t, store.Token{
		ID: id, Hash: hash, Role: string(access.Machine), Client: "acme", Consumer: "nightly",
		Created: time.Now(), Expires: time.Now().Add(time.Hour),
	})
	p, err := f.Authenticate(t.Context(), token)
	if want := (access.Principal{Token: id, Role: access.Machine, Client: "acme", Consumer: "nightly"}); err != nil || p != want {
		t.Errorf("%+v, %v; want %+v", p, err, want)
	}
	secret := token[len("hub_")+16+1:]
	for name, wrong := range map[string]string{
		"another secret": token[:len(token)-1] + flip(token[len(token)-1]), "no secret": "hub_" + id + "_", "cut": token[:len(token)-1],
		"longer": token + "0", "another id": "hub_" + strings.Repeat("0", 16) + "_" + secret, "no prefix": token[4:], "empty": "",
		"its hash": string(hash), "very long": strings.Repeat("x", 1<<20),
	} {
		if _, err := f.Authenticate(t.Context(), wrong); !model.Is(err, model.Denied) {
			t.Errorf("%s: %v, want denied", name, err)
		} else if strings.Contains(err.Error(), secret) {
			t.Errorf("%s: the error shows the secret", name)
		}
	}
	f.clock.Store(int64(time.Hour))
	if _, err := f.Authenticate(t.Context(), token); !model.Is(err, model.Denied) {
		t.Errorf("expired: %v, want denied", err)
	}
	f.clock.Store(0)
	f.put(t, store.Token{ID: id, Revoked: time.Now()})
	if _, err := f.Authenticate(t.Context(), token); !model.Is(err, model.Denied) {
		t.Errorf("revoked: %v, want denied", err)
	}
}

func flip(c byte) string {
	if c == '0' {
		return "1"
	}
	return "0"
}

// TestRevocationRowIsNoToken: the row that revokes a configured token has no
// secret, so nothing opens it.
func TestRevocationRowIsNoToken(t *testing.T) {
	f := newFixture(t)
	id := "0123456789abcdef"
	f.put(t, store.Token{ID: id})
	empty := sha256.Sum256(nil)
	for _, secret := range []string{strings.Repeat("0", 52), string(empty[:]) + strings.Repeat("0", 20)} {
		if _, err := f.Authenticate(t.Context(), "hub_"+id+"_"+secret); !model.Is(err, model.Denied) {
			t.Errorf("%v, want denied", err)
		}
	}
}

func TestRoles(t *testing.T) {
	for _, r := range []access.Role{access.Configurator, access.Operator, access.Privacy, access.KeyAdmin, access.Auditor, access.Machine, access.Agent} {
		if !r.Valid() || r.ForClient() != (r == access.Machine || r == access.Agent) {
			t.Errorf("role %s: valid %v, for a client %v", r, r.Valid(), r.ForClient())
		}
	}
	if access.Role("root").Valid() || access.Role("").Valid() {
		t.Error("a role that does not exist is valid")
	}
}
