package drivertest

import (
	"bytes"
	"io"
	"runtime"
	"testing"
	"time"

	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/storage/blob"
)

func testSizes(t *testing.T, p Place) {
	h := port(t, p).For(acme)
	for _, n := range []int{0, 1, 1000, blob.PartBytes - 1, blob.PartBytes, blob.PartBytes + 1, 2 * blob.PartBytes, 2*blob.PartBytes + 7} {
		content := random(n)
		key := put(t, h, content)
		wantContent(t, h, key, content)
		info, err := h.Head(t.Context(), key)
		if err != nil || info.Size != int64(n) || !info.Expires.Equal(in(time.Hour)) {
			t.Errorf("head of %d bytes: %+v, %v", n, info, err)
		}
	}
	wantUnfinished(t, p, 0)
}

func testRanges(t *testing.T, p Place) {
	h := port(t, p).For(acme)
	small := random(1000)
	large := random(blob.PartBytes + 1000)
	for _, content := range [][]byte{small, large} {
		n := int64(len(content))
		key := put(t, h, content)
		for _, r := range []blob.Range{
			{},
			{Length: 1},
			{Length: n},
			{Length: n + 1},
			{Length: 1 << 62},
			{Offset: 1},
			{Offset: n - 1},
			{Offset: n - 1, Length: 1},
			{Offset: n - 1, Length: 100},
			{Offset: n - 10, Length: 5},
			{Offset: n / 2, Length: n / 2},
		} {
			want := content[r.Offset:]
			if r.Length > 0 && r.Length < int64(len(want)) {
				want = want[:r.Length]
			}
			got, info, err := read(t, h, key, r)
			if err != nil || !bytes.Equal(got, want) || info.Size != n {
				t.Errorf("%+v of %d: got %d bytes of size %d, %v; want %d", r, n, len(got), info.Size, err, len(want))
			}
		}
		for _, r := range []blob.Range{{Offset: n}, {Offset: n, Length: 1}, {Offset: n + 1}, {Offset: -1}, {Length: -1}} {
			_, _, err := read(t, h, key, r)
			wantCode(t, "a range outside", err, model.Invalid)
		}
	}
	empty := put(t, h, nil)
	for _, r := range []blob.Range{{}, {Length: 1}} {
		if got, _, err := read(t, h, empty, r); err != nil || len(got) != 0 {
			t.Errorf("%+v of an empty blob: got %d bytes, %v", r, len(got), err)
		}
	}
	_, _, err := read(t, h, empty, blob.Range{Offset: 1})
	wantCode(t, "a range outside an empty blob", err, model.Invalid)
	_, _, err = read(t, h, blob.NewKey(), blob.Range{Offset: 1})
	wantCode(t, "a range of nothing", err, model.NotFound)
}

func testExpiry(t *testing.T, p Place) {
	now := start
	h := portAt(t, p, func() time.Time { return now }).For(acme)
	key := blob.NewKey()
	if _, err := h.Put(t.Context(), key, in(24*time.Hour), bytes.NewReader([]byte("x"))); err != nil {
		t.Fatal(err)
	}
	now = in(24*time.Hour - time.Second)
	wantContent(t, h, key, []byte("x"))
	now = in(24*time.Hour - time.Millisecond)
	wantContent(t, h, key, []byte("x"))
	now = in(24 * time.Hour)
	wantNone(t, "at its end", h, key)
	// A clock that goes back shows that the bytes are there until deleted.
	now = start
	wantContent(t, h, key, []byte("x"))
}

func testReopen(t *testing.T, p Place) {
	content := random(blob.PartBytes + 1)
	key := put(t, port(t, p).For(acme), content)
	wantContent(t, port(t, p).For(acme), key, content)
}

// testMemory writes and reads 64 MiB, and counts what is allocated.
func testMemory(t *testing.T, p Place) {
	h := port(t, p).For(acme)
	const size = 64 << 20
	key := blob.NewKey()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	n, err := h.Put(t.Context(), key, in(time.Hour), io.LimitReader(&pattern{}, size))
	if err != nil || n != size {
		t.Fatalf("put: %d, %v", n, err)
	}
	body, info, err := h.Open(t.Context(), key, blob.Range{})
	if err != nil || info.Size != size {
		t.Fatalf("open: %+v, %v", info, err)
	}
	check := &pattern{}
	if n, err = io.Copy(check, body); err != nil || n != size || check.wrong {
		t.Errorf("read: %d bytes, %v, wrong: %t", n, err, check.wrong)
	}
	if err := body.Close(); err != nil {
		t.Error(err)
	}
	runtime.ReadMemStats(&after)
	// What is allocated and freed again counts too: a part's buffer grows by
	// doubling, which is 32 MiB in all under the race detector.
	if grown := after.TotalAlloc - before.TotalAlloc; grown > 9*blob.PartBytes {
		t.Errorf("%d MiB were allocated on the way of 64", grown>>20)
	}
	wantUnfinished(t, p, 0)
}

// pattern yields, and checks, bytes that tell their place.
type pattern struct {
	n     uint64
	wrong bool
}

func (p *pattern) next() byte { p.n++; return byte(p.n * p.n >> 7) }

func (p *pattern) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = p.next()
	}
	return len(b), nil
}

func (p *pattern) Write(b []byte) (int, error) {
	for _, c := range b {
		p.wrong = p.wrong || c != p.next()
	}
	return len(b), nil
}
