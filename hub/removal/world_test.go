package removal_test

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/channelhub/channelhub/hub/hubtest/storetest"
	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/removal"
	"github.com/channelhub/channelhub/hub/retention"
	"github.com/channelhub/channelhub/hub/storage/keys"
	"github.com/channelhub/channelhub/hub/storage/keys/localkeys"
	"github.com/channelhub/channelhub/hub/storage/table"
	"github.com/channelhub/channelhub/hub/storage/table/pebbletable"
	"github.com/channelhub/channelhub/hub/store"
	"github.com/channelhub/channelhub/hub/telemetry"
)

const (
	acme  = model.ClientID("acme")
	other = model.ClientID("other")
	shop  = model.AccountID("acme-shop")
	desk  = model.AccountID("acme-desk")
	day   = 24 * time.Hour
)

// world is the rows of two clients, a clock and what the configuration names.
type world struct {
	t       *testing.T
	metrics *telemetry.Metrics // nil: nobody counts
	dir     string
	table   *table.Table
	store   *store.Store
	clock   time.Time
	named   map[string]bool // client, or client/account
	removed []string        // files whose bytes went
	places  []model.ClientID
	close   func()
}

func openWorld(t *testing.T, dir string) *world {
	t.Helper()
	w := &world{t: t, dir: dir, clock: time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC), named: map[string]bool{}}
	rows, err := pebbletable.Open(filepath.Join(dir, "table"), nil)
	if err != nil {
		t.Fatal(err)
	}
	ring, err := localkeys.Open(filepath.Join(dir, "keyring.json"), nil)
	if err != nil {
		t.Fatal(err)
	}
	w.table = table.New(rows, &table.Options{Now: w.now})
	w.store = store.New(w.table, keys.New(ring), &store.Options{Now: w.now})
	closed := false
	w.close = func() {
		if closed {
			return
		}
		closed = true
		if err := w.store.Close(); err != nil {
			t.Error(err)
		}
	}
	t.Cleanup(w.close)
	return w
}

func (w *world) now() time.Time { return w.clock }

func (w *world) client(id model.ClientID) *store.Client {
	w.t.Helper()
	c, err := w.store.Client(w.t.Context(), id)
	w.must(err)
	return c
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) remover() *removal.Remover {
	w.t.Helper()
	journals, err := w.store.OpenJournals(w.t.Context())
	w.must(err)
	return removal.New(removal.Options{
		Store: w.store,
		Configured: func(c model.ClientID, a model.AccountID) bool {
			return w.named[strings.TrimSuffix(string(c)+"/"+string(a), "/")]
		},
		RemoveFile: func(ctx context.Context, c *store.Client, d store.Due) error {
			w.removed = append(w.removed, string(c.ID)+"/"+d.ID)
			return c.RemoveAttachment(ctx, model.AttachmentID(d.Ref))
		},
		FileKind: retention.AttachmentKind,
		DropJournal: func(ctx context.Context, account model.AccountID) (int, error) {
			n := 0
			for _, j := range journals.All() {
				if j.Route.Account == account {
					n += j.Waiting().Entries
					if err := journals.Drop(ctx, j); err != nil {
						return n, err
					}
				}
			}
			return n, nil
		},
		Undrained: func() map[model.PluginID]int {
			out := map[model.PluginID]int{}
			for _, j := range journals.All() {
				if j.Route.Account == "" {
					out[j.Route.Plugin] = j.Waiting().Entries
				}
			}
			return out
		},
		RemovePlace: func(c model.ClientID) error { w.places = append(w.places, c); return nil },
		Keep:        func() time.Duration { return 397 * day },
		Metrics:     w.metrics,
		Now:         w.now,
	})
}

// order begins a removal and lets its wait pass.
func (w *world) order(client model.ClientID, account model.AccountID) store.Removal {
	w.t.Helper()
	m, err := w.remover().Begin(w.t.Context(), client, account, store.Act{Actor: "boss", Role: "configurator", RequestID: "req"})
	w.must(err)
	return m
}

func (w *world) finish() {
	w.t.Helper()
	r := w.remover()
	wait, err := r.Pass(w.t.Context())
	w.must(err)
	if wait > 0 {
		w.clock = w.clock.Add(wait)
		_, err = r.Pass(w.t.Context())
		w.must(err)
	}
	left, err := r.Pending(w.t.Context())
	w.must(err)
	if len(left) > 0 {
		w.t.Fatalf("not done: %+v", left)
	}
}

// fill gives both clients something of every kind: acme has two accounts, and
// Bob is in touch on both.
func (w *world) fill() {
	w.t.Helper()
	ctx := w.t.Context()
	for client, accounts := range map[model.ClientID][]model.AccountID{acme: {shop, desk}, other: {"other-shop"}} {
		w.must(w.store.NoteClient(ctx, store.KnownClient{ID: client, Since: w.now()}))
		w.must(w.store.PutToken(ctx, store.Token{ID: "tok-" + string(client), Hash: []byte("h"), Role: "client", Client: client, Consumer: "desk"}, store.Act{Actor: "boss"}))
		for _, account := range accounts {
			w.must(w.store.NoteAccount(ctx, client, account))
			w.must(w.store.ClaimAccountAddress(ctx, "echo", "page-"+string(account), store.AccountAddress{Client: client, Account: account}, nil))
			w.must(w.store.SetOverride(ctx, store.AccountOff, string(account), store.Act{Actor: "boss"}))
			w.fillAccount(w.client(client), account)
		}
	}
}

func (w *world) fillAccount(c *store.Client, account model.AccountID) {
	w.t.Helper()
	ctx := w.t.Context()
	w.talk(c, account, "bob@example.com", "visitor-of-"+string(account))
	w.talk(c, account, "ada-of-"+string(account))
	_, err := c.Acknowledge(ctx, "desk", []store.Position{{N: 1}})
	w.must(err)
	_, err = c.PutState(ctx, account, store.State{Key: "k", Value: []byte("v")}, 0, 0)
	w.must(err)
	w.must(c.PutSecret(ctx, account, "token", "hush"))
	told, err := c.AccountTold(ctx, account)
	w.must(err)
	told.State, told.Seq, told.At = "open", 1, w.now()
	_, _, err = c.PromiseAccount(ctx, told)
	w.must(err)
	id, err := c.LetterID(ctx, w.now(), string(account))
	w.must(err)
	d := store.DeadLetter{UUID: id, Account: account, Reason: "refused", At: w.now(), Expires: w.now().Add(14 * day), Route: store.JournalRoute{Plugin: "echo", Account: account}, Kind: store.JournalRequest}
	d.Parts, err = c.PutLetterContent(ctx, d, []byte("what nobody took"))
	w.must(err)
	w.must(c.PutDeadLetter(ctx, d))
	w.file(c, account)
	journals, err := w.store.OpenJournals(ctx)
	w.must(err)
	j, err := journals.Open(ctx, store.JournalRoute{Plugin: "echo", Account: account})
	w.must(err)
	w.must(j.Append(ctx, store.NewJournalEntry{Kind: store.JournalRequest, Received: w.now(), Expires: w.now().Add(3 * day), Content: []byte("waits")}, store.JournalCount{Entries: 9, Bytes: 1 << 20}))
}

func (w *world) file(c *store.Client, account model.AccountID) {
	w.t.Helper()
	ctx := w.t.Context()
	a := store.Attachment{ID: model.NewAttachmentID(), Account: account, State: model.AttachmentReady, Changed: w.now(), Ends: w.now().Add(day), Blob: "blob-" + string(account), Name: "cat.jpg"}
	w.must(c.PutDue(ctx, store.Due{ID: a.Blob, Kind: retention.AttachmentKind, Ref: string(a.ID), At: a.Ends}))
	_, _, err := c.PutAttachment(ctx, a)
	w.must(err)
	w.must(c.PutMediaTask(ctx, store.MediaTask{ID: a.ID, Ends: a.Ends}, true))
}

func (w *world) scene(c *store.Client) storetest.Scene {
	return storetest.Scene{T: w.t, Store: w.store, Client: c, Now: w.now}
}

// talk is an event and two answers, of which the content of one has ended.
func (w *world) talk(c *store.Client, account model.AccountID, who ...string) store.Directory {
	w.t.Helper()
	said := storetest.Said{Account: account, Name: who[0], Text: "hello", Key: who[0]}
	for _, a := range who {
		said.Addresses = append(said.Addresses, model.Address{Kind: model.Phone, Value: a})
	}
	s := w.scene(c)
	d := s.Say(said)
	for n := range 2 {
		s.Answer(storetest.Answer{To: d, Account: account, Text: "answer", Key: fmt.Sprintf("%s-%s-%d", account, who[0], n), Status: model.Sent, Ended: n == 1})
	}
	return d
}

// rowsWith closes the world and returns every stored row that holds one of the
// words; the audit log and receipts, which are meant to stay, are left out.
func (w *world) rowsWith(words ...string) []string {
	w.t.Helper()
	w.close()
	return storetest.RowsWith(w.t, filepath.Join(w.dir, "table"), w.clock, []string{"h/audit\x00", "h/removal\x00"}, words...)
}
