package erasure_test

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"github.com/channelhub/channelhub/hub/accounts"
	"github.com/channelhub/channelhub/hub/erasure"
	"github.com/channelhub/channelhub/hub/flow/inbound"
	"github.com/channelhub/channelhub/hub/flow/media"
	"github.com/channelhub/channelhub/hub/flow/outbound"
	"github.com/channelhub/channelhub/hub/hubtest/storetest"
	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/pluginhost"
	"github.com/channelhub/channelhub/hub/storage/blob"
	"github.com/channelhub/channelhub/hub/storage/blob/fileblob"
	"github.com/channelhub/channelhub/hub/storage/keys"
	"github.com/channelhub/channelhub/hub/storage/keys/localkeys"
	"github.com/channelhub/channelhub/hub/storage/keyslots"
	"github.com/channelhub/channelhub/hub/storage/table"
	"github.com/channelhub/channelhub/hub/storage/table/driver"
	"github.com/channelhub/channelhub/hub/storage/table/pebbletable"
	"github.com/channelhub/channelhub/hub/store"
	"github.com/channelhub/channelhub/hub/telemetry"
)

const (
	acme   = model.ClientID("acme")
	shop   = model.AccountID("acme-shop")
	desk   = model.AccountID("acme-desk")
	plugin = model.PluginID("echo")
	day    = 24 * time.Hour
	grace  = 10 * time.Second
)

// world is one hub's data directory with the rooms that an erasure meets in it,
// at a time of the test's choice.
type world struct {
	t       *testing.T
	metrics *telemetry.Metrics // nil: nobody counts
	dir     string
	disk    *disk
	table   *table.Table
	root    *keys.Keys
	slots   *keyslots.File
	files   *blob.Store
	clock   time.Time
	process
	changed  []model.ConversationID // that the eraser told of
	journals []store.ErasureJournal // that are said to wait
	close    func()
}

// process is what one process remembers, and what writes about contacts in it.
type process struct {
	store    *store.Store
	client   *store.Client
	inbound  *inbound.Inbound
	outbound *outbound.Outbound
	media    *media.Media
}

func openWorld(t *testing.T, dir string) *world {
	t.Helper()
	w := &world{t: t, dir: dir, clock: time.Date(2026, 11, 27, 9, 0, 0, 0, time.UTC)}
	rows, err := pebbletable.Open(filepath.Join(dir, "table"), nil)
	w.must(err)
	ring, err := localkeys.Open(filepath.Join(dir, "keyring.json"), nil)
	w.must(err)
	w.slots, err = keyslots.Open(filepath.Join(dir, "contact-keys"))
	w.must(err)
	files, err := fileblob.Open(filepath.Join(dir, "blobs"))
	w.must(err)
	w.disk = &disk{Store: rows}
	w.files = blob.New(files, &blob.Options{Now: w.now})
	w.table = table.New(w.disk, &table.Options{Now: w.now})
	w.root = keys.New(ring)
	w.process = w.start()
	w.must(w.store.NoteClient(t.Context(), store.KnownClient{ID: acme, Since: w.now()}))
	for _, id := range []model.AccountID{shop, desk} {
		w.must(w.store.NoteAccount(t.Context(), acme, id))
	}
	closed := false
	w.close = func() {
		if closed {
			return
		}
		closed = true
		if err := w.store.Close(); err != nil {
			t.Error(err)
		}
		if err := w.slots.Close(); err != nil {
			t.Error(err)
		}
	}
	t.Cleanup(w.close)
	return w
}

// start makes a process that remembers nothing.
func (w *world) start() (p process) {
	w.t.Helper()
	registry := accounts.NewRegistry()
	keep := model.Retention{Messages: day, Undelivered: 7 * day, DeadLetters: 14 * day, Dedupe: 8 * day, Idempotency: day, Attachments: day}
	set := accounts.Set{Clients: map[model.ClientID]accounts.Client{acme: {ID: acme, Retention: keep}}, Accounts: map[model.AccountID]accounts.Account{}}
	for _, id := range []model.AccountID{shop, desk} {
		set.Accounts[id] = accounts.Account{ID: id, Client: acme, Plugin: plugin, Enabled: true}
	}
	registry.Replace(set)
	p.store = store.New(w.table, w.root, &store.Options{Now: w.now, Slots: w.slots})
	var err error
	p.client, err = p.store.Client(w.t.Context(), acme)
	w.must(err)
	p.media, err = media.New(media.Options{Store: p.store, Blobs: w.files, Accounts: registry, Now: w.now})
	w.must(err)
	p.outbound = outbound.New(outbound.Options{Store: p.store, Accounts: registry, Now: w.now})
	p.inbound = inbound.New(inbound.Options{Store: p.store, Accounts: registry, Files: p.media, Now: w.now})
	return p
}

func (w *world) now() time.Time { return w.clock }

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) eraser() *erasure.Eraser {
	return erasure.New(erasure.Options{
		Store: w.store, Discard: w.outbound.DiscardErased, RemoveFile: w.media.Remove, FileKind: media.DueKind,
		Undrained: func([]model.AccountID) []store.ErasureJournal { return w.journals },
		Changed:   func(_ model.ClientID, conv model.ConversationID) { w.changed = append(w.changed, conv) },
		Keep:      func() time.Duration { return 397 * day },
		Metrics:   w.metrics,
		Now:       w.now,
	})
}

// order begins an erasure.
func (w *world) order(contact model.ContactID) store.Erasure {
	w.t.Helper()
	order, _, err := w.eraser().Begin(w.t.Context(), erasure.Who{Client: acme, Contact: contact}, boss)
	w.must(err)
	return order
}

var boss = store.Act{Actor: "boss", Role: "privacy", RequestID: "req"}

// finish carries out what is ordered, and lets its wait pass.
func (w *world) finish() {
	w.t.Helper()
	e := w.eraser()
	wait, err := e.Pass(w.t.Context())
	w.must(err)
	if wait > 0 {
		w.clock = w.clock.Add(wait)
		wait, err = e.Pass(w.t.Context())
		w.must(err)
	}
	if wait > 0 {
		w.t.Fatalf("it waits for %s more", wait)
	}
}

// receipt is the one erasure there is, which must be done.
func (w *world) receipt() store.Erasure {
	w.t.Helper()
	all, _, err := w.store.Erasures(w.t.Context(), "", 9)
	w.must(err)
	if len(all) != 1 || all[0].Step != store.ErasureDone {
		w.t.Fatalf("no single receipt: %+v", all)
	}
	return all[0]
}

// writes has somebody write by way of the hub, and returns where that went.
func (p process) writes(account model.AccountID, key, text string, from ...model.Address) inbound.Result {
	ev := pluginhost.Event{
		AccountID: account, Type: model.MessageReceived, DedupeKey: key, Addresses: from, DisplayName: text,
		Message: &model.Message{ProviderID: key, Content: &model.Content{Type: model.ContentText, Text: text}},
	}
	return p.inbound.AcceptResults(context.Background(), inbound.Source{Plugin: plugin}, []pluginhost.Item{{Event: &ev}})[0]
}

func (w *world) scene() storetest.Scene {
	return storetest.Scene{T: w.t, Store: w.store, Client: w.client, Now: w.now}
}

// disk is the table's own disk, on which a test acts before each commit, and
// may refuse it.
type disk struct {
	*pebbletable.Store
	before func([]driver.Op) error
}

func (d *disk) Commit(ctx context.Context, id driver.ID, ops []driver.Op) (driver.Cost, error) {
	if err := d.ask(ops); err != nil {
		return driver.Cost{}, err
	}
	return d.Store.Commit(ctx, id, ops)
}

func (d *disk) CommitSteps(ctx context.Context, id driver.ID, ops []driver.Op) (driver.Cost, error) {
	if err := d.ask(ops); err != nil {
		return driver.Cost{}, err
	}
	return d.Store.CommitSteps(ctx, id, ops)
}

func (d *disk) ask(ops []driver.Op) error {
	if d.before == nil {
		return nil
	}
	return d.before(ops)
}
