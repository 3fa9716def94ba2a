package drivertest

import (
	"errors"
	"strconv"
	"sync"
	"sync/atomic"

	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/storage/table"
)

// testOneWinner lets 32 writers race with the same condition: exactly one
// wins, and every loser is shown the winner's row.
func testOneWinner(f *fixture) {
	const writers, rounds = 32, 8
	current := table.Version{}
	for round := range rounds {
		sk := []byte(strconv.Itoa(round))
		type result struct {
			version table.Version
			err     error
		}
		results := make([]result, writers)
		gate := make(chan struct{})
		var wg sync.WaitGroup
		for w := range writers {
			wg.Go(func() {
				<-gate
				// Some are plain puts, some transactions over partitions in
				// different orders.
				ops := []table.Op{table.Put("p", "s", sk).IfVersion(current)}
				if w%2 == 0 {
					ops = append(ops, table.Put("a", numbered(w), sk), table.Put("z", numbered(w), sk))
				}
				if w%4 == 0 {
					ops[0], ops[2] = ops[2], ops[0]
				}
				results[w].version, results[w].err = f.rows.Commit(f.ctx, ops...)
			})
		}
		close(gate)
		wg.Wait()
		row, err := f.rows.Get(f.ctx, "p", "s")
		if err != nil {
			f.Fatal(err)
		}
		winners := 0
		for w, r := range results {
			if r.err == nil {
				winners++
				f.equal("winner's version", row.Version, r.version)
				continue
			}
			c, ok := errors.AsType[*table.ConflictError](r.err)
			if !ok || c.Found == nil || c.Found.Version != row.Version {
				f.Errorf("writer %d: error = %v, want a conflict with the winner's row", w, r.err)
			}
		}
		if winners != 1 {
			f.Fatalf("round %d: %d winners", round, winners)
		}
		current = row.Version
	}
}

// testTwoAppenders lets two writers append to one log: row n is put if absent
// by who has read row n-1.
func testTwoAppenders(f *fixture) {
	const each = 60
	var wg sync.WaitGroup
	for appender := range 2 {
		wg.Go(func() {
			n := 1
			for item := range each {
				value := []byte(strconv.Itoa(appender) + "/" + numbered(item))
				for {
					_, err := f.rows.Commit(f.ctx, table.Put("log", numbered(n), value).IfAbsent())
					if err == nil {
						n++
						break
					}
					if c, ok := errors.AsType[*table.ConflictError](err); !ok || c.Found == nil {
						f.Errorf("append: %v", err)
						return
					}
					n++
				}
			}
		})
	}
	// A reader beside them never sees a gap, and never a row that changes.
	stop := make(chan struct{})
	var reader sync.WaitGroup
	reader.Go(func() {
		seen := map[string]table.Version{}
		for {
			page, err := f.rows.Query(f.ctx, table.Query{PK: "log", Limit: table.MaxLimit})
			if err != nil {
				f.Errorf("read: %v", err)
				return
			}
			for i, r := range page.Rows {
				if r.SK != numbered(i+1) {
					f.Errorf("row %d of the log is %q", i+1, r.SK)
					return
				}
				if v, ok := seen[r.SK]; ok && v != r.Version {
					f.Errorf("row %q changed", r.SK)
				}
				seen[r.SK] = r.Version
			}
			if len(page.Rows) < len(seen) {
				f.Errorf("%d rows after %d were seen", len(page.Rows), len(seen))
			}
			select {
			case <-stop:
				return
			default:
			}
		}
	})
	wg.Wait()
	close(stop)
	reader.Wait()

	page, err := f.rows.Query(f.ctx, table.Query{PK: "log", Limit: table.MaxLimit})
	if err != nil {
		f.Fatal(err)
	}
	if len(page.Rows) != 2*each {
		f.Fatalf("%d rows, want %d", len(page.Rows), 2*each)
	}
	next := [2]int{}
	for _, r := range page.Rows {
		appender := int(r.Value[0] - '0')
		want := strconv.Itoa(appender) + "/" + numbered(next[appender])
		f.equal("item", string(r.Value), want)
		next[appender]++
	}
}

// testReadAfterAck demands strong reads: once a writer has heard of its commit
// every read finds it, by Get, by Query and in conditions.
func testReadAfterAck(f *fixture) {
	var acked atomic.Int64
	const rows = 100
	var wg sync.WaitGroup
	wg.Go(func() {
		for n := range rows {
			if _, err := f.rows.Commit(f.ctx, table.Put("p", numbered(n), []byte(numbered(n)))); err != nil {
				f.Errorf("write: %v", err)
			}
			acked.Store(int64(n) + 1)
		}
	})
	for range 3 {
		wg.Go(func() {
			for n := int64(0); n < rows; n = acked.Load() {
				if n == 0 {
					continue
				}
				last := numbered(int(n) - 1)
				if _, err := f.rows.Get(f.ctx, "p", last); err != nil {
					f.Errorf("get of acknowledged row %d: %v", n-1, err)
				}
				page, err := f.rows.Query(f.ctx, table.Query{PK: "p", From: last, Limit: 1})
				if err != nil || len(page.Rows) != 1 || page.Rows[0].SK != last {
					f.Errorf("query of acknowledged row %d: %+v, %v", n-1, page, err)
				}
				if _, err := f.rows.Commit(f.ctx, table.Check("p", last).IfAbsent()); !model.Is(err, model.Precondition) {
					f.Errorf("check of acknowledged row %d: %v", n-1, err)
				}
			}
		})
	}
	wg.Wait()
}
