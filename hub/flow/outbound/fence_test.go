package outbound_test

import (
	"context"
	"errors"
	"fmt"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/channelhub/channelhub/hub/flow/outbound"
	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/pluginhost"
	"github.com/channelhub/channelhub/hub/storage/table/driver"
	"github.com/channelhub/channelhub/hub/store"
	"github.com/channelhub/channelhub/hub/telemetry"
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
	t.Run("as a receipt, behind a failure", func(t *testing.T) {
		w := newWorld(t)
		w.provider.set(func(p *provider) { p.descriptor.IdempotentSend = false })
		m, g, successor := stalled(t, w, says(pluginhost.Outcome{Kind: pluginhost.Unknown}))
		w.await(m, model.Held)
		close(g.leave)
		if _, err := successor.Resolve(t.Context(), acme, m.ID(), outbound.ResolveFailed); err != nil {
			t.Fatal(err)
		}
		w.reportAs(successor, pluginhost.StatusReport{Status: model.Sent, MessageID: m.ID()})
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
			now := w.await(m, c.end)
			w.told(m, c.told...)
			if c.end == model.Failed && now.Failure.Code != c.late.Code {
				t.Errorf("failure %+v, want the late answer's: it ends the doubt", now.Failure)
			}
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

// TestSuccessorSettlesFirst breaks the successor's writing of what it found
// open, behind its own claim: it must not go on as if nothing were open.
func TestSuccessorSettlesFirst(t *testing.T) {
	w := newWorld(t)
	w.provider.set(func(p *provider) { p.descriptor.IdempotentSend = false })
	g := newGate(sent)
	w.provider.script("hello", g.answer)
	short := func(o *outbound.Options) { o.SendTimeout = 200 * time.Millisecond }
	m := w.submit(w.pool(short), "ada", "hello")
	g.wait(t)
	w.disk.heal()
	w.disk.fail(0, func(op driver.Op) bool { return strings.HasPrefix(op.SK, "m/") })
	w.pool(short)
	w.until("the outcome to be refused", func() error {
		w.disk.mu.Lock()
		defer w.disk.mu.Unlock()
		if w.disk.seen == 0 {
			return errors.New("nobody wrote")
		}
		return nil
	})
	w.disk.heal()
	w.await(m, model.Held)
	if n := w.provider.count("hello"); n != 1 {
		t.Errorf("I5: what may have been sent was sent %d times", n)
	}
	close(g.leave)
	w.await(m, model.Sent)
}

// TestOneRunnerForALane loses a lane to another process while a submission is
// between its note and its lane entry: there is one runner for it afterwards.
func TestOneRunnerForALane(t *testing.T) {
	w := newWorld(t)
	metrics := telemetry.New("test")
	short := func(o *outbound.Options) { o.SendTimeout = 300 * time.Millisecond }
	first := w.pool(func(o *outbound.Options) { short(o); o.Metrics = metrics })
	one, two, three := newGate(sent), newGate(sent), newGate(sent)
	w.provider.script("one", one.answer)
	w.provider.script("two", two.answer)
	w.provider.script("three", three.answer)
	w.submit(first, "ada", "one")
	one.wait(t)
	second := w.submit(first, "ada", "two")
	w.pool(short) // takes the lane over, sends "one" again, and has "two" under way
	two.wait(t)

	entry := newGate(nil)
	w.disk.hold(entry, func(op driver.Op) bool { return strings.HasPrefix(op.SK, "m/") })
	accepted := make(chan store.Outbound, 1)
	go func() { accepted <- w.submit(first, "ada", "three") }()
	entry.wait(t)
	close(one.leave)
	w.until("the first process to lose the lane", func() error {
		rec := httptest.NewRecorder()
		metrics.Handler().ServeHTTP(rec, httptest.NewRequestWithContext(t.Context(), "GET", "/", nil))
		if !strings.Contains(rec.Body.String(), "\nhub_lanes_active 0\n") {
			return errors.New("it still has it")
		}
		return nil
	})
	close(two.leave)
	w.await(second, model.Sent)
	close(entry.leave)
	third := <-accepted
	three.wait(t)
	fourth := w.submit(first, "ada", "four")
	time.Sleep(100 * time.Millisecond) // gives a second runner time to show; nothing is measured
	close(three.leave)
	w.await(third, model.Sent)
	w.await(fourth, model.Sent)
	if n := w.provider.count("three"); n != 1 {
		t.Errorf("two runners of one process sent it %d times", n)
	}
}
