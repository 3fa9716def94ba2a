package retention_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/channelhub/channelhub/hub/hubtest/storetest"
	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/retention"
	"github.com/channelhub/channelhub/hub/store"
)

const (
	acme    = model.ClientID("acme")
	account = model.AccountID("acme-echo")
	day     = 24 * time.Hour
)

// world is one client's rows, a clock and a policy.
type world struct {
	t      *testing.T
	rows   *storetest.Rows
	store  *store.Store
	client *store.Client
	dir    store.Directory
	policy retention.Policy

	mu    sync.Mutex
	clock time.Time
	swept map[retention.Class]int
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, clock: time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC), swept: map[retention.Class]int{}}
	w.rows = storetest.Open(t, w.now)
	w.begin()
	return w
}

// begin decides the policy and lets the customer in.
func (w *world) begin() {
	w.t.Helper()
	w.policy = retention.Policy{
		Client: acme, Consumers: []string{"desk"},
		Keep: model.Retention{Messages: day, Undelivered: 7 * day, DeadLetters: 14 * day, Dedupe: 8 * day},
	}
	w.restart()
	var err error
	if w.dir, err = w.client.Resolve(w.t.Context(), account, []model.Address{{Kind: model.Phone, Value: "1555"}}, "Ada"); err != nil {
		w.t.Fatal(err)
	}
}

// restart forgets all that a process remembers.
func (w *world) restart() {
	w.t.Helper()
	w.store = w.rows.Store()
	var err error
	if w.client, err = w.store.Client(w.t.Context(), acme); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) now() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.clock
}

func (w *world) pass(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.clock = w.clock.Add(d)
}

func (w *world) Policy(context.Context, model.ClientID) (retention.Policy, error) {
	return w.policy, nil
}

func (w *world) ends() *retention.Ends {
	return retention.NewEnds(&retention.EndsOptions{Policies: w, Now: w.now})
}

func (w *world) sweeper() *retention.Sweeper {
	return retention.NewSweeper(retention.SweeperOptions{
		Store: w.store, Ends: w.ends(), Policies: w, Now: w.now,
		Clients: func() []model.ClientID { return []model.ClientID{acme} },
		Swept:   func(_ context.Context, _ model.ClientID, c retention.Class, n int) { w.swept[c] += n },
	})
}

func (w *world) sweep() {
	w.t.Helper()
	if err := w.sweeper().Pass(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
}

// hear takes an event in and returns its key.
func (w *world) hear(id string) model.Random16 {
	w.t.Helper()
	ctx := w.t.Context()
	key, err := w.client.EventKey(ctx, account, id)
	if err != nil {
		w.t.Fatal(err)
	}
	tail, err := w.client.Feed(w.dir.Conversation).Tail(ctx)
	if err != nil {
		w.t.Fatal(err)
	}
	now := w.now()
	e, _, err := w.client.PutEvent(ctx, store.StoredEvent{
		Conversation: w.dir.Conversation, Key: key, Account: account, SealKey: w.dir.Key(), Type: model.MessageReceived,
		In: 1, Committed: now, Tail: tail, Received: now,
		ContentUntil: now.Add(w.policy.Keep.Undelivered), Expires: now.Add(w.policy.Keep.RowLife()),
		Event: model.Event{SessionID: "ses_1", Message: &model.Message{
			Direction: model.Inbound, Author: model.Customer, Content: &model.Content{Type: model.ContentText, Text: "secret " + id},
		}},
	})
	if err != nil {
		w.t.Fatal(err)
	}
	r := e.Pointer()
	r.Type, r.Account, r.Direction, r.At = e.Type, account, model.Inbound, store.Millis(now)
	if _, err := w.client.Feed(w.dir.Conversation).Append(ctx, r, tail); err != nil {
		w.t.Fatal(err)
	}
	return key
}

// say puts a message that was sent into its row and the feed.
func (w *world) say(n byte, status model.Status) store.Outbound {
	w.t.Helper()
	ctx := w.t.Context()
	tail, err := w.client.Feed(w.dir.Conversation).Tail(ctx)
	if err != nil {
		w.t.Fatal(err)
	}
	now := w.now()
	o, err := w.client.CreateOutbound(ctx, store.Outbound{
		Conversation: w.dir.Conversation, UUID: model.Random16{n}, Account: account, SealKey: w.dir.Key(),
		Status: status, Was: model.Queued, Seq: 1, Tail: tail, Created: now, Moved: now,
		ContentUntil: now.Add(w.policy.Keep.Undelivered), Expires: now.Add(w.policy.Keep.RowLife()),
		To: []model.Address{{Kind: model.Phone, Value: "1555"}}, ProviderIDs: []string{"wamid"},
		Message: model.Message{Author: model.CSR, Content: &model.Content{Type: model.ContentText, Text: "answer"}},
	})
	if err != nil {
		w.t.Fatal(err)
	}
	w.record(o)
	return o
}

func (w *world) record(o store.Outbound) {
	w.t.Helper()
	r, _ := o.Promise()
	if _, err := w.client.Feed(o.Conversation).Append(w.t.Context(), r, o.Tail); err != nil {
		w.t.Fatal(err)
	}
}

// ack acknowledges all that is there.
func (w *world) ack(consumer string) {
	w.t.Helper()
	tail, err := w.client.Feed(w.dir.Conversation).Tail(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	if _, err := w.client.Acknowledge(w.t.Context(), consumer, []store.Position{{N: tail + 1}}); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) event(key model.Random16) store.StoredEvent {
	w.t.Helper()
	e, err := w.client.Event(w.t.Context(), w.dir.Conversation, key)
	if err != nil {
		w.t.Fatal(err)
	}
	return e
}

// ended asks as a reader by id and as a reader of the feed; both must agree.
func (w *world) ended(key model.Random16) bool {
	w.t.Helper()
	e := w.event(key)
	view, err := w.ends().Of(w.t.Context(), w.client)
	if err != nil {
		w.t.Fatal(err)
	}
	byID, err := view.Event(w.t.Context(), e)
	if err != nil {
		w.t.Fatal(err)
	}
	behind, found, _, err := w.client.PlaceOf(w.t.Context(), e.Pointer(), e.Tail)
	if err != nil {
		w.t.Fatal(err)
	}
	if found && view.EventAt(e, behind) != byID {
		w.t.Errorf("by id it has ended: %v; in the feed: %v", byID, !byID)
	}
	return byID
}

func (w *world) messageEnded(o store.Outbound) bool {
	w.t.Helper()
	now, err := w.client.Outbound(w.t.Context(), o.Conversation, o.UUID)
	if err != nil {
		w.t.Fatal(err)
	}
	view, err := w.ends().Of(w.t.Context(), w.client)
	if err != nil {
		w.t.Fatal(err)
	}
	ended, err := view.Message(w.t.Context(), now)
	if err != nil {
		w.t.Fatal(err)
	}
	return ended
}

// summaries is how many events each summary in the feed stands for.
func (w *world) summaries() []int {
	w.t.Helper()
	var out []int
	floor, err := w.client.Feed(w.dir.Conversation).Floor(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	rows, err := w.client.Feed(w.dir.Conversation).Read(w.t.Context(), floor, 500)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, row := range rows {
		for _, r := range row.Records {
			if r.Kind == store.ExpiredRecord {
				out = append(out, r.Seq)
			}
		}
	}
	return out
}

func name(n int) string { return fmt.Sprint("m", n) }
