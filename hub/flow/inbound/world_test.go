package inbound_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/channelhub/channelhub/hub/accounts"
	"github.com/channelhub/channelhub/hub/flow/inbound"
	"github.com/channelhub/channelhub/hub/hubtest/storetest"
	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/pluginhost"
	"github.com/channelhub/channelhub/hub/storage/table"
	"github.com/channelhub/channelhub/hub/storage/table/driver"
	"github.com/channelhub/channelhub/hub/store"
)

const (
	acme    = model.ClientID("acme")
	account = model.AccountID("acme-echo")
	plugin  = model.PluginID("echo")
)

// world is the rows and accounts that one or more hubs take events into.
type world struct {
	t        *testing.T
	rows     *storetest.Rows
	disk     *breaker
	accounts *accounts.Registry
	receipts *receipts
	clock    atomic.Int64 // nanoseconds added to the time
	told     atomic.Int64 // calls of Committed
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, accounts: accounts.NewRegistry(), receipts: &receipts{}}
	w.disk = &breaker{Driver: storetest.Pebble(t)}
	w.rows = storetest.Over(t, table.New(w.disk, &table.Options{Now: w.now}), w.now)
	echo := func(id model.AccountID, client model.ClientID) accounts.Account {
		return accounts.Account{ID: id, Client: client, Plugin: plugin, Enabled: true}
	}
	keep := model.Retention{
		Messages: 24 * time.Hour, Undelivered: 7 * 24 * time.Hour, DeadLetters: 14 * 24 * time.Hour, Dedupe: 8 * 24 * time.Hour,
	}
	w.accounts.Replace(accounts.Set{
		Clients: map[model.ClientID]accounts.Client{acme: {ID: acme, Retention: keep}, "other": {ID: "other", Retention: keep}},
		Accounts: map[model.AccountID]accounts.Account{
			account: echo(account, acme), "acme-two": echo("acme-two", acme), "other-echo": echo("other-echo", "other"),
			"acme-sms": {ID: "acme-sms", Client: acme, Plugin: "sms", Enabled: true},
		},
	})
	return w
}

func (w *world) now() time.Time { return time.Now().Add(time.Duration(w.clock.Load())) }

func (w *world) pass(d time.Duration) { w.clock.Add(int64(d)) }

// hub takes events as a process of its own would.
func (w *world) hub() *inbound.Inbound {
	return inbound.New(inbound.Options{
		Store: w.rows.Store(), Accounts: w.accounts, Receipts: w.receipts, Now: w.now,
		Committed: func(model.ClientID, model.ConversationID) { w.told.Add(1) },
	})
}

// client reads the rows as a process that remembers nothing.
func (w *world) client() *store.Client {
	w.t.Helper()
	c, err := w.rows.Store().Client(context.Background(), acme)
	if err != nil {
		w.t.Fatal(err)
	}
	return c
}

// says is a message of a customer.
func says(from, id string) *pluginhost.Event {
	return &pluginhost.Event{
		AccountID: account, Type: model.MessageReceived, DedupeKey: id,
		Addresses: []model.Address{{Kind: model.Phone, Value: from}}, DisplayName: from,
		Message: &model.Message{ProviderID: id, Content: &model.Content{Type: model.ContentText, Text: "text of " + id}},
	}
}

// does is an event without content.
func does(from, id string, kind model.EventType) *pluginhost.Event {
	ev := says(from, id)
	ev.Type, ev.Message = kind, nil
	return ev
}

func from(accts ...model.AccountID) inbound.Source {
	return inbound.Source{Plugin: plugin, Verified: accts}
}

// accept takes one event, which must be durable then.
func (w *world) accept(in *inbound.Inbound, ev *pluginhost.Event) inbound.Result {
	w.t.Helper()
	r := in.AcceptResults(context.Background(), from(ev.AccountID), []pluginhost.Item{{Event: ev}})[0]
	if r.Err != nil {
		w.t.Fatalf("accept %s: %v", ev.DedupeKey, r.Err)
	}
	return r
}

// feed returns the events in the order of the feed. Records that point at no
// row fail the test.
func (w *world) feed() []store.StoredEvent {
	w.t.Helper()
	c := w.client()
	var out []store.StoredEvent
	for _, r := range w.records() {
		if r.Kind != store.EventRecord {
			continue
		}
		e, err := c.Event(context.Background(), r.Conversation, r.Key)
		if err != nil {
			w.t.Fatalf("a record points at nothing: %v", err)
		}
		out = append(out, e)
	}
	return out
}

func (w *world) records() []store.Record {
	w.t.Helper()
	var out []store.Record
	for _, log := range w.client().FeedLogs() {
		rows, err := log.Read(context.Background(), 0, 1000)
		if err != nil {
			w.t.Fatal(err)
		}
		for _, row := range rows {
			out = append(out, row.Records...)
		}
	}
	return out
}

// texts is the provider's ids of what the feed tells, in order.
func (w *world) texts() []string {
	w.t.Helper()
	var out []string
	for _, e := range w.feed() {
		if e.Event.Message != nil {
			out = append(out, e.Event.Message.ProviderID)
		}
	}
	return out
}

func (w *world) types() []model.EventType {
	w.t.Helper()
	var out []model.EventType
	for _, r := range w.records() {
		out = append(out, r.Type)
	}
	return out
}

func (w *world) conversation(from string) store.Conversation {
	w.t.Helper()
	c := w.client()
	dir, err := c.Find(context.Background(), account, model.Address{Kind: model.Phone, Value: from})
	if err != nil {
		w.t.Fatal(err)
	}
	conv, err := c.ReadConversation(context.Background(), dir.Conversation)
	if err != nil {
		w.t.Fatal(err)
	}
	return conv
}

// answered is the client's side saying something in a conversation: a lane
// entry, which is all that sessions look at.
func (w *world) answered(conv store.Conversation) {
	w.t.Helper()
	_, err := w.client().Lane(conv.ID).Append(context.Background(), store.Record{
		Kind: store.DeliveryRecord, Conversation: conv.ID, Key: model.NewRandom16(), At: store.Millis(w.now()),
	}, 0)
	if err != nil {
		w.t.Fatal(err)
	}
}

// receipts notes reports and answers them as it is told.
type receipts struct {
	mu   sync.Mutex
	got  []pluginhost.StatusReport
	errs []error
}

func (r *receipts) Report(_ context.Context, _ accounts.Account, rep pluginhost.StatusReport) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.got = append(r.got, rep)
	if len(r.errs) == 0 {
		return nil
	}
	err := r.errs[0]
	r.errs = r.errs[1:]
	return err
}

// breaker is a disk that fails commits when told to. Nothing is written by a
// commit that fails.
type breaker struct {
	driver.Driver

	mu    sync.Mutex
	armed bool
	pass  int // commits that still pass
	hang  bool
	err   error
	match func(driver.Op) bool
	seen  int
	first func() // runs once, before the next commit that matches
}

var errBroken = errors.New("broken by the test")

// fail lets n commits pass that have an op which matches, and breaks all later
// ones with the code; a nil match is every op.
func (b *breaker) fail(n int, code model.Code, match func(driver.Op) bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.armed, b.pass, b.match, b.err = true, n, match, model.Wrap(code, "commit", errBroken)
}

// before runs do once, before the next commit with an op that matches: the
// place for another hub to act.
func (b *breaker) before(match func(driver.Op) bool, do func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.match, b.first = match, do
}

// stall makes commits wait until their context ends.
func (b *breaker) stall() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.hang = true
}

func (b *breaker) heal() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.armed, b.hang, b.seen, b.match = false, false, 0, nil
}

func (b *breaker) Commit(ctx context.Context, id driver.ID, ops []driver.Op) (driver.Cost, error) {
	b.mu.Lock()
	broken, hang, err := false, b.hang, b.err
	first := func() {}
	if b.match == nil || slices.ContainsFunc(ops, b.match) {
		b.seen++
		if b.first != nil {
			first, b.first = b.first, nil
		}
		if b.armed {
			broken = b.pass == 0
			b.pass = max(b.pass-1, 0)
		}
	}
	b.mu.Unlock()
	first()
	switch {
	case hang:
		<-ctx.Done()
		return driver.Cost{}, model.Wrap(model.Unavailable, "commit", ctx.Err())
	case broken:
		return driver.Cost{}, err
	}
	return b.Driver.Commit(ctx, id, ops)
}

func (b *breaker) writes() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.seen
}

func numbered(prefix string, n int) string { return fmt.Sprintf("%s-%d", prefix, n) }
