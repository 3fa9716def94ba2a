package outbound

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/channelhub/channelhub/hub/accounts"
	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/pluginhost"
)

var tooFast = pluginhost.Outcome{Kind: pluginhost.Throttled, Scope: pluginhost.ScopeAccount}

// take acquires n turns that must be granted at once.
func take(t *testing.T, p *pace, n int) {
	t.Helper()
	for i := range n {
		began := time.Now()
		got := p.acquire(t.Context().Done(), nil, began.Add(time.Hour))
		if !got.granted || got.waited {
			t.Fatalf("turn %d of %d: %+v", i+1, n, got)
		}
	}
}

// waits acquires one turn, and returns how long that took.
func waits(t *testing.T, p *pace) time.Duration {
	t.Helper()
	began := time.Now()
	if got := p.acquire(t.Context().Done(), nil, began.Add(time.Hour)); !got.granted {
		t.Fatalf("no turn: %+v", got)
	}
	return time.Since(began)
}

func TestPaceConcurrency(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPace(model.Pace{Concurrency: 2}, time.Now)
		take(t, p, 2)
		go func() {
			time.Sleep(3 * time.Second)
			p.release()
		}()
		if d := waits(t, p); d != 3*time.Second {
			t.Errorf("the third waited %v, want until a place was free", d)
		}
		p.release()
		p.release()
		take(t, p, 2)
	})
}

func TestPaceRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPace(model.Pace{PerSecond: 2, Concurrency: 1000}, time.Now)
		take(t, p, 1) // nobody begins with a burst
		for range 4 {
			if d := waits(t, p); d != 500*time.Millisecond {
				t.Errorf("waited %v, want 500ms", d)
			}
		}
	})
}

// TestPaceHalvesAndGrows follows both limits down and up again.
func TestPaceHalvesAndGrows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPace(model.Pace{PerSecond: 8, Concurrency: 8}, time.Now)
		at := func(wantAllowed int, wantRate float64) {
			t.Helper()
			p.mu.Lock()
			p.grow()
			allowed, rate := p.allowed, float64(p.bucket.Limit())
			p.mu.Unlock()
			if allowed != wantAllowed || rate != wantRate {
				t.Errorf("%d at a time, %v a second; want %d and %v", allowed, rate, wantAllowed, wantRate)
			}
		}
		at(8, 8)
		p.learn(tooFast)
		p.learn(tooFast) // the same burst
		at(4, 4)
		time.Sleep(time.Second)
		p.learn(tooFast)
		at(2, 2)
		p.learn(pluginhost.Outcome{Kind: pluginhost.Retry})
		at(2, 2)
		time.Sleep(recoverEvery - time.Nanosecond)
		at(2, 2)
		time.Sleep(time.Nanosecond)
		at(3, 3)
		time.Sleep(2 * recoverEvery)
		at(5, 5)
		time.Sleep(time.Hour)
		at(8, 8)
	})
}

// TestPaceOfASlowAccount: a rate below one a second gets slower too, and never
// stops.
func TestPaceOfASlowAccount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPace(model.Pace{PerSecond: 0.5, Concurrency: 4}, time.Now)
		last := p.bucket.Limit()
		for range 6 {
			time.Sleep(time.Second)
			p.learn(tooFast)
			if now := p.bucket.Limit(); now >= last || now <= 0 {
				t.Errorf("throttled at %v a second, it went on at %v", last, now)
			}
			last = p.bucket.Limit()
		}
		for range 20 {
			time.Sleep(time.Second)
			p.learn(tooFast)
		}
		if p.bucket.Limit() <= 0 || p.allowed < 1 {
			t.Errorf("it stopped: %v a second, %d at a time", p.bucket.Limit(), p.allowed)
		}
	})
}

// TestPaceOfOneCustomer: a limit on one recipient slows nobody else.
func TestPaceOfOneCustomer(t *testing.T) {
	p := newPace(model.Pace{PerSecond: 8, Concurrency: 8}, time.Now)
	for _, scope := range []pluginhost.Scope{pluginhost.ScopeRecipient, pluginhost.ScopeMessage} {
		p.learn(pluginhost.Outcome{Kind: pluginhost.Throttled, Scope: scope})
	}
	if p.allowed != 8 || p.bucket.Limit() != 8 {
		t.Errorf("%d at a time, %v a second", p.allowed, p.bucket.Limit())
	}
}

// TestPaceGivesUp: a wait ends with the message's time, a poke, or the hub, and
// takes nothing with it.
func TestPaceGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPace(model.Pace{PerSecond: 0.01, Concurrency: 1}, time.Now)
		take(t, p, 1)
		if got := p.acquire(t.Context().Done(), nil, time.Now().Add(time.Second)); got.granted || !got.wait.again {
			t.Errorf("behind its time: %+v", got)
		}
		p.release()
		soon := time.Now().Add(10 * time.Second)
		if got := p.acquire(t.Context().Done(), nil, soon); got.granted || got.wait.until.After(soon) || !got.wait.until.After(time.Now()) {
			t.Errorf("a token that comes too late: %+v", got)
		}
		wake := make(chan struct{}, 1)
		wake <- struct{}{}
		if got := p.acquire(t.Context().Done(), wake, time.Now().Add(time.Hour)); got.granted || !got.wait.again {
			t.Errorf("poked: %+v", got)
		}
		if d := waits(t, p); d > 100*time.Second {
			t.Errorf("waited %v: those who gave up kept their tokens", d)
		}
	})
}

func TestPaceFollowsConfiguration(t *testing.T) {
	ps := paces{now: time.Now}
	a := ps.of(acct("a"), model.Pace{Concurrency: 2})
	if ps.of(acct("a"), model.Pace{Concurrency: 2}) != a || ps.of(acct("b"), model.Pace{Concurrency: 2}) == a {
		t.Error("each account has one pace of its own")
	}
	take(t, a, 2)
	ps.of(acct("a"), model.Pace{Concurrency: 3})
	take(t, a, 1)
}

func TestBackoff(t *testing.T) {
	o := New(Options{})
	for n := 1; n < 100; n++ {
		bound := 5 * time.Minute
		if n < 9 {
			bound = time.Second << (n - 1)
		}
		most := time.Duration(0)
		for range 200 {
			d := o.backoff(n)
			if d < 0 || d > bound {
				t.Fatalf("backoff %d is %v, beyond %v", n, d, bound)
			}
			most = max(most, d)
		}
		if most < bound/2 {
			t.Errorf("backoff %d never came near its bound of %v: %v", n, bound, most)
		}
	}
	huge := New(Options{Backoff: struct{ Min, Max time.Duration }{time.Hour, 100 * 365 * 24 * time.Hour}})
	for n := range 200 {
		if d := huge.backoff(n); d < 0 {
			t.Fatalf("backoff %d is %v", n, d)
		}
	}
}

func acct(id model.AccountID) accounts.Account { return accounts.Account{ID: id} }
