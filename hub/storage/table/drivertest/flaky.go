package drivertest

import (
	"context"
	"sync"
	"time"

	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/storage/table/driver"
)

// Fault is what happens to one commit.
type Fault int

// The faults.
const (
	Pass       Fault = iota // nothing
	LoseAnswer              // the commit lands, and its caller gets model.Unavailable
	Drop                    // nothing is written, and its caller gets model.Unavailable
	Throttle                // nothing is written, and its caller gets model.Throttled
)

// Flaky is a driver that meddles with the answers of another. It is safe for
// concurrent use.
type Flaky struct {
	driver.Driver

	mu      sync.Mutex
	faults  []Fault
	then    func()
	dropGet int
	maxPage int
	refuse  bool
}

// Next gives the coming commits their faults; those after pass.
func (f *Flaky) Next(faults ...Fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.faults = faults
}

// Then runs once, after the next faulty commit and before its caller hears of
// it: the place for another writer to act.
func (f *Flaky) Then(do func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.then = do
}

// DropGets makes the next n Gets fail with model.Unavailable.
func (f *Flaky) DropGets(n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.dropGet = n
}

// CutPages makes each page of a Query hold at most n rows; 0 is no bound.
func (f *Flaky) CutPages(n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.maxPage = n
}

// Refuse makes every call fail with model.Denied, as a table does whose policy
// somebody has changed, or no more.
func (f *Flaky) Refuse(refuse bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.refuse = refuse
}

func (f *Flaky) denied(op string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.refuse {
		return nil
	}
	return model.Errorf(model.Denied, op, "refused by the test")
}

// Commit implements driver.Driver.
func (f *Flaky) Commit(ctx context.Context, id driver.ID, ops []driver.Op) (driver.Cost, error) {
	if err := f.denied("commit"); err != nil {
		return driver.Cost{}, err
	}
	fault, then := f.next()
	defer then()
	switch fault {
	case Drop:
		return driver.Cost{}, model.Errorf(model.Unavailable, "commit", "dropped by the test")
	case Throttle:
		return driver.Cost{}, model.Errorf(model.Throttled, "commit", "throttled by the test")
	case LoseAnswer:
		cost, err := f.Driver.Commit(ctx, id, ops)
		if err == nil {
			err = model.Errorf(model.Unavailable, "commit", "answer lost by the test")
		}
		return cost, err
	case Pass:
	}
	return f.Driver.Commit(ctx, id, ops)
}

func (f *Flaky) next() (Fault, func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	nothing := func() {}
	if len(f.faults) == 0 {
		return Pass, nothing
	}
	fault := f.faults[0]
	f.faults = f.faults[1:]
	then := f.then
	if fault == Pass || then == nil {
		return fault, nothing
	}
	f.then = nil
	return fault, then
}

// Get implements driver.Driver.
func (f *Flaky) Get(ctx context.Context, key driver.Key) (driver.Row, driver.Cost, error) {
	if err := f.denied("get"); err != nil {
		return driver.Row{}, driver.Cost{}, err
	}
	f.mu.Lock()
	drop := f.dropGet > 0
	if drop {
		f.dropGet--
	}
	f.mu.Unlock()
	if drop {
		return driver.Row{}, driver.Cost{}, model.Errorf(model.Unavailable, "get", "dropped by the test")
	}
	return f.Driver.Get(ctx, key)
}

// Query implements driver.Driver.
func (f *Flaky) Query(ctx context.Context, q driver.Query) (driver.Page, driver.Cost, error) {
	if err := f.denied("query"); err != nil {
		return driver.Page{}, driver.Cost{}, err
	}
	f.mu.Lock()
	if f.maxPage > 0 {
		q.Limit = min(q.Limit, f.maxPage)
	}
	f.mu.Unlock()
	return f.Driver.Query(ctx, q)
}

// Sweep implements driver.Sweeper, as far as the driver below does.
func (f *Flaky) Sweep(ctx context.Context, expiredBy time.Time) (int, error) {
	if err := f.denied("sweep"); err != nil {
		return 0, err
	}
	if s, ok := f.Driver.(driver.Sweeper); ok {
		return s.Sweep(ctx, expiredBy)
	}
	return 0, nil
}
