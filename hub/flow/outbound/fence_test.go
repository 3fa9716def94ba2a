package outbound_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/channelhub/channelhub/hub/flow/outbound"
	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/pluginhost"
	"github.com/channelhub/channelhub/hub/store"
)

// stalled starts a lane whose first attempt is under way in a process that
// another one now takes for dead.
func stalled(t *testing.T, w *world, late answer) (m store.Outbound, g *gate, successor *outbound.Outbound) {
	t.Helper()
	g = newGate(late)
	w.provider.script("hello", g.answer)
	short := func(o *outbound.Options) { o.SendTimeout = 200 * time.Millisecond }
	m = w.submit(w.pool(short), "ada", "hello")
	g.wait(t)
	return m, g, w.pool(short)
}

// TestSuccessorWaits: the successor of an open attempt does not send before
// that attempt's time is over.
func TestSuccessorWaits(t *testing.T) {
	w := newWorld(t)
	var mu sync.Mutex
	var began []time.Time
	note := func(then answer) answer {
		return func(ctx context.Context, d pluginhost.Delivery) (pluginhost.Outcome, error) {
			mu.Lock()
			began = append(began, w.now())
			mu.Unlock()
			return then(ctx, d)
		}
	}
	untilTold := func(ctx context.Context, _ pluginhost.Delivery) (pluginhost.Outcome, error) {
		<-ctx.Done() // as a provider that never answers
		return pluginhost.Outcome{Kind: pluginhost.Unknown}, nil
	}
	w.provider.script("hello", note(untilTold), note(sent))
	short := func(o *outbound.Options) { o.SendTimeout = 300 * time.Millisecond }
	m := w.submit(w.pool(short), "ada", "hello")
	w.until("the attempt", func() error {
		if len(w.provider.texts()) == 0 {
			return fmt.Errorf("none yet")
		}
		return nil
	})
	w.pool(short)
	w.await(m, model.Sent)
	w.told(m, model.Sent)
	w.provider.mu.Lock()
	first := w.provider.attempts[0]
	w.provider.mu.Unlock()
	mu.Lock()
	defer mu.Unlock()
	for _, at := range began[1:] {
		if at.Before(first.SendUntil.Truncate(time.Millisecond)) {
			t.Errorf("an attempt began %v before the fenced one had to end", first.SendUntil.Sub(at))
		}
	}
	if w.provider.together != 1 {
		t.Errorf("the lane had %d attempts under way at once", w.provider.together)
	}
}

// TestLateSent: what a fenced owner learns late is never dropped.
func TestLateSent(t *testing.T) {
	t.Run("while held", func(t *testing.T) {
		w := newWorld(t)
		w.provider.set(func(p *provider) { p.descriptor.IdempotentSend = false })
		m, g, _ := stalled(t, w, sent)
		w.await(m, model.Held)
		close(g.leave)
		now := w.await(m, model.Sent)
		w.told(m, model.Held, model.Sent)
		if !slices.Equal(now.ProviderIDs, []string{providerID(m.ID())}) {
			t.Errorf("provider ids %q", now.ProviderIDs)
		}
		if n := w.provider.count("hello"); n != 1 {
			t.Errorf("sent %d times", n)
		}
	})
	t.Run("behind a failure", func(t *testing.T) {
		w := newWorld(t)
		w.provider.set(func(p *provider) { p.descriptor.IdempotentSend = false })
		m, g, successor := stalled(t, w, sent)
		w.await(m, model.Held)
		if _, err := successor.Resolve(t.Context(), acme, m.ID(), outbound.ResolveFailed); err != nil {
			t.Fatal(err)
		}
		close(g.leave)
		now := w.await(m, model.Sent)
		if now.Failure != nil {
			t.Errorf("a sent message shows the failure %+v", now.Failure)
		}
		w.told(m, model.Held, model.Failed, model.Sent)
	})
	t.Run("behind the successor's own", func(t *testing.T) {
		w := newWorld(t)
		other := func(context.Context, pluginhost.Delivery) (pluginhost.Outcome, error) {
			return pluginhost.Outcome{Kind: pluginhost.Sent, ProviderIDs: []string{"second"}}, nil
		}
		g := newGate(says(pluginhost.Outcome{Kind: pluginhost.Sent, ProviderIDs: []string{"first"}}))
		w.provider.script("hello", g.answer, other)
		short := func(o *outbound.Options) { o.SendTimeout = 200 * time.Millisecond }
		first := w.pool(short)
		m := w.submit(first, "ada", "hello")
		g.wait(t)
		successor := w.pool(short)
		w.await(m, model.Sent)
		close(g.leave)
		w.close(first)
		now := w.read(m)
		slices.Sort(now.ProviderIDs)
		if !slices.Equal(now.ProviderIDs, []string{"first", "second"}) {
			t.Errorf("provider ids %q, want both", now.ProviderIDs)
		}
		w.report(successor, "first", model.Delivered)
		w.told(m, model.Sent, model.Delivered)
	})
}

// TestLateOutcomes: the other late outcomes end a doubt, or change nothing.
func TestLateOutcomes(t *testing.T) {
	for _, c := range []struct {
		name string
		late pluginhost.Outcome
		end  model.Status
		told []model.Status
	}{
		{"retry", pluginhost.Outcome{Kind: pluginhost.Retry}, model.Sent, []model.Status{model.Held, model.Queued, model.Sent}},
		{"throttled", pluginhost.Outcome{Kind: pluginhost.Throttled, Scope: pluginhost.ScopeRecipient}, model.Sent, []model.Status{model.Held, model.Queued, model.Sent}},
		{"rejected", pluginhost.Outcome{Kind: pluginhost.Rejected, Code: "no"}, model.Failed, []model.Status{model.Held, model.Failed}},
		{"unknown", pluginhost.Outcome{Kind: pluginhost.Unknown}, model.Held, []model.Status{model.Held}},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			w.provider.set(func(p *provider) { p.descriptor.IdempotentSend = false })
			g := newGate(says(c.late))
			w.provider.script("hello", g.answer)
			short := func(o *outbound.Options) { o.SendTimeout = 200 * time.Millisecond }
			first := w.pool(short)
			m := w.submit(first, "ada", "hello")
			g.wait(t)
			successor := w.pool(short)
			w.await(m, model.Held)
			close(g.leave)
			w.close(first) // the late outcome is written
			successor.StateChanged()
			w.await(m, c.end)
			w.told(m, c.told...)
		})
	}
}

// TestSuccessorOfAnUndescribedConnector: at a start the connector may not have
// said yet that it takes repeats. As soon as it has, the message is sent.
func TestSuccessorOfAnUndescribedConnector(t *testing.T) {
	w := newWorld(t)
	g := newGate(says(pluginhost.Outcome{Kind: pluginhost.Unknown}))
	w.provider.script("hello", g.answer)
	short := func(o *outbound.Options) { o.SendTimeout = 200 * time.Millisecond }
	m := w.submit(w.pool(short), "ada", "hello")
	g.wait(t)
	w.provider.set(func(p *provider) { p.silent = true })
	successor := w.pool(short)
	w.await(m, model.Held)
	w.provider.set(func(p *provider) { p.silent = false })
	successor.StateChanged()
	w.await(m, model.Sent)
	close(g.leave)
}

// TestTwoPoolsOneLane lets two processes take messages of one conversation all
// the while: each is sent at least once, one attempt at a time, and told of
// once.
func TestTwoPoolsOneLane(t *testing.T) {
	w := newWorld(t)
	short := func(o *outbound.Options) { o.SendTimeout = 100 * time.Millisecond }
	pools := []*outbound.Outbound{w.pool(short), w.pool(short)}
	slow := func(ctx context.Context, d pluginhost.Delivery) (pluginhost.Outcome, error) {
		timer := time.NewTimer(5 * time.Millisecond)
		defer timer.Stop()
		select {
		case <-timer.C:
			return sent(ctx, d)
		case <-ctx.Done():
			return pluginhost.Outcome{Kind: pluginhost.Unknown}, nil
		}
	}
	var all []store.Outbound
	for i := range 20 {
		text := fmt.Sprintf("text %d", i)
		w.provider.script(text, slow)
		all = append(all, w.submit(pools[i%2], "ada", text))
	}
	for _, m := range all {
		w.await(m, model.Sent)
		w.told(m, model.Sent)
	}
	if w.provider.together != 1 {
		t.Errorf("the lane had %d attempts under way at once", w.provider.together)
	}
	var first []string
	for _, text := range w.provider.texts() {
		if !slices.Contains(first, text) {
			first = append(first, text)
		}
	}
	for i, m := range all {
		if first[i] != m.Message.Content.Text {
			t.Errorf("I4: attempt %d was for %q, want %q", i, first[i], m.Message.Content.Text)
		}
	}
}
