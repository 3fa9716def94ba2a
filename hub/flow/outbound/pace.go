package outbound

import (
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/channelhub/channelhub/hub/accounts"
	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/pluginhost"
)

const (
	// defaultConcurrency is what an account gets whose connector names no
	// limit: enough to hide a provider's latency, too little to drown it.
	defaultConcurrency = 64
	// recoverEvery is how often a halved limit grows by one.
	recoverEvery = 20 * time.Second
	// slowest is how many times a rate that is halved again and again can get
	// slower: it never stops, so that it can find out that it may grow.
	slowest = 64
)

// limits is the pace an account may have at most: what the operator wrote, or
// else what the connector says its provider allows.
func (o *Outbound) limits(acct accounts.Account) model.Pace {
	p := acct.Pace
	d, _ := o.Connectors.Describe(acct.Plugin)
	if p.PerSecond <= 0 {
		p.PerSecond = d.Limits.PerSecond
	}
	if p.Concurrency <= 0 {
		p.Concurrency = d.Limits.Concurrency
	}
	if p.Concurrency <= 0 {
		p.Concurrency = defaultConcurrency
	}
	return p
}

// paces holds the pace of every account that sends.
type paces struct {
	now func() time.Time

	mu sync.Mutex
	by map[model.AccountID]*pace
}

func (ps *paces) of(acct accounts.Account, limit model.Pace) *pace {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	if ps.by == nil {
		ps.by = map[model.AccountID]*pace{}
	}
	p := ps.by[acct.ID]
	if p == nil {
		p = newPace(limit, ps.now)
		ps.by[acct.ID] = p
	}
	p.configure(limit)
	return p
}

// pace bounds how fast and how many at a time an account sends. A Throttled
// outcome halves both; every 20 s without one, they grow by one until the
// limit. It is safe for concurrent use.
type pace struct {
	now func() time.Time

	mu       sync.Mutex
	limit    model.Pace
	bucket   *rate.Limiter
	allowed  int // concurrency now
	busy     int
	changed  time.Time     // when allowed was last changed
	freed    chan struct{} // closed when a place may be free; nil: nobody waits
	halvedAt time.Time
}

func newPace(limit model.Pace, now func() time.Time) *pace {
	p := &pace{now: now}
	p.bucket = rate.NewLimiter(rate.Inf, 1)
	p.configure(limit)
	return p
}

func (p *pace) configure(limit model.Pace) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if limit == p.limit {
		return
	}
	p.limit, p.allowed, p.changed = limit, limit.Concurrency, p.now()
	p.setRate(limit.PerSecond)
	p.wake()
}

func (p *pace) setRate(perSecond float64) {
	now := p.now()
	if perSecond <= 0 {
		p.bucket.SetLimitAt(now, rate.Inf)
		return
	}
	p.bucket.SetLimitAt(now, rate.Limit(perSecond))
	p.bucket.SetBurstAt(now, max(1, int(perSecond)))
}

// turn is the answer of acquire.
type turn struct {
	granted bool    // release gives the place back
	waited  bool    // with granted: others came first
	wait    waiting // without: when to ask again
}

// acquire waits for a turn, at most until the given time, until everybody
// quits, or until there is something else to look at.
func (p *pace) acquire(quit, wake <-chan struct{}, until time.Time) turn {
	waited := false
	for {
		free, next := p.enter()
		if free {
			break
		}
		waited = true
		if w, ok := p.rest(quit, wake, until.Sub(p.now()), next); !ok {
			return turn{wait: w}
		}
	}
	// The place comes before the token: a token that is not used is lost.
	now := p.now()
	token := p.bucket.ReserveN(now, 1)
	delay := token.DelayFrom(now)
	if now.Add(delay).After(until) {
		token.CancelAt(now)
		p.release()
		// The pace may grow before the message expires.
		return turn{wait: waiting{until: earlier(now.Add(stateRecheck), until)}}
	}
	if delay > 0 {
		waited = true
		if w, ok := p.rest(quit, wake, delay, nil); !ok {
			token.CancelAt(p.now())
			p.release()
			return turn{wait: w}
		}
	}
	return turn{granted: true, waited: waited}
}

// rest waits for the given time, or for the channel if there is one; without
// success it returns what the caller waits for next.
func (p *pace) rest(quit, wake <-chan struct{}, d time.Duration, next <-chan struct{}) (waiting, bool) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-next:
		return waiting{}, true
	case <-timer.C:
		return waiting{again: true}, next == nil
	case <-wake:
		return waiting{again: true}, false
	case <-quit:
		return waiting{again: true}, false
	}
}

// enter takes a place if there is one, or returns what tells of the next.
func (p *pace) enter() (free bool, next <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.grow()
	if p.busy < p.allowed {
		p.busy++
		return true, nil
	}
	if p.freed == nil {
		p.freed = make(chan struct{})
	}
	return false, p.freed
}

func (p *pace) release() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.busy--
	p.wake()
}

// wake makes everybody who waits for a place look again. The lock is held.
func (p *pace) wake() {
	if p.freed != nil {
		close(p.freed)
		p.freed = nil
	}
}

// learn looks at an outcome for what it says about the pace.
func (p *pace) learn(out pluginhost.Outcome) {
	if out.Kind != pluginhost.Throttled || out.Scope == pluginhost.ScopeMessage || out.Scope == pluginhost.ScopeRecipient {
		return // one customer's limit says nothing about the others
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.now()
	if now.Sub(p.halvedAt) < time.Second {
		return // one burst of refusals is one lesson
	}
	p.halvedAt, p.changed = now, now
	p.allowed = max(1, p.allowed/2)
	if l := p.bucket.Limit(); l != rate.Inf {
		p.setRate(max(p.limit.PerSecond/slowest, float64(l)/2))
	}
}

// grow gives back one step for every recoverEvery that passed. The lock is
// held.
func (p *pace) grow() {
	steps := int(p.now().Sub(p.changed) / recoverEvery)
	if steps <= 0 {
		return
	}
	p.changed = p.changed.Add(time.Duration(steps) * recoverEvery)
	p.allowed = min(p.limit.Concurrency, p.allowed+steps)
	p.wake()
	if l := p.bucket.Limit(); l != rate.Inf {
		p.setRate(min(p.limit.PerSecond, float64(l)+float64(steps)))
	}
}
