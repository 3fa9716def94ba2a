package outbound_test

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
	"github.com/channelhub/channelhub/hub/flow/outbound"
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
	w := &world{t: t, accounts: accounts.NewRegistry(), provider: newProvider()}
	w.disk = &breaker{Driver: storetest.Pebble(t)}
	w.rows = storetest.Over(t, table.New(w.disk, &table.Options{Now: w.now}), w.now)
	w.configure(accounts.Account{})
	w.accounts.Move(account, accounts.Open, "", time.Now())
	w.client = w.clientOf(w.rows.Store())
	return w
}

func (w *world) now() time.Time { return time.Now().Add(time.Duration(w.clock.Load())) }

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

// answer is what the provider does with one attempt.
type answer func(ctx context.Context, d pluginhost.Delivery) (pluginhost.Outcome, error)

// provider stands for the plugin host and the provider behind it. It answers
// attempts by a script for each text, and takes what has none.
type provider struct {
	mu         sync.Mutex
	descriptor pluginhost.Descriptor
	silent     bool // the connector has not described itself
	away       bool
	scripts    map[string][]answer
	attempts   []pluginhost.Delivery
	open       map[string]int // attempts under way, by address
	together   int            // the most attempts that one lane ever had under way
}

func newProvider() *provider {
	return &provider{
		descriptor: pluginhost.Descriptor{
			Can: pluginhost.Capabilities{Send: true}, AddressKinds: []model.AddressKind{model.Phone},
			Limits:         pluginhost.Limits{MaxText: 100, ContentTypes: []model.ContentType{model.ContentText}},
			IdempotentSend: true,
		},
		scripts: map[string][]answer{}, open: map[string]int{},
	}
}

// script appends answers for the attempts to send a text.
func (p *provider) script(text string, answers ...answer) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.scripts[text] = append(p.scripts[text], answers...)
}

func (p *provider) set(change func(*provider)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	change(p)
}

// texts returns what was attempted so far, in order.
func (p *provider) texts() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	var out []string
	for _, d := range p.attempts {
		out = append(out, d.Message.Content.Text)
	}
	return out
}

func (p *provider) count(text string) int {
	n := 0
	for _, t := range p.texts() {
		if t == text {
			n++
		}
	}
	return n
}

func (p *provider) Describe(model.PluginID) (pluginhost.Descriptor, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.silent {
		return pluginhost.Descriptor{}, false
	}
	return p.descriptor, true
}

func (p *provider) Ready(model.PluginID) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return !p.away
}

func (p *provider) Send(ctx context.Context, _ model.PluginID, d pluginhost.Delivery) (pluginhost.Outcome, error) {
	text, to := d.Message.Content.Text, d.To[0].Value
	p.mu.Lock()
	p.attempts = append(p.attempts, d)
	p.open[to]++
	p.together = max(p.together, p.open[to])
	do := sent
	if s := p.scripts[text]; len(s) > 0 {
		do, p.scripts[text] = s[0], s[1:]
	}
	p.mu.Unlock()
	defer func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.open[to]--
	}()
	return do(ctx, d)
}

// providerID is how the provider names a message it took.
func providerID(id model.MessageID) string { return "prov-" + string(id) }

func sent(_ context.Context, d pluginhost.Delivery) (pluginhost.Outcome, error) {
	return pluginhost.Outcome{Kind: pluginhost.Sent, ProviderIDs: []string{providerID(d.Message.ID)}}, nil
}

func says(out pluginhost.Outcome) answer {
	return func(context.Context, pluginhost.Delivery) (pluginhost.Outcome, error) { return out, nil }
}

var (
	unknown   = says(pluginhost.Outcome{Kind: pluginhost.Unknown, Code: "timeout"})
	retry     = says(pluginhost.Outcome{Kind: pluginhost.Retry, Code: "refused"})
	throttled = says(pluginhost.Outcome{Kind: pluginhost.Throttled, Scope: pluginhost.ScopeRecipient})
)

// gate is an answer that tells when it was asked and waits to be let go.
type gate struct {
	entered chan struct{}
	leave   chan struct{}
	then    answer
}

func newGate(then answer) *gate {
	return &gate{entered: make(chan struct{}), leave: make(chan struct{}), then: then}
}

func (g *gate) answer(ctx context.Context, d pluginhost.Delivery) (pluginhost.Outcome, error) {
	g.pass()
	return g.then(ctx, d)
}

func (g *gate) pass() {
	close(g.entered)
	select {
	case <-g.leave:
	case <-time.After(patience): // the test has failed
	}
}

// wait waits until the attempt is under way.
func (g *gate) wait(t *testing.T) {
	t.Helper()
	select {
	case <-g.entered:
	case <-time.After(patience):
		t.Fatal("the attempt never began")
	}
}

// breaker is a disk that fails commits when told to. Nothing is written by a
// commit that fails.
type breaker struct {
	driver.Driver

	mu    sync.Mutex
	armed bool
	pass  int // commits that still pass
	match func(driver.Op) bool
	seen  int
	held  *gate
}

var errBroken = model.Wrap(model.Internal, "commit", errors.New("broken by the test"))

// fail lets n commits pass that have an op which matches, and breaks all later
// ones; nil matches every op.
func (b *breaker) fail(n int, match func(driver.Op) bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.armed, b.pass, b.match = true, n, match
}

// hold makes the next commit that has a matching op wait at the gate.
func (b *breaker) hold(g *gate, match func(driver.Op) bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.held, b.match = g, match
}

// heal makes every commit pass, and returns how many were counted since the
// last time.
func (b *breaker) heal() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	n := b.seen
	b.armed, b.seen = false, 0
	return n
}

func (b *breaker) Commit(ctx context.Context, id driver.ID, ops []driver.Op) (driver.Cost, error) {
	b.mu.Lock()
	broken := false
	var held *gate
	if b.match == nil || slices.ContainsFunc(ops, b.match) {
		b.seen++
		held, b.held = b.held, nil
		if b.armed {
			broken = b.pass == 0
			b.pass = max(b.pass-1, 0)
		}
	}
	b.mu.Unlock()
	if held != nil {
		held.pass()
	}
	if broken {
		return driver.Cost{}, errBroken
	}
	return b.Driver.Commit(ctx, id, ops)
}

// Sweep is the driver's own.
func (b *breaker) Sweep(ctx context.Context, by time.Time) (int, error) {
	s, ok := b.Driver.(driver.Sweeper)
	if !ok {
		return 0, nil
	}
	return s.Sweep(ctx, by)
}
