package drivertest

import (
	"errors"
	"time"

	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/storage/table"
	"github.com/channelhub/channelhub/hub/storage/table/driver"
)

// fuse is how long the rows of these tests live.
const fuse = 10 * time.Second

// instants around an expiry at start+fuse, and what reads and conditions make
// of the row then.
var instants = []struct {
	at                      time.Duration // after the expiry
	hidden, absent, exactly bool
}{
	{-time.Nanosecond, false, false, false},
	{0, true, false, true},
	{time.Second, true, false, true},
	{table.ExpiryGrace - time.Nanosecond, true, false, true},
	{table.ExpiryGrace, true, true, true},
	{table.ExpiryGrace + time.Hour, true, true, true},
}

func testExpiryHides(f *fixture) {
	// The last moment of the second before rounds up to the same end.
	f.commit(table.Put("p", "s", []byte("s")).ExpireAt(start.Add(fuse - time.Second + 1)))
	for _, i := range instants {
		f.clock.set(start.Add(fuse + i.at))
		want, rows := "s", []string{"s"}
		if i.hidden {
			want, rows = "<none>", nil
		}
		f.wantValue("p", "s", want)
		f.equal("rows", f.all(table.Query{PK: "p", Limit: 5}), rows)
	}
	f.refused("expiry before 1970", table.Put("p", "s", nil).ExpireAt(time.Unix(-1, 0)))
}

func testExpiryGrace(f *fixture) {
	for _, exact := range []bool{false, true} {
		refine := func(o table.Op) table.Op {
			if exact {
				return o.Exact()
			}
			return o
		}
		for _, i := range instants {
			f.rows = f.table.For(newClient())
			f.clock.set(start)
			v := f.commit(table.Put("p", "s", []byte("old")).ExpireAt(start.Add(fuse)))
			f.clock.set(start.Add(fuse + i.at))
			absent := i.absent || (exact && i.exactly)

			// A condition on its version holds as long as it is present.
			_, err := f.rows.Commit(f.ctx, refine(table.Check("p", "s").IfVersion(v)))
			if absent {
				f.wantCode(err, model.Precondition)
				if c, ok := errors.AsType[*table.ConflictError](err); ok && c.Found != nil {
					f.Errorf("exact %v, %v after: conflict shows a row that counts as absent", exact, i.at)
				}
			} else if err != nil {
				f.Errorf("exact %v, %v after: check of the version: %v", exact, i.at, err)
			}

			// So does a put that demands absence, the other way round.
			_, err = f.rows.Commit(f.ctx, refine(table.Put("p", "s", []byte("new")).IfAbsent()))
			if !absent {
				f.wantCode(err, model.Precondition)
				if c, ok := errors.AsType[*table.ConflictError](err); !ok || c.Found == nil || c.Found.Version != v {
					f.Errorf("exact %v, %v after: error %v does not show the row in the way", exact, i.at, err)
				}
				continue
			}
			if err != nil {
				f.Errorf("exact %v, %v after: put over an expired row: %v", exact, i.at, err)
			}
			f.wantValue("p", "s", "new")
		}
	}
}

func testPagesOverExpired(f *fixture) {
	var want []string
	for i := range 200 {
		op := table.Put("p", numbered(i), []byte(numbered(i)))
		if i%50 == 7 {
			want = append(want, numbered(i))
		} else {
			op = op.ExpireAt(start.Add(fuse))
		}
		f.commit(op)
	}
	f.clock.set(start.Add(fuse))
	for _, cut := range []int{0, 3} {
		f.flaky.CutPages(cut)
		for _, limit := range []int{1, 2, 4, 5} {
			q := table.Query{PK: "p", Limit: limit}
			f.equal("rows", f.all(q), want)
			got, _ := f.page(q)
			f.equal("first page", got, want[:min(limit, len(want))])
		}
	}
	got := f.all(table.Query{PK: "p", Limit: 3, Reverse: true})
	f.equal("reverse", got, []string{want[3], want[2], want[1], want[0]})
}

// testSweep demands of a driver with a Sweeper that a sweep takes what is past
// the grace, and nothing else. Of others it demands that nothing happens.
func testSweep(f *fixture) {
	v := f.commit(
		table.Put("p", "due", nil).ExpireAt(start.Add(fuse)),
		table.Put("p", "later", []byte("later")).ExpireAt(start.Add(fuse+time.Second)),
		table.Put("p", "kept", []byte("kept")),
		table.Put("p", "prolonged", nil).ExpireAt(start.Add(fuse)),
		table.Put("p", "deleted", nil).ExpireAt(start.Add(fuse)),
		table.Put("p", "unlimited", nil).ExpireAt(start.Add(fuse)),
	)
	f.commit(
		table.Put("p", "prolonged", []byte("prolonged")).ExpireAt(start.Add(time.Hour)),
		table.Delete("p", "deleted"),
		table.Put("p", "unlimited", []byte("unlimited")),
	)
	sweep := func(at time.Time) {
		f.Helper()
		f.clock.set(at)
		if _, err := f.table.Sweep(f.ctx); err != nil {
			f.Fatalf("sweep: %v", err)
		}
	}
	// Whether a row is there: a look below the portable type, which hides it.
	there := func(sk string) bool {
		f.Helper()
		_, err := f.rows.Commit(f.ctx, table.Check("p", sk).IfVersion(v))
		c, conflict := errors.AsType[*table.ConflictError](err)
		if err != nil && !conflict {
			f.Fatal(err)
		}
		return err == nil || c.Found != nil
	}
	_, sweeps := f.flaky.Driver.(driver.Sweeper)

	sweep(start.Add(fuse + table.ExpiryGrace - time.Second))
	if !there("due") {
		f.Error("a row went before its grace was over")
	}
	sweep(start.Add(fuse + table.ExpiryGrace))
	f.clock.set(start) // back, so that a row still stored would be seen
	if there("due") == sweeps {
		f.Errorf("row past its grace: there = %v, driver sweeps = %v", !sweeps, sweeps)
	}
	for _, sk := range []string{"later", "kept", "prolonged", "unlimited"} {
		f.wantValue("p", sk, sk)
	}
	sweep(start.Add(time.Hour + table.ExpiryGrace))
	f.clock.set(start)
	if sweeps {
		f.equal("rows left", f.all(table.Query{PK: "p", Limit: 10}), []string{"kept", "unlimited"})
	}
}
