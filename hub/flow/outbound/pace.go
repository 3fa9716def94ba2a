package outbound

import (
	"context"
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
		p = newPace(limit, time.Now)
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
	changed  time.Time // when allowed was last changed
	waiters  []chan struct{}
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
}

func (p *pace) setRate(perSecond float64) {
	if perSecond <= 0 {
		p.bucket.SetLimit(rate.Inf)
		return
	}
	p.bucket.SetLimit(rate.Limit(perSecond))
	p.bucket.SetBurst(max(1, int(perSecond)))
}

// acquire waits for a turn, at most until the given time. Release gives the
// place back.
func (p *pace) acquire(ctx context.Context, until time.Time) (release func(), err error) {
	ctx, cancel := context.WithTimeout(ctx, until.Sub(p.now()))
	defer cancel()
	if err := p.bucket.Wait(ctx); err != nil {
		return nil, err
	}
	for {
		p.mu.Lock()
		p.grow()
		if p.busy < p.allowed {
			p.busy++
			p.mu.Unlock()
			return p.release, nil
		}
		turn := make(chan struct{})
		p.waiters = append(p.waiters, turn)
		p.mu.Unlock()
		select {
		case <-turn:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func (p *pace) release() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.busy--
	p.wake()
}

// wake tells as many waiters to look again as there are free places. One that
// has gone meanwhile is told in vain, so all are told when in doubt.
func (p *pace) wake() {
	for _, w := range p.waiters {
		close(w)
	}
	p.waiters = nil
}

// learn looks at an outcome for what it says about the pace.
func (p *pace) learn(out pluginhost.Outcome) {
	if out.Kind != pluginhost.Throttled {
		return
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
		p.setRate(max(1, float64(l)/2))
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
	if l := p.bucket.Limit(); l != rate.Inf {
		p.setRate(min(p.limit.PerSecond, float64(l)+float64(steps)))
	}
}
