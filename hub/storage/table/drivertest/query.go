package drivertest

import (
	"fmt"
	"slices"

	"github.com/channelhub/channelhub/hub/storage/table"
)

// awkward sort keys: empty-looking, prefixes of each other, both ends of the
// byte range, not UTF-8, and an order that no collation would choose.
var awkward = []string{
	"\x00", "\x00\x00", "\x00\x01", "\x00\xff", "\x01", "0", "10", "2", "A", "Z", "a",
	"a\x00", "a\x00b", "a\x01", "aa", "ab", "a\xff", "b", "z", "\x7f", "\x80", "é", "\xff", "\xff\x00", "\xff\xff",
}

func testBinaryOrder(f *fixture) {
	want := slices.Sorted(slices.Values(awkward))
	for i := range awkward {
		// Written in no order, among partitions whose keys are close.
		sk := awkward[(i*7)%len(awkward)]
		f.commit(table.Put("p", sk, []byte(sk)), table.Put("p\x00", sk, []byte(sk)), table.Put("o\xff", sk, []byte(sk)))
	}
	f.equal("forward", f.all(table.Query{PK: "p", Limit: 4}), want)
	slices.Reverse(want)
	f.equal("reverse", f.all(table.Query{PK: "p", Limit: 4, Reverse: true}), want)
}

// testRangeEnds compares every mix of bounds, cursor, limit and direction with
// a filter over a slice.
func testRangeEnds(f *fixture) {
	sks := []string{"a", "b", "b\x00", "c", "d"}
	f.put("p", sks...)
	f.put("p2", "a", "z")
	bounds := []string{"", "a", "b", "b\x00", "bb", "d", "e"}
	for _, from := range bounds {
		for _, to := range bounds {
			for _, after := range bounds {
				for _, limit := range []int{1, 2, 5, 6} {
					for _, reverse := range []bool{false, true} {
						q := table.Query{PK: "p", From: from, To: to, After: after, Limit: limit, Reverse: reverse}
						want := filter(sks, q)
						got, more := f.page(q)
						f.equal(fmt.Sprintf("%+v", q), got, want[:min(limit, len(want)):len(want)])
						if more != (len(want) > limit) {
							f.Errorf("%+v: more = %v with %d rows in the range", q, more, len(want))
						}
					}
				}
			}
		}
	}
}

// filter is what a query means, for keys in order.
func filter(sks []string, q table.Query) []string {
	var out []string
	for _, sk := range sks {
		in := sk >= q.From && (q.To == "" || sk < q.To)
		behind := q.After == "" || (!q.Reverse && sk > q.After) || (q.Reverse && sk < q.After)
		if in && behind {
			out = append(out, sk)
		}
	}
	if q.Reverse {
		slices.Reverse(out)
	}
	return out
}

// testCursorStability inserts and deletes around the cursor between pages:
// rows that were there all the time come exactly once.
func testCursorStability(f *fixture) {
	for _, reverse := range []bool{false, true} {
		pk := fmt.Sprintf("p%v", reverse)
		var want []string
		for i := range 40 {
			want = append(want, numbered(i*100))
		}
		f.put(pk, want...)
		if reverse {
			slices.Reverse(want)
		}
		q := table.Query{PK: pk, Limit: 3, Reverse: reverse}
		var old []string
		for round := 1; ; round++ {
			got, more := f.page(q)
			for _, sk := range got {
				if slices.Contains(want, sk) {
					old = append(old, sk)
				}
			}
			if !more {
				break
			}
			q.After = got[len(got)-1]
			// Right beside the cursor on both sides, and at both ends.
			f.put(pk, q.After+"\x00", q.After[:5], numbered(-round), "~"+numbered(round))
			if !slices.Contains(want, q.After) {
				f.commit(table.Delete(pk, q.After)) // the cursor's own row goes
			}
		}
		f.equal("rows there all the time", old, want)
	}
}

func testShortDriverPages(f *fixture) {
	f.put("p", awkward...)
	want := slices.Sorted(slices.Values(awkward))
	f.flaky.CutPages(1)
	f.equal("rows", f.all(table.Query{PK: "p", Limit: 7}), want)
	got, more := f.page(table.Query{PK: "p", Limit: 7})
	f.equal("first page", got, want[:7])
	if !more {
		f.Error("the first page says that it is the last")
	}
}
