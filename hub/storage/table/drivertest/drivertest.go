// Package drivertest is the conformance suite of the table port: the full
// contract of a driver, run through the portable type.
package drivertest

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/storage/table"
	"github.com/channelhub/channelhub/hub/storage/table/driver"
)

// Harness makes drivers for the suite.
type Harness struct {
	// Open returns a driver. Its store may hold rows of other tests: each
	// test works under client ids of its own. The suite closes it.
	Open func(t *testing.T) driver.Driver
	// Reopen closes d and returns a driver over the same rows. Nil for a
	// store that lives outside the process.
	Reopen func(t *testing.T, d driver.Driver) driver.Driver
}

// Run runs the whole suite, each demand as a subtest of its own.
func Run(t *testing.T, h Harness) {
	t.Helper()
	tests := []struct {
		name string
		run  func(*fixture)
	}{
		{"rows/round trip", testRoundTrip},
		{"rows/values are copied", testValuesAreCopied},
		{"rows/versions are never reused", testVersions},
		{"rows/cost", testCost},
		{"rows/ended context", testEndedContext},
		{"query/binary order", testBinaryOrder},
		{"query/range ends", testRangeEnds},
		{"query/cursor is stable under inserts", testCursorStability},
		{"query/short driver pages", testShortDriverPages},
		{"conditions/truth table", testConditions},
		{"conditions/hand back the row found", testFound},
		{"conditions/atomic at every op", testAtomicAtEveryOp},
		{"answers/landed but lost", testLostAnswers},
		{"answers/refused", testRefusedAnswers},
		{"limits/ops", testOpLimits},
		{"limits/sizes", testSizeLimits},
		{"limits/one row twice", testRowTwice},
		{"limits/queries", testQueryLimits},
		{"roots/handles reach only their own", testRoots},
		{"steps/in order", testSteps},
		{"expiry/hidden at the instant", testExpiryHides},
		{"expiry/grace in conditions", testExpiryGrace},
		{"expiry/full pages over expired rows", testPagesOverExpired},
		{"expiry/sweep", testSweep},
		{"races/one winner of 32", testOneWinner},
		{"races/two appenders", testTwoAppenders},
		{"races/reads after acknowledgement", testReadAfterAck},
		{"histories/like a map", testHistories},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) { test.run(newFixture(t, h.Open(t))) })
	}
	if h.Reopen != nil {
		t.Run("rows/outlive the driver", func(t *testing.T) { testReopen(t, h) })
	}
}

// fixture is what one test works with: a table over a driver whose faults and
// clock the test controls, and a handle that no other test has.
type fixture struct {
	*testing.T
	ctx   context.Context
	flaky *Flaky
	clock *clock
	table *table.Table
	rows  table.Handle
	spent *ledger
}

// start is a whole second, so that tests of expiry can speak of instants.
var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func newFixture(t *testing.T, d driver.Driver) *fixture {
	t.Helper()
	f := &fixture{
		T: t, ctx: t.Context(),
		flaky: &Flaky{Driver: d}, clock: &clock{now: start}, spent: &ledger{},
	}
	f.table = table.New(f.flaky, &table.Options{Now: f.clock.Now, OnCost: f.spent.add})
	f.rows = f.table.For(newClient())
	t.Cleanup(func() {
		if err := f.table.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return f
}

func newClient() model.ClientID {
	return model.ClientID("t-" + strings.ToLower(rand.Text()))
}

// clock is the time that the table sees.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) set(t time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = t
}

// ledger adds up what the driver's calls cost.
type ledger struct {
	mu    sync.Mutex
	calls []table.Cost
}

func (l *ledger) add(c table.Cost) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.calls = append(l.calls, c)
}

// take returns the calls since the last take.
func (l *ledger) take() []table.Cost {
	l.mu.Lock()
	defer l.mu.Unlock()
	calls := l.calls
	l.calls = nil
	return calls
}

// commit fails the test when the commit does.
func (f *fixture) commit(ops ...table.Op) table.Version {
	f.Helper()
	v, err := f.rows.Commit(f.ctx, ops...)
	if err != nil {
		f.Fatalf("commit: %v", err)
	}
	return v
}

// value returns the value at (pk, sk), and "<none>" where there is no row.
func (f *fixture) value(pk, sk string) string {
	f.Helper()
	row, err := f.rows.Get(f.ctx, pk, sk)
	if model.Is(err, model.NotFound) {
		return "<none>"
	}
	if err != nil {
		f.Fatalf("get: %v", err)
	}
	return string(row.Value)
}

func (f *fixture) wantValue(pk, sk, want string) {
	f.Helper()
	if got := f.value(pk, sk); got != want {
		f.Errorf("value at (%q, %q) = %q, want %q", pk, sk, got, want)
	}
}

func (f *fixture) wantCode(err error, want model.Code) {
	f.Helper()
	if !model.Is(err, want) {
		f.Errorf("error = %v, want code %q", err, want)
	}
}

// put writes rows with their own sort key as value.
func (f *fixture) put(pk string, sks ...string) {
	f.Helper()
	for len(sks) > 0 {
		n := min(len(sks), driver.MaxCommitOps)
		ops := make([]table.Op, 0, n)
		for _, sk := range sks[:n] {
			ops = append(ops, table.Put(pk, sk, []byte(sk)))
		}
		f.commit(ops...)
		sks = sks[n:]
	}
}

// page returns the sort keys of one page.
func (f *fixture) page(q table.Query) (sks []string, more bool) {
	f.Helper()
	p, err := f.rows.Query(f.ctx, q)
	if err != nil {
		f.Fatalf("query %+v: %v", q, err)
	}
	for _, r := range p.Rows {
		if r.PK != q.PK {
			f.Errorf("row of partition %q in a query of %q", r.PK, q.PK)
		}
		if !bytes.Equal(r.Value, []byte(r.SK)) {
			f.Errorf("row %q has the value of %q", r.SK, r.Value)
		}
		sks = append(sks, r.SK)
	}
	if p.More && len(sks) != q.Limit {
		f.Errorf("a page of %d rows with more to come, limit %d", len(sks), q.Limit)
	}
	return sks, p.More
}

// all follows the cursor to the end.
func (f *fixture) all(q table.Query) []string {
	f.Helper()
	var sks []string
	for {
		got, more := f.page(q)
		sks = append(sks, got...)
		if !more {
			return sks
		}
		q.After = got[len(got)-1]
	}
}

func (f *fixture) equal(what string, got, want any) {
	f.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		f.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

func numbered(n int) string { return fmt.Sprintf("%06d", n) }
