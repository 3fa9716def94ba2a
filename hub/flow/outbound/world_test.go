package outbound_test

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/channelhub/channelhub/hub/accounts"
	"github.com/channelhub/channelhub/hub/flow/outbound"
	"github.com/channelhub/channelhub/hub/hubtest/storetest"
	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/pluginhost"
	"github.com/channelhub/channelhub/hub/storage/table"
	"github.com/channelhub/channelhub/hub/store"
)

const (
	acme    = model.ClientID("acme")
	account = model.AccountID("acme-echo")
	plugin  = model.PluginID("echo")
	// patience is how long a test waits for what must happen; it passes as soon
	// as it does.
	patience = 20 * time.Second
)

// world is the rows, the accounts and the provider that one or more pools of
// lanes work with.
type world struct {
	t        *testing.T
	rows     *storetest.Rows
	disk     *breaker
	accounts *accounts.Registry
	provider *provider
	client   *store.Client
	clock    atomic.Int64 // nanoseconds added to the time
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, accounts: accounts.NewRegistry()}
	w.provider = newProvider(w.now)
	w.disk = &breaker{Driver: storetest.Pebble(t)}
	w.rows = storetest.Over(t, table.New(w.disk, &table.Options{Now: w.now}), w.now)
	w.configure(accounts.Account{})
	w.accounts.Move(account, accounts.Open, "", time.Now())
	w.client = w.clientOf(w.rows.Store())
	return w
}

func (w *world) now() time.Time { return time.Now().Add(time.Duration(w.clock.Load())) }

func (w *world) pass(d time.Duration) { w.clock.Add(int64(d)) }

// configure puts the one account in force; a keeps its settings.
func (w *world) configure(a accounts.Account) {
	a.ID, a.Client, a.Plugin, a.Enabled = account, acme, plugin, true
	w.accounts.Replace(accounts.Set{
		Clients: map[model.ClientID]accounts.Client{acme: {ID: acme, Retention: model.Retention{
			Messages: 24 * time.Hour, Undelivered: 7 * 24 * time.Hour, DeadLetters: 14 * 24 * time.Hour,
			Dedupe: 8 * 24 * time.Hour, Idempotency: 24 * time.Hour,
		}}},
		Accounts: map[model.AccountID]accounts.Account{account: a},
	})
}

func (w *world) clientOf(s *store.Store) *store.Client {
	w.t.Helper()
	c, err := s.Client(context.Background(), acme)
	if err != nil {
		w.t.Fatal(err)
	}
	return c
}

// pool starts lanes of what could be a process of its own.
func (w *world) pool(change func(*outbound.Options)) *outbound.Outbound {
	w.t.Helper()
	o := outbound.Options{
		Store: w.rows.Store(), Accounts: w.accounts, Connectors: w.provider, Now: w.now,
		SendTimeout: 10 * time.Second, Linger: 20 * time.Millisecond, Hold: 10 * time.Minute,
	}
	o.Backoff.Min, o.Backoff.Max = time.Millisecond, 5*time.Millisecond
	if change != nil {
		change(&o)
	}
	out := outbound.New(o)
	if err := out.Start(context.Background()); err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { w.close(out) })
	return out
}

func (w *world) close(out *outbound.Outbound) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := out.Close(ctx); err != nil {
		w.t.Errorf("close: %v", err)
	}
}

func request(to, text string) outbound.Request {
	return outbound.Request{
		Account: account, Address: model.Address{Kind: model.Phone, Value: to},
		Content: model.Content{Type: model.ContentText, Text: text},
	}
}

func keyed(key, body string) outbound.Idempotency {
	return outbound.Idempotency{Route: "POST /v1/messages", Key: key, Body: []byte(body)}
}

// submit hands a message in and expects it to be accepted.
func (w *world) submit(out *outbound.Outbound, to, text string) store.Outbound {
	w.t.Helper()
	return w.submitRequest(out, request(to, text))
}

func (w *world) submitRequest(out *outbound.Outbound, r outbound.Request) store.Outbound {
	w.t.Helper()
	got, err := out.Submit(context.Background(), acme, r, keyed("", ""))
	if err != nil {
		w.t.Fatalf("submit %q: %v", r.Content.Text, err)
	}
	return got.Message
}

// read returns a message as it is stored now.
func (w *world) read(m store.Outbound) store.Outbound {
	w.t.Helper()
	now, err := w.client.Outbound(context.Background(), m.Conversation, m.UUID)
	if err != nil {
		w.t.Fatal(err)
	}
	return now
}

// await waits until the message has the status, and returns it.
func (w *world) await(m store.Outbound, want model.Status) store.Outbound {
	w.t.Helper()
	var now store.Outbound
	w.until(fmt.Sprintf("message to be %s", want), func() error {
		if now = w.read(m); now.Status != want {
			return fmt.Errorf("it is %s (%+v)", now.Status, now.Failure)
		}
		return nil
	})
	return now
}

// until polls until the condition holds.
func (w *world) until(what string, holds func() error) {
	w.t.Helper()
	deadline := time.Now().Add(patience)
	for {
		err := holds()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			w.t.Fatalf("wait for %s: %v", what, err)
		}
		time.Sleep(2 * time.Millisecond) // a poll, not an assertion
	}
}

// report is a receipt by provider id.
func (w *world) report(out *outbound.Outbound, providerID string, status model.Status) {
	w.t.Helper()
	w.reportAs(out, pluginhost.StatusReport{Status: status, ProviderID: providerID})
}

func (w *world) reportAs(out *outbound.Outbound, r pluginhost.StatusReport) {
	w.t.Helper()
	acct, _ := w.accounts.Account(account)
	r.AccountID = account
	if err := out.Report(context.Background(), acct, r); err != nil {
		w.t.Fatalf("report %s: %v", r.Status, err)
	}
}

// moves returns what the feed tells of a message: the statuses in order.
func (w *world) moves(m store.Outbound) []model.Status {
	w.t.Helper()
	var out []model.Status
	for _, log := range w.client.FeedLogs() {
		rows, err := log.Read(context.Background(), 0, 1000)
		if err != nil {
			w.t.Fatal(err)
		}
		for _, row := range rows {
			for _, r := range row.Records {
				if r.Kind == store.StatusRecord && r.Conversation == m.Conversation && r.Key == m.UUID {
					out = append(out, r.New)
				}
			}
		}
	}
	return out
}

// told waits until the feed tells exactly these moves of the message.
func (w *world) told(m store.Outbound, want ...model.Status) {
	w.t.Helper()
	w.until(fmt.Sprintf("feed to tell %v", want), func() error {
		if got := w.moves(m); !slices.Equal(got, want) {
			return fmt.Errorf("it tells %v", got)
		}
		return nil
	})
}

// idle waits until no lane is noted as active.
func (w *world) idle() {
	w.t.Helper()
	w.until("lanes to retire", func() error {
		if n := len(w.active()); n > 0 {
			return fmt.Errorf("%d lanes are active", n)
		}
		return nil
	})
}

func (w *world) active() []store.ActiveLane {
	w.t.Helper()
	lanes, err := w.rows.Store().ActiveLanes(context.Background())
	if err != nil {
		w.t.Fatal(err)
	}
	return lanes
}
