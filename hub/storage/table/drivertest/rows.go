package drivertest

import (
	"bytes"
	"context"
	"testing"
	"time"

	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/storage/table"
)

func testRoundTrip(f *fixture) {
	f.wantValue("p", "s", "<none>")
	end := start.Add(time.Hour)
	v := f.commit(
		table.Put("p", "s", []byte("value")),
		table.Put("p", "empty", nil),
		table.Put("p\x00q", "\x00\xff", []byte{0, 255}).ExpireAt(end.Add(-time.Nanosecond)),
	)
	row, err := f.rows.Get(f.ctx, "p", "s")
	if err != nil {
		f.Fatal(err)
	}
	f.equal("row", row, table.Row{PK: "p", SK: "s", Value: []byte("value"), Version: v})
	f.wantValue("p", "empty", "")
	row, err = f.rows.Get(f.ctx, "p\x00q", "\x00\xff")
	if err != nil {
		f.Fatal(err)
	}
	f.equal("binary row", row, table.Row{PK: "p\x00q", SK: "\x00\xff", Value: []byte{0, 255}, Version: v, Expires: end})

	f.commit(table.Put("p", "s", []byte("other")), table.Delete("p", "empty"), table.Delete("p", "never was"))
	f.wantValue("p", "s", "other")
	f.wantValue("p", "empty", "<none>")

	// Overwriting a row that expires with one that does not lifts the expiry.
	f.commit(table.Put("p\x00q", "\x00\xff", nil))
	row, err = f.rows.Get(f.ctx, "p\x00q", "\x00\xff")
	if err != nil || !row.Expires.IsZero() {
		f.Errorf("row = %+v, %v; want no expiry", row, err)
	}
}

func testValuesAreCopied(f *fixture) {
	value := []byte("mine")
	f.commit(table.Put("p", "s", value))
	copy(value, "XXXX")
	f.wantValue("p", "s", "mine")
	row, err := f.rows.Get(f.ctx, "p", "s")
	if err != nil {
		f.Fatal(err)
	}
	copy(row.Value, "YYYY")
	f.wantValue("p", "s", "mine")
	page, err := f.rows.Query(f.ctx, table.Query{PK: "p", Limit: 1})
	if err != nil {
		f.Fatal(err)
	}
	copy(page.Rows[0].Value, "ZZZZ")
	f.wantValue("p", "s", "mine")
}

func testVersions(f *fixture) {
	seen := map[table.Version]bool{{}: true}
	for range 20 {
		v := f.commit(table.Put("p", "a", []byte("same")), table.Put("q", "b", []byte("same")))
		if seen[v] {
			f.Fatalf("version %x was there before", v)
		}
		seen[v] = true
		for _, at := range [][2]string{{"p", "a"}, {"q", "b"}} {
			row, err := f.rows.Get(f.ctx, at[0], at[1])
			if err != nil || row.Version != v {
				f.Errorf("row %v has version %x (%v), want that of its commit, %x", at, row.Version, err, v)
			}
		}
	}
}

func testCost(f *fixture) {
	units := func(call string) (write, read float64) {
		f.Helper()
		calls := f.spent.take()
		if len(calls) != 1 || calls[0].Call != call || calls[0].Client == "" {
			f.Fatalf("calls = %+v, want one %s of a client", calls, call)
		}
		return calls[0].WriteUnits, calls[0].ReadUnits
	}
	f.commit(table.Put("p", "small", bytes.Repeat([]byte("x"), 800)).IfAbsent())
	if w, _ := units("commit"); w != 1 {
		f.Errorf("a row under 1 KiB cost %v write units, want 1", w)
	}
	f.commit(table.Put("p", "large", bytes.Repeat([]byte("x"), 1024)).IfAbsent())
	if w, _ := units("commit"); w != 2 {
		f.Errorf("a row just over 1 KiB cost %v write units, want 2", w)
	}
	f.commit(table.Put("p", "a", nil), table.Put("p", "b", nil))
	if w, _ := units("commit"); w != 4 {
		f.Errorf("a commit of two small rows cost %v write units, want 4", w)
	}
	f.wantValue("p", "nothing", "<none>")
	if _, r := units("get"); r != 1 {
		f.Errorf("a miss cost %v read units, want 1", r)
	}
	f.value("p", "large")
	if _, r := units("get"); r != 1 {
		f.Errorf("a row under 4 KiB cost %v read units, want 1", r)
	}
	if _, err := f.rows.Query(f.ctx, table.Query{PK: "p", Limit: 10}); err != nil {
		f.Fatal(err)
	}
	if _, r := units("query"); r != 1 {
		f.Errorf("rows under 4 KiB together cost %v read units, want 1", r)
	}
}

func testEndedContext(f *fixture) {
	ctx, cancel := context.WithCancel(f.ctx)
	cancel()
	_, err := f.rows.Commit(ctx, table.Put("p", "s", nil))
	f.wantCode(err, model.Unavailable)
	_, err = f.rows.Get(ctx, "p", "s")
	f.wantCode(err, model.Unavailable)
	_, err = f.rows.Query(ctx, table.Query{PK: "p", Limit: 1})
	f.wantCode(err, model.Unavailable)
}

func testReopen(t *testing.T, h Harness) {
	d := h.Open(t)
	before := table.New(d, nil)
	client := newClient()
	v, err := before.For(client).Commit(t.Context(), table.Put("p", "s", []byte("kept")))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := before.Hub().Commit(t.Context(), table.Put("p", string(client), nil)); err != nil {
		t.Fatal(err)
	}
	after := table.New(h.Reopen(t, d), nil)
	defer func() {
		if err := after.Close(); err != nil {
			t.Error(err)
		}
	}()
	row, err := after.For(client).Get(t.Context(), "p", "s")
	if err != nil || row.Version != v || string(row.Value) != "kept" {
		t.Errorf("row = %+v, %v; want the one committed", row, err)
	}
	if _, err := after.Hub().Get(t.Context(), "p", string(client)); err != nil {
		t.Errorf("row of the hub: %v", err)
	}
}
