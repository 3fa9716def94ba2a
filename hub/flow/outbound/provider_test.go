package outbound_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/pluginhost"
	"github.com/channelhub/channelhub/hub/storage/table/driver"
)

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
	now        func() time.Time
	open       map[string][]time.Time // until when attempts under way may send, by address
	together   int                    // the most attempts that one lane ever had which might send
}

func newProvider(now func() time.Time) *provider {
	return &provider{
		descriptor: pluginhost.Descriptor{
			Can: pluginhost.Capabilities{Send: true}, AddressKinds: []model.AddressKind{model.Phone},
			Limits:         pluginhost.Limits{MaxText: 100, ContentTypes: []model.ContentType{model.ContentText}},
			IdempotentSend: true,
		},
		scripts: map[string][]answer{}, now: now, open: map[string][]time.Time{},
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
	p.open[to] = append(p.open[to], d.SendUntil)
	now, might := p.now(), 0
	for _, until := range p.open[to] {
		if now.Before(until) { // a later one is cut off, and may only be late to notice
			might++
		}
	}
	p.together = max(p.together, might)
	do := sent
	if s := p.scripts[text]; len(s) > 0 {
		do, p.scripts[text] = s[0], s[1:]
	}
	p.mu.Unlock()
	defer func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		i := slices.Index(p.open[to], d.SendUntil)
		p.open[to] = slices.Delete(p.open[to], i, i+1)
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
