package drivertest

import (
	"errors"
	"fmt"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/storage/table"
)

// testHistories runs random histories of one writer, lost answers and a moving
// clock included, against a map.
func testHistories(f *fixture) {
	rapid.Check(f.T, func(t *rapid.T) {
		h := &history{f: f, rows: f.table.For(newClient()), known: map[place]table.Row{}, now: start}
		f.clock.set(start)
		f.flaky.Next()
		defer f.flaky.Next()
		t.Repeat(map[string]func(*rapid.T){
			"commit": h.commit,
			"get":    h.get,
			"query":  h.query,
			"wait":   h.wait,
		})
	})
}

type place struct{ pk, sk string }

// history is the model: what a table would hold if it were a map. Expired rows
// stay in the map until something is put over them, as they may in a store.
type history struct {
	f      *fixture
	rows   table.Handle
	known  map[place]table.Row
	stamps []table.Version
	now    time.Time
}

// sortKeys are in order. Some begin alike up to a slash, as the keys of rows of
// one kind do, which a driver may make use of.
var sortKeys = []string{"\x00", "a", "a\x00", "a/1", "a/2", "b", "\xff"}

var (
	pks = rapid.SampledFrom([]string{"p", "p\x00", "q"})
	sks = rapid.SampledFrom(sortKeys)
)

func (h *history) visible(at place) (table.Row, bool) {
	r, ok := h.known[at]
	return r, ok && (r.Expires.IsZero() || r.Expires.After(h.now))
}

// demand is a drawn op and what its condition means.
type demand struct {
	at      place
	op      table.Op
	put     bool
	remove  bool
	row     table.Row
	holds   bool
	blocker *table.Row // what a conflict would show
}

func (h *history) draw(t *rapid.T, at place) demand {
	d := demand{at: at, holds: true}
	switch rapid.IntRange(0, 3).Draw(t, "kind") {
	case 0:
		d.op, d.remove = table.Delete(at.pk, at.sk), true
	case 1:
		d.op = table.Check(at.pk, at.sk)
	default:
		value := rapid.SliceOfN(rapid.Byte(), 0, 40).Draw(t, "value")
		d.op, d.put = table.Put(at.pk, at.sk, value), true
		d.row = table.Row{PK: at.pk, SK: at.sk, Value: append([]byte{}, value...)}
		if life := rapid.IntRange(-1, 600).Draw(t, "life"); life >= 0 {
			d.row.Expires = h.now.Add(time.Duration(life) * time.Second)
			d.op = d.op.ExpireAt(d.row.Expires)
		}
	}
	expiredBy := h.now.Add(-table.ExpiryGrace)
	if rapid.Bool().Draw(t, "exact") {
		d.op, expiredBy = d.op.Exact(), h.now
	}
	there, present := h.known[at]
	present = present && (there.Expires.IsZero() || there.Expires.After(expiredBy))
	switch rapid.IntRange(0, 2).Draw(t, "condition") {
	case 0:
		d.op, d.holds = d.op.IfAbsent(), !present
	case 1:
		v := there.Version
		if len(h.stamps) > 0 && rapid.IntRange(0, 3).Draw(t, "stale") == 0 {
			v = rapid.SampledFrom(h.stamps).Draw(t, "version")
		}
		d.op = d.op.IfVersion(v)
		d.holds = (v == table.Version{} && !present) || (v != table.Version{} && present && there.Version == v)
	}
	if present {
		d.blocker = &there
	}
	return d
}

func (h *history) commit(t *rapid.T) {
	places := rapid.SliceOfNDistinct(rapid.Custom(func(t *rapid.T) place {
		return place{pks.Draw(t, "pk"), sks.Draw(t, "sk")}
	}), 1, 4, rapid.ID).Draw(t, "rows")
	var ops []table.Op
	var demands []demand
	failing := -1
	for i, at := range places {
		d := h.draw(t, at)
		if !d.holds && failing < 0 {
			failing = i
		}
		demands, ops = append(demands, d), append(ops, d.op)
	}
	// One writer alone: losing answers must not change any result. A failed
	// condition is told at once, so there is nothing to lose then.
	if failing < 0 && rapid.IntRange(0, 4).Draw(t, "lose") == 0 {
		h.f.flaky.Next(LoseAnswer)
	}
	version, err := h.rows.Commit(h.f.ctx, ops...)
	h.f.flaky.Next()
	if failing >= 0 {
		c, ok := errors.AsType[*table.ConflictError](err)
		if !ok {
			t.Fatalf("error = %v, want a conflict of op %d", err, failing)
		}
		if diff := cmp.Diff(&table.ConflictError{Index: failing, Found: demands[failing].blocker}, c); diff != "" {
			t.Fatalf("conflict (-want +got):\n%s", diff)
		}
		return
	}
	if err != nil {
		t.Fatalf("commit: %v", err)
	}
	h.stamps = append(h.stamps, version)
	for _, d := range demands {
		switch {
		case d.remove:
			delete(h.known, d.at)
		case d.put:
			d.row.Version = version
			h.known[d.at] = d.row
		}
	}
}

func (h *history) get(t *rapid.T) {
	at := place{pks.Draw(t, "pk"), sks.Draw(t, "sk")}
	row, err := h.rows.Get(h.f.ctx, at.pk, at.sk)
	want, ok := h.visible(at)
	switch {
	case !ok && !model.Is(err, model.NotFound):
		t.Fatalf("get = %+v, %v; want no row", row, err)
	case ok && err != nil:
		t.Fatalf("get: %v, want %+v", err, want)
	case ok:
		if diff := cmp.Diff(want, row); diff != "" {
			t.Fatalf("row (-want +got):\n%s", diff)
		}
	}
}

func (h *history) query(t *rapid.T) {
	bound := rapid.OneOf(rapid.Just(""), sks)
	q := table.Query{
		PK: pks.Draw(t, "pk"), From: bound.Draw(t, "from"), To: bound.Draw(t, "to"), After: bound.Draw(t, "after"),
		Limit: rapid.IntRange(1, 6).Draw(t, "limit"), Reverse: rapid.Bool().Draw(t, "reverse"),
	}
	var there []string
	for _, sk := range sortKeys {
		if _, ok := h.visible(place{q.PK, sk}); ok {
			there = append(there, sk)
		}
	}
	var want []table.Row
	for _, sk := range filter(there, q) {
		want = append(want, h.known[place{q.PK, sk}])
	}
	var got []table.Row
	for {
		page, err := h.rows.Query(h.f.ctx, q)
		if err != nil {
			t.Fatalf("query: %v", err)
		}
		if page.More && len(page.Rows) != q.Limit {
			t.Fatalf("a page of %d rows with more to come, limit %d", len(page.Rows), q.Limit)
		}
		got = append(got, page.Rows...)
		if !page.More {
			break
		}
		q.After = page.Rows[len(page.Rows)-1].SK
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatalf("query %s (-want +got):\n%s", fmt.Sprintf("%+v", q), diff)
	}
}

// wait moves the clock, across the grace now and then.
func (h *history) wait(t *rapid.T) {
	h.now = h.now.Add(time.Duration(rapid.IntRange(1, 400).Draw(t, "seconds")) * time.Second)
	h.f.clock.set(h.now)
}
