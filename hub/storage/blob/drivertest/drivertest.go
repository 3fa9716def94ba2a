// Package drivertest is the conformance suite of the blob port. A driver
// passes all of it, or it is not a driver.
package drivertest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/storage/blob"
	"github.com/channelhub/channelhub/hub/storage/blob/driver"
)

// Place is where one test keeps its blobs.
type Place struct {
	// Open returns a driver on this place: a second call finds what the first
	// wrote, as a restarted hub would. Clients are acme and globex, which have
	// been provisioned.
	Open func(t *testing.T) driver.Driver
	// Unfinished counts what uploads that did not end have left behind.
	Unfinished func(t *testing.T) int
}

// Run runs the suite. newPlace is called once for each test.
func Run(t *testing.T, newPlace func(t *testing.T) Place) {
	tests := []struct {
		name string
		run  func(t *testing.T, p Place)
	}{
		{"Sizes", testSizes},
		{"Ranges", testRanges},
		{"WrittenOnce", testWrittenOnce},
		{"OneOfManyWins", testRace},
		{"OneOfManyLargeWins", testRaceLarge},
		{"Expiry", testExpiry},
		{"UnknownAndForeign", testUnknown},
		{"DeleteIsRepeatable", testDelete},
		{"BodyFails", testBodyFails},
		{"CallerLeaves", testCallerLeaves},
		{"NothingBeforeCommit", testNothingBeforeCommit},
		{"PartsRepeat", testPartsRepeat},
		{"CommitRepeats", testCommitRepeats},
		{"Abandon", testAbandon},
		{"OutlivesTheProcess", testReopen},
		{"BoundedMemory", testMemory},
		{"Invalid", testInvalid},
		{"EndedContext", testEndedContext},
		{"Signing", testSigning},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) { tc.run(t, newPlace(t)) })
	}
}

const (
	acme   model.ClientID = "acme"
	globex model.ClientID = "globex"
)

// start is when the tests' clock begins: now, since a store looks at its own.
var start = time.Now().Truncate(time.Second)

// in is some time after start.
func in(d time.Duration) time.Time { return start.Add(d) }

func port(t *testing.T, p Place) *blob.Store { return portAt(t, p, func() time.Time { return start }) }

func portAt(t *testing.T, p Place, now func() time.Time) *blob.Store {
	t.Helper()
	s := blob.New(p.Open(t), &blob.Options{Now: now})
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return s
}

// random is bytes that compress badly and are the same for the same size.
func random(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.NewChaCha8(sha256.Sum256([]byte{byte(n), byte(n >> 8), byte(n >> 16)})).Read(b)
	return b
}

// plain hides every method of a reader but Read, as a request's body does.
type plain struct{ io.Reader }

func put(t *testing.T, h blob.Handle, content []byte) blob.Key {
	t.Helper()
	key := blob.NewKey()
	n, err := h.Put(t.Context(), key, in(time.Hour), plain{bytes.NewReader(content)})
	if err != nil || n != int64(len(content)) {
		t.Fatalf("put %d bytes: %d, %v", len(content), n, err)
	}
	return key
}

func read(t *testing.T, h blob.Handle, key blob.Key, r blob.Range) ([]byte, blob.Info, error) {
	t.Helper()
	body, info, err := h.Open(t.Context(), key, r)
	if err != nil {
		return nil, info, err
	}
	got, err := io.ReadAll(body)
	if err := errors.Join(err, body.Close()); err != nil {
		t.Fatalf("read: %v", err)
	}
	return got, info, nil
}

func wantContent(t *testing.T, h blob.Handle, key blob.Key, want []byte) {
	t.Helper()
	got, info, err := read(t, h, key, blob.Range{})
	if err != nil {
		t.Fatalf("open %d bytes: %v", len(want), err)
	}
	if info.Size != int64(len(want)) || !bytes.Equal(got, want) {
		t.Errorf("got %d bytes of size %d, want the %d that were put", len(got), info.Size, len(want))
	}
}

func wantCode(t *testing.T, what string, err error, codes ...model.Code) {
	t.Helper()
	for _, c := range codes {
		if model.Is(err, c) {
			return
		}
	}
	t.Errorf("%s: got %v, want %v", what, err, codes)
}

// wantNone says that there is nothing, whichever way one looks.
func wantNone(t *testing.T, what string, h blob.Handle, key blob.Key) {
	t.Helper()
	_, err := h.Head(t.Context(), key)
	wantCode(t, what+": head", err, model.NotFound)
	_, _, err = read(t, h, key, blob.Range{})
	wantCode(t, what+": open", err, model.NotFound)
	if h2, err := h.SignGet(t.Context(), key, time.Minute, blob.As{}); err == nil {
		t.Errorf("%s: a URL was signed: %s", what, h2.URL)
	}
}

func wantUnfinished(t *testing.T, p Place, want int) {
	t.Helper()
	if got := p.Unfinished(t); got != want {
		t.Errorf("%d unfinished uploads are left, want %d", got, want)
	}
}

func testInvalid(t *testing.T, p Place) {
	h := port(t, p).For(acme)
	for _, key := range []blob.Key{"", "x", "../../../../../../etc/passwd", blob.NewKey() + "a", "AAAAAAAAAAAAAAAAAAAAAAAAAA"} {
		_, err := h.Put(t.Context(), key, in(time.Hour), bytes.NewReader(nil))
		wantCode(t, "put under a strange key", err, model.Invalid)
		_, err = h.Head(t.Context(), key)
		wantCode(t, "head of a strange key", err, model.NotFound)
		if err := h.Delete(t.Context(), key); err != nil {
			t.Errorf("delete of a strange key: %v", err)
		}
	}
	for _, expires := range []time.Time{{}, in(0), in(-time.Second)} {
		_, err := h.Put(t.Context(), blob.NewKey(), expires, bytes.NewReader(nil))
		wantCode(t, "put without a future", err, model.Invalid)
	}
	for _, id := range []model.ClientID{"", "Acme", "a/b", "..", ".incoming"} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("a handle for client %q", id)
				}
			}()
			port(t, p).For(id)
		}()
	}
}

func testEndedContext(t *testing.T, p Place) {
	h := port(t, p).For(acme)
	key := put(t, h, []byte("x"))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := h.Put(ctx, blob.NewKey(), in(time.Hour), bytes.NewReader(nil))
	wantCode(t, "put", err, model.Unavailable)
	_, _, err = h.Open(ctx, key, blob.Range{})
	wantCode(t, "open", err, model.Unavailable)
	_, err = h.Head(ctx, key)
	wantCode(t, "head", err, model.Unavailable)
	wantCode(t, "delete", h.Delete(ctx, key), model.Unavailable)
	wantContent(t, h, key, []byte("x"))
}
