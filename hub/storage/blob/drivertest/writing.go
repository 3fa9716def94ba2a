package drivertest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"sync"
	"testing"
	"time"

	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/storage/blob"
	"github.com/channelhub/channelhub/hub/storage/blob/driver"
)

func testWrittenOnce(t *testing.T, p Place) {
	h := port(t, p).For(acme)
	for _, content := range [][]byte{[]byte("first"), random(blob.PartBytes + 1)} {
		key := put(t, h, content)
		for _, other := range [][]byte{[]byte("second"), random(blob.PartBytes + 2)} {
			_, err := h.Put(t.Context(), key, in(2*time.Hour), bytes.NewReader(other))
			wantCode(t, "a second put", err, model.Precondition)
			wantContent(t, h, key, content)
		}
	}
	wantUnfinished(t, p, 0)
}

func testRace(t *testing.T, p Place)      { race(t, p, 100, 16) }
func testRaceLarge(t *testing.T, p Place) { race(t, p, blob.PartBytes, 4) }

// race lets writers meet at one key. Content n+i is writer i's.
func race(t *testing.T, p Place, n, writers int) {
	h := port(t, p).For(acme)
	for range 3 {
		key := blob.NewKey()
		errs := make([]error, writers)
		var begin, end sync.WaitGroup
		begin.Add(1)
		for i := range writers {
			end.Go(func() {
				content := random(n + i)
				begin.Wait()
				_, errs[i] = h.Put(t.Context(), key, in(time.Hour), bytes.NewReader(content))
			})
		}
		begin.Done()
		end.Wait()
		won := -1
		for i, err := range errs {
			switch {
			case err == nil && won < 0:
				won = i
			case err == nil:
				t.Errorf("writers %d and %d both won", won, i)
			default:
				wantCode(t, "a loser", err, model.Precondition, model.Conflicting)
			}
		}
		if won < 0 {
			t.Fatal("nobody won")
		}
		wantContent(t, h, key, random(n+won))
	}
	wantUnfinished(t, p, 0)
}

func testUnknown(t *testing.T, p Place) {
	s := port(t, p)
	wantNone(t, "a fresh key", s.For(acme), blob.NewKey())
	content := []byte("of acme")
	key := put(t, s.For(acme), content)
	wantNone(t, "another client's key", s.For(globex), key)
	if err := s.For(globex).Discard(t.Context(), key); err != nil {
		t.Errorf("another client discards the key: %v", err)
	}
	wantContent(t, s.For(acme), key, content)
	// One key under two clients is two blobs.
	if _, err := s.For(globex).Put(t.Context(), key, in(time.Hour), bytes.NewReader([]byte("of globex"))); err != nil {
		t.Fatal(err)
	}
	wantContent(t, s.For(acme), key, content)
	wantContent(t, s.For(globex), key, []byte("of globex"))
}

func testDelete(t *testing.T, p Place) {
	h := port(t, p).For(acme)
	for _, remove := range []func(context.Context, blob.Key) error{h.Delete, h.Discard} {
		key, other := put(t, h, []byte("x")), put(t, h, []byte("y"))
		for range 2 {
			if err := remove(t.Context(), key); err != nil {
				t.Errorf("delete: %v", err)
			}
			wantNone(t, "deleted", h, key)
		}
		wantContent(t, h, other, []byte("y"))
	}
}

var errBody = errors.New("the body broke")

// broken yields n bytes and then breaks.
func broken(n int) io.Reader {
	return io.MultiReader(bytes.NewReader(random(n)), plain{failing{}})
}

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, errBody }

func testBodyFails(t *testing.T, p Place) {
	h := port(t, p).For(acme)
	for _, n := range []int{0, 1, blob.PartBytes - 1, blob.PartBytes, blob.PartBytes + 1, 2*blob.PartBytes + 1} {
		key := blob.NewKey()
		_, err := h.Put(t.Context(), key, in(time.Hour), broken(n))
		if !errors.Is(err, errBody) {
			t.Errorf("after %d bytes: got %v, want the body's error", n, err)
		}
		wantNone(t, "a put whose body broke", h, key)
		put := []byte("once more")
		if _, err := h.Put(t.Context(), key, in(time.Hour), bytes.NewReader(put)); err != nil {
			t.Errorf("the same key again: %v", err)
		}
		wantContent(t, h, key, put)
	}
	wantUnfinished(t, p, 0)
}

// leaving yields bytes for ever and ends its context after some.
type leaving struct {
	after  int
	cancel func()
}

func (l *leaving) Read(p []byte) (int, error) {
	if l.after -= len(p); l.after < 0 {
		l.cancel()
	}
	return len(p), nil
}

func testCallerLeaves(t *testing.T, p Place) {
	h := port(t, p).For(acme)
	for _, n := range []int{0, blob.PartBytes / 2, blob.PartBytes * 3 / 2} {
		ctx, cancel := context.WithCancel(t.Context())
		key := blob.NewKey()
		_, err := h.Put(ctx, key, in(time.Hour), &leaving{n, cancel})
		wantCode(t, "put", err, model.Unavailable)
		wantNone(t, "a put whose caller left", h, key)
	}
	wantUnfinished(t, p, 0)
}

func ref(key blob.Key) driver.Ref { return driver.Ref{Client: acme, Key: string(key)} }

func meta(stamp byte) driver.Meta {
	return driver.Meta{Expires: in(time.Hour), Stamp: driver.Stamp{stamp}}
}

func begin(t *testing.T, d driver.Driver, key blob.Key) driver.Upload {
	t.Helper()
	up, err := d.Begin(t.Context(), ref(key), meta(1))
	if err != nil {
		t.Fatalf("begin: %v", err)
	}
	return up
}

func must(t *testing.T, what string, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
}

func testNothingBeforeCommit(t *testing.T, p Place) {
	s, d := port(t, p), p.Open(t)
	h, key, content := s.For(acme), blob.NewKey(), random(blob.PartBytes+10)
	up := begin(t, d, key)
	must(t, "part", up.Part(t.Context(), 1, content[:blob.PartBytes]))
	wantNone(t, "with one part", h, key)
	must(t, "part", up.Part(t.Context(), 2, content[blob.PartBytes:]))
	wantNone(t, "with all parts", h, key)
	must(t, "commit", up.Commit(t.Context()))
	wantContent(t, h, key, content)
	must(t, "abort after commit", up.Abort(t.Context()))
	wantContent(t, h, key, content)
	wantUnfinished(t, p, 0)
}

// testPartsRepeat does what a retry does: a part again, the last one too.
func testPartsRepeat(t *testing.T, p Place) {
	s, d := port(t, p), p.Open(t)
	key, content := blob.NewKey(), random(2*blob.PartBytes+10)
	up := begin(t, d, key)
	for n := 1; n <= 3; n++ {
		part := content[(n-1)*blob.PartBytes : min(n*blob.PartBytes, len(content))]
		for range 2 {
			must(t, "part", up.Part(t.Context(), n, part))
		}
	}
	must(t, "commit", up.Commit(t.Context()))
	wantContent(t, s.For(acme), key, content)
}

// testCommitRepeats does what a retry does after an answer that was lost.
func testCommitRepeats(t *testing.T, p Place) {
	d := p.Open(t)
	key := blob.NewKey()
	up := begin(t, d, key)
	must(t, "part", up.Part(t.Context(), 1, random(100)))
	must(t, "commit", up.Commit(t.Context()))
	if err := up.Commit(t.Context()); err != nil {
		wantCode(t, "commit again", err, model.NotFound, model.Precondition)
	}
	info, err := d.Head(t.Context(), ref(key))
	if err != nil || info.Stamp != meta(1).Stamp || info.Size != 100 {
		t.Errorf("head: %+v, %v; want the stamp of the put", info, err)
	}
	wantCode(t, "put over it", d.Put(t.Context(), ref(key), meta(2), []byte("x")), model.Precondition)
	if info, err := d.Head(t.Context(), ref(key)); err != nil || info.Stamp != meta(1).Stamp {
		t.Errorf("head after a put that lost: %+v, %v", info, err)
	}
}

// testAbandon leaves an upload as a process that dies does.
func testAbandon(t *testing.T, p Place) {
	s, d := port(t, p), p.Open(t)
	h, key, other := s.For(acme), blob.NewKey(), blob.NewKey()
	up, kept := begin(t, d, key), begin(t, d, other)
	must(t, "part", up.Part(t.Context(), 1, random(100)))
	must(t, "part", kept.Part(t.Context(), 1, random(101)))
	wantUnfinished(t, p, 2)
	for range 2 {
		must(t, "discard", h.Discard(t.Context(), key))
		wantUnfinished(t, p, 1)
	}
	if err := up.Commit(t.Context()); err == nil {
		t.Error("an upload that was abandoned became a blob")
	}
	wantNone(t, "abandoned", h, key)
	must(t, "abort", up.Abort(t.Context()))
	must(t, "commit of another", kept.Commit(t.Context()))
	wantContent(t, h, other, random(101))
	wantUnfinished(t, p, 0)
}
