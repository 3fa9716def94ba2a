package journal

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/channelhub/channelhub/hub/accounts"
	"github.com/channelhub/channelhub/hub/flow/inbound"
	"github.com/channelhub/channelhub/hub/hubtest/storetest"
	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/pluginhost"
	"github.com/channelhub/channelhub/hub/storage/keys"
	"github.com/channelhub/channelhub/hub/storage/table"
	"github.com/channelhub/channelhub/hub/storage/table/pebbletable"
	"github.com/channelhub/channelhub/hub/store"
	"github.com/channelhub/channelhub/hub/telemetry"
)

var (
	acme  = accounts.Account{ID: "acme-echo", Client: "acme", Plugin: "echo", Enabled: true}
	other = accounts.Account{ID: "other-echo", Client: "acme", Plugin: "echo", Enabled: true}
)

// world is a journal between a connector that does what the test says and the
// real inbound flow over a real store.
type world struct {
	t         *testing.T
	store     *store.Store
	inbound   *inbound.Inbound
	connector *connector
	root      *storetest.Root
	*Journal

	registry *accounts.Registry

	mu  sync.Mutex
	now time.Time
}

func newWorld(t *testing.T) *world {
	t.Helper()
	dir := t.TempDir()
	w := &world{t: t, connector: &connector{failsOn: map[string]int{}}, now: time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)}
	rows, err := pebbletable.Open(filepath.Join(dir, "table"), nil)
	if err != nil {
		t.Fatal(err)
	}
	w.root = storetest.NewRoot(t)
	w.store = store.New(table.New(rows, &table.Options{Now: w.Now}), keys.New(w.root), &store.Options{Now: w.Now})
	t.Cleanup(func() {
		if err := w.store.Close(); err != nil {
			t.Error(err)
		}
	})
	registry := accounts.NewRegistry()
	registry.Replace(accounts.Set{
		Clients: map[model.ClientID]accounts.Client{"acme": {ID: "acme", Retention: model.Retention{
			Undelivered: 100 * time.Hour, Dedupe: 100 * time.Hour, DeadLetters: 300 * time.Hour,
		}}},
		Accounts: map[model.AccountID]accounts.Account{acme.ID: acme, other.ID: other},
	})
	w.registry = registry
	w.inbound = inbound.New(inbound.Options{Store: w.store, Accounts: registry, Now: w.Now})
	w.restart(nil)
	return w
}

// restart makes the journal anew, as the next process does.
func (w *world) restart(change func(*Options)) {
	w.t.Helper()
	o := Options{
		Store: w.store, Connectors: w.connector, Now: w.Now, Metrics: telemetry.New("test"), Accept: w.inbound.Accept, Accounts: w.registry,
		Ready: func(model.PluginID, model.AccountID) bool { return !w.connector.isAway() },
		Commit: func(ctx context.Context, plugin model.PluginID, account model.AccountID, received time.Time, res pluginhost.HTTPResult) (pluginhost.HTTPReply, error) {
			errs := w.inbound.Accept(ctx, inbound.Source{Plugin: plugin, Verified: []model.AccountID{account}, Received: received}, res.Items)
			return res.Reply, inbound.Worth(errs)
		},
	}
	if change != nil {
		change(&o)
	}
	w.Journal = New(o)
	if err := w.Start(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) Now() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now
}

func (w *world) pass(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = w.now.Add(d)
}

// said is what a customer writes, as the connector of these tests spells it.
type said struct{ ID, From, Text string }

func (w *world) request(s said) pluginhost.HTTPRequest {
	body, err := json.Marshal(s)
	if err != nil {
		w.t.Fatal(err)
	}
	return pluginhost.HTTPRequest{
		AccountID: acme.ID, Method: http.MethodPost, URL: "https://hub.example/in/echo/acme-echo/more?x=1", SubPath: "more",
		Headers: []pluginhost.Header{{Name: "X-Signature", Values: []string{"a", "b"}}},
		Body:    body, RemoteAddress: "192.0.2.7", ReceivedAt: w.Now(), Traceparent: "00-trace",
	}
}

func (w *world) keep(all ...said) {
	w.t.Helper()
	for _, s := range all {
		if err := w.Requests().Keep(w.t.Context(), acme.Plugin, acme, w.request(s)); err != nil {
			w.t.Fatal(err)
		}
	}
}

func (w *world) active() bool { return w.Requests().Active(acme.Plugin, acme.ID) }

// replay works everything off as far as it goes now.
func (w *world) replay() (taken, waiting int) {
	w.t.Helper()
	taken, waiting, err := w.Replay(w.t.Context(), acme.Plugin)
	if err != nil {
		w.t.Fatal(err)
	}
	return taken, waiting
}

func (w *world) tally() store.JournalTally {
	w.t.Helper()
	log, ok := w.journals.Find(store.JournalRoute{Plugin: acme.Plugin, Account: acme.ID})
	if !ok {
		w.t.Fatal("the route has no journal")
	}
	return log.Tally()
}

// feed is what the client application reads: the texts, in order.
func (w *world) feed() []string {
	w.t.Helper()
	client, err := w.store.Client(w.t.Context(), "acme")
	if err != nil {
		w.t.Fatal(err)
	}
	rows, err := client.FeedLogs()[0].Read(w.t.Context(), 0, 1000)
	if err != nil {
		w.t.Fatal(err)
	}
	var texts []string
	for _, row := range rows {
		for _, r := range row.Records {
			ev, err := client.Event(w.t.Context(), r.Conversation, r.Key)
			if err != nil {
				w.t.Fatal(err)
			}
			if ev.Event.Message != nil {
				texts = append(texts, ev.Event.Message.Content.Text)
			}
		}
	}
	return texts
}

// run lets the journal work by itself until the test ends.
func (w *world) run() {
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		w.Run(ctx)
	}()
	w.t.Cleanup(func() { stop(); <-done })
}

// until waits for something to become true.
func (w *world) until(what string, ok func() bool) {
	w.t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !ok(); {
		if time.Now().After(deadline) {
			w.t.Fatalf("waited in vain until %s", what)
		}
		time.Sleep(time.Millisecond) // a poll, not an assertion
	}
}

// connector is away, or fails, when a test says so.
type connector struct {
	mu       sync.Mutex
	away     bool
	failsOn  map[string]int // text → how often; -1 for always
	requests []pluginhost.HTTPRequest
	calls    []int // entries in each call
	inCall   func(texts []string)
}

func (c *connector) set(away bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.away = away
}

func (c *connector) isAway() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.away
}

var errGone = model.Errorf(model.Unavailable, "ReceiveHTTP", "the connector went away")

// begin notes a call, and fails it if one of its texts is to fail.
func (c *connector) begin(texts []string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.inCall != nil {
		do := c.inCall
		c.mu.Unlock()
		do(texts)
		c.mu.Lock()
	}
	if c.away {
		return errGone
	}
	c.calls = append(c.calls, len(texts))
	for _, text := range texts {
		if n := c.failsOn[text]; n != 0 {
			c.failsOn[text] = n - 1
			return errGone
		}
	}
	return nil
}

func (c *connector) ReceiveHTTP(_ context.Context, _ model.PluginID, requests []pluginhost.HTTPRequest) ([]pluginhost.HTTPResult, error) {
	all := make([]said, len(requests))
	texts := make([]string, len(requests))
	for i, r := range requests {
		if err := json.Unmarshal(r.Body, &all[i]); err != nil {
			return nil, err
		}
		texts[i] = all[i].Text
	}
	if err := c.begin(texts); err != nil {
		return nil, err
	}
	c.mu.Lock()
	c.requests = append(c.requests, requests...)
	c.mu.Unlock()
	var out []pluginhost.HTTPResult
	for i, s := range all {
		res := pluginhost.HTTPResult{Reply: pluginhost.HTTPReply{Status: http.StatusOK}}
		switch s.Text {
		case "refuse":
			res.Reply.Status = http.StatusUnauthorized
		case "break":
			res.Reply.Status = http.StatusBadGateway
		default:
			res.Items = items(requests[i].AccountID, s)
		}
		out = append(out, res)
	}
	return out, nil
}

func (c *connector) ReceiveSocket(_ context.Context, _ model.PluginID, frames []pluginhost.SocketFrame) ([]pluginhost.SocketResult, error) {
	all := make([]said, len(frames))
	texts := make([]string, len(frames))
	for i, f := range frames {
		if err := json.Unmarshal(f.Frame, &all[i]); err != nil {
			return nil, err
		}
		all[i].From, texts[i] = f.Visitor.Value, all[i].Text
	}
	if err := c.begin(texts); err != nil {
		return nil, err
	}
	var out []pluginhost.SocketResult
	for i, s := range all {
		if s.Text == "refuse" {
			out = append(out, pluginhost.SocketResult{Refusal: &pluginhost.FrameRefusal{Code: "malformed"}})
			continue
		}
		out = append(out, pluginhost.SocketResult{Items: items(frames[i].AccountID, s)})
	}
	return out, nil
}

// items is one message; one without an id is what inbound can never take.
func items(account model.AccountID, s said) []pluginhost.Item {
	return []pluginhost.Item{{Event: &pluginhost.Event{
		AccountID: account, Type: model.MessageReceived, DedupeKey: s.ID, Addresses: []model.Address{{Kind: "echo", Value: s.From}},
		Message: &model.Message{ProviderID: s.ID, Content: &model.Content{Type: model.ContentText, Text: s.Text}},
	}}}
}

func (c *connector) sizes() []int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.calls)
}

// some is n messages of a customer.
func some(who string, n int) (all []said, texts []string) {
	for i := range n {
		s := said{ID: fmt.Sprintf("%s-%d", who, i), From: who, Text: fmt.Sprintf("%s says %d", who, i)}
		all, texts = append(all, s), append(texts, s.Text)
	}
	return all, texts
}

var errTest = errors.New("made by the test")

// letters lists the client's dead letters with what came in.
func (w *world) letters() (reasons []string, requests []pluginhost.HTTPRequest) {
	w.t.Helper()
	client, err := w.store.Client(w.t.Context(), "acme")
	if err != nil {
		w.t.Fatal(err)
	}
	all, err := client.DeadLetters(w.t.Context(), model.Random16{}, 100)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, d := range all {
		if d.Parts == 0 {
			continue // of an event, which inbound refused
		}
		if d.Account != acme.ID || !d.Expires.Equal(w.Now().Add(300*time.Hour)) {
			w.t.Errorf("letter %+v", d)
		}
		content, err := client.LetterContent(w.t.Context(), d)
		if err != nil {
			w.t.Fatal(err)
		}
		r, err := unpackRequest(store.JournalRoute{Plugin: acme.Plugin, Account: d.Account}, content)
		if err != nil {
			w.t.Fatal(err)
		}
		reasons, requests = append(reasons, d.Reason), append(requests, r)
	}
	return reasons, requests
}
