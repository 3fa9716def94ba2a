package seal

import (
	"bytes"
	"context"
	"crypto/rand"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/channelhub/channelhub/hub/model"
)

var place = Place{PK: "c/acme/v/cnv_1", SK: "e/00", Schema: 1}

func TestRecordsRoundTrip(t *testing.T) {
	w := newWorld(t)
	c := w.client(w.sealer(), "acme")
	w.create(c, "cnt_1")
	noise := make([]byte, MaxRecord)
	_, _ = rand.Read(noise)
	for name, plain := range map[string][]byte{
		"empty":            {},
		"small":            []byte("hello"),
		"at the threshold": bytes.Repeat([]byte("a"), packAbove),
		"compressible":     bytes.Repeat([]byte("hello "), 10_000),
		"incompressible":   noise[:packAbove+1],
		"the longest":      noise,
	} {
		sealed := w.seal(c, "cnt_1", place, plain)
		if len(plain) > 4 && bytes.Contains(sealed, plain) {
			t.Errorf("%s: the record shows its content", name)
		}
		got, err := c.Open(t.Context(), "cnt_1", place, sealed)
		if err != nil || !bytes.Equal(got, plain) {
			t.Errorf("%s: %d bytes came back as %d, %v", name, len(plain), len(got), err)
		}
	}
	long := w.seal(c, "cnt_1", place, bytes.Repeat([]byte("hello "), 10_000))
	if len(long) > 1024 {
		t.Errorf("60,000 bytes of one word take %d sealed", len(long))
	}
	if a, b := w.seal(c, "cnt_1", place, []byte("x")), w.seal(c, "cnt_1", place, []byte("x")); bytes.Equal(a, b) {
		t.Error("two records of the same content look the same")
	}
}

// What Seal takes, Open gives back: there is no size between.
func TestSealRefusesWhatOpenWould(t *testing.T) {
	w := newWorld(t)
	c := w.client(w.sealer(), "acme")
	w.create(c, "cnt_1")
	_, err := c.Seal(t.Context(), "cnt_1", place, make([]byte, MaxRecord+1))
	if !model.Is(err, model.TooLarge) {
		t.Errorf("sealing one byte too many: %v, want too_large", err)
	}
}

// A ciphertext opens in its own place, under its own key, for its own client,
// and nowhere else.
func TestMovedRecordsDoNotOpen(t *testing.T) {
	w := newWorld(t)
	s := w.sealer()
	type spot struct {
		client model.ClientID
		key    KeyID
		at     Place
	}
	var spots []spot
	for _, client := range []model.ClientID{"acme", "beta"} {
		for _, key := range []KeyID{"cnt_1", "cnt_2", Class("state")} {
			w.create(w.client(s, client), key)
			for _, at := range []Place{
				{PK: "c/acme/v/1", SK: "e/00", Schema: 1},
				{PK: "c/acme/v/1", SK: "e/01", Schema: 1},
				{PK: "c/acme/v/2", SK: "e/00", Schema: 1},
				{PK: "c/acme/v/1", SK: "e/00", Schema: 2},
				// The same bytes in another division.
				{PK: "c/acme/v/1e", SK: "/00", Schema: 1},
				{PK: "c/acme/v/", SK: "1e/00", Schema: 1},
				{PK: "", SK: "c/acme/v/1e/00", Schema: 1},
				{PK: "c/acme/v/1e/00", SK: "", Schema: 1},
			} {
				spots = append(spots, spot{client, key, at})
			}
		}
	}
	for i, from := range spots {
		sealed := w.seal(w.client(s, from.client), from.key, from.at, []byte("hello"))
		for j, to := range spots {
			_, err := w.client(s, to.client).Open(t.Context(), to.key, to.at, sealed)
			if i == j && err != nil {
				t.Errorf("%v does not open in its own place: %v", from, err)
			}
			if i != j && !model.Is(err, model.Corrupt) {
				t.Errorf("sealed at %v, opened at %v: %v, want corrupt", from, to, err)
			}
		}
	}
}

func TestDamagedRecordsDoNotOpen(t *testing.T) {
	w := newWorld(t)
	c := w.client(w.sealer(), "acme")
	w.create(c, "cnt_1")
	sealed := w.seal(c, "cnt_1", place, []byte("hello"))
	for i := range sealed {
		damaged := bytes.Clone(sealed)
		damaged[i] ^= 1
		if _, err := c.Open(t.Context(), "cnt_1", place, damaged); !model.Is(err, model.Corrupt) {
			t.Errorf("byte %d changed: %v, want corrupt", i, err)
		}
		if _, err := c.Open(t.Context(), "cnt_1", place, sealed[:i]); !model.Is(err, model.Corrupt) {
			t.Errorf("cut to %d bytes: %v, want corrupt", i, err)
		}
	}
}

// A wrapped key is bound to its name and client.
func TestMovedKeysDoNotUnwrap(t *testing.T) {
	w := newWorld(t)
	c := w.client(w.sealer(), "acme")
	w.create(c, "cnt_1")
	w.store("acme").set("cnt_2", w.store("acme").row("cnt_1"))
	w.client(w.sealer(), "beta")
	w.store("beta").set("cnt_1", w.store("acme").row("cnt_1"))
	w.clock.pass(2 * pauseAsking) // far enough to look for a newer keyset
	if _, err := c.Seal(t.Context(), "cnt_2", place, nil); !model.Is(err, model.Corrupt) {
		t.Errorf("key under another name: %v, want corrupt", err)
	}
	if _, err := w.client(w.sealer(), "beta").Seal(t.Context(), "cnt_1", place, nil); !model.Is(err, model.Corrupt) {
		t.Errorf("key of another client: %v, want corrupt", err)
	}
}

func TestCreateKeyEndsWithOneKey(t *testing.T) {
	w := newWorld(t)
	sealers := []*Sealer{w.sealer(), w.sealer()}
	var wg sync.WaitGroup
	sealed := make([][]byte, 32)
	for i := range sealed {
		wg.Go(func() {
			c, err := sealers[i%2].Client(t.Context(), "acme")
			if err == nil {
				err = c.CreateKey(t.Context(), "cnt_1")
			}
			if err == nil {
				sealed[i], err = c.Seal(t.Context(), "cnt_1", place, []byte("hello"))
			}
			if err != nil {
				t.Errorf("writer %d: %v", i, err)
			}
		})
	}
	wg.Wait()
	for _, s := range append(sealers, w.sealer()) {
		c := w.client(s, "acme")
		for i, b := range sealed {
			if got, err := c.Open(t.Context(), "cnt_1", place, b); err != nil || string(got) != "hello" {
				t.Errorf("record %d: %q, %v", i, got, err)
			}
		}
	}
}

// Making sure of a key that is there costs no write.
func TestCreateKeyIsFreeOnceDone(t *testing.T) {
	w := newWorld(t)
	c := w.client(w.sealer(), "acme")
	w.create(c, "cnt_1")
	before := w.store("acme").puts
	w.create(c, "cnt_1")
	if after := w.store("acme").puts; after != before {
		t.Errorf("creating a known key wrote %d times", after-before)
	}
}

func TestDestroyedKeysOpenNothing(t *testing.T) {
	w := newWorld(t)
	s := w.sealer()
	c := w.client(s, "acme")
	w.create(c, "cnt_1")
	sealed := w.seal(c, "cnt_1", place, []byte("hello"))
	if err := c.DestroyKey(t.Context(), "cnt_1"); err != nil {
		t.Fatal(err)
	}
	if err := c.DestroyKey(t.Context(), "cnt_1"); err != nil {
		t.Errorf("destroying it again: %v", err)
	}
	for range 10 {
		if _, err := c.Open(t.Context(), "cnt_1", place, sealed); !model.Is(err, model.NotFound) {
			t.Errorf("open: %v, want not_found", err)
		}
		if _, err := c.Seal(t.Context(), "cnt_1", place, nil); !model.Is(err, model.NotFound) {
			t.Errorf("seal: %v, want not_found", err)
		}
	}
	if _, err := w.client(w.sealer(), "acme").Open(t.Context(), "cnt_1", place, sealed); !model.Is(err, model.NotFound) {
		t.Errorf("open in a new process: %v, want not_found", err)
	}
	// The place may get a new key, which opens nothing of the old one.
	w.create(c, "cnt_1")
	if _, err := c.Open(t.Context(), "cnt_1", place, sealed); !model.Is(err, model.Corrupt) {
		t.Errorf("open under a new key: %v, want corrupt", err)
	}
}

// Absence is remembered, but not for ever: another hub may make the key.
func TestAbsenceIsRememberedForAWhile(t *testing.T) {
	w := newWorld(t)
	c := w.client(w.sealer(), "acme")
	for range 100 {
		if _, err := c.Seal(t.Context(), "cnt_1", place, nil); !model.Is(err, model.NotFound) {
			t.Fatalf("seal: %v, want not_found", err)
		}
	}
	if n := w.store("acme").loaded("cnt_1"); n != 1 {
		t.Errorf("an absent key was looked for %d times, want once", n)
	}
	w.create(w.client(w.sealer(), "acme"), "cnt_1")
	w.clock.pass(absentFor)
	if _, err := c.Seal(t.Context(), "cnt_1", place, nil); err != nil {
		t.Errorf("seal, a while after another process made the key: %v", err)
	}
}

// A load that read the key before it was destroyed must not bring it back.
func TestDestroyingBeatsALoadUnderWay(t *testing.T) {
	w := newWorld(t)
	w.create(w.client(w.sealer(), "acme"), "cnt_1")
	c := w.client(w.sealer(), "acme")
	sealed := w.seal(w.client(w.sealer(), "acme"), "cnt_1", place, []byte("hello"))

	read, destroyed := make(chan struct{}), make(chan struct{})
	var once sync.Once
	w.store("acme").onLoad = func(name string) {
		if name == "cnt_1" {
			once.Do(func() { close(read); <-destroyed })
		}
	}
	var wg sync.WaitGroup
	wg.Go(func() { _, _ = c.Open(context.Background(), "cnt_1", place, sealed) })
	<-read
	if err := c.DestroyKey(t.Context(), "cnt_1"); err != nil {
		t.Fatal(err)
	}
	close(destroyed)
	wg.Wait()
	if _, err := c.Open(t.Context(), "cnt_1", place, sealed); !model.Is(err, model.NotFound) {
		t.Errorf("open after the load had ended: %v, want not_found", err)
	}
}

func TestDestroyingBeatsACreationUnderWay(t *testing.T) {
	w := newWorld(t)
	c := w.client(w.sealer(), "acme")
	var once sync.Once
	w.store("acme").onPut = func(name string) {
		if name == "cnt_1" {
			once.Do(func() {
				if err := c.DestroyKey(context.Background(), "cnt_1"); err != nil {
					t.Error(err)
				}
			})
		}
	}
	if err := c.CreateKey(t.Context(), "cnt_1"); !model.Is(err, model.NotFound) {
		t.Errorf("create: %v, want not_found", err)
	}
	if _, err := c.Seal(t.Context(), "cnt_1", place, nil); !model.Is(err, model.NotFound) {
		t.Errorf("seal under the destroyed key: %v, want not_found", err)
	}
}

func TestReservedKeysAreRefused(t *testing.T) {
	w := newWorld(t)
	c := w.client(w.sealer(), "acme")
	for _, id := range []KeyID{ErasedKey, ""} {
		if err := c.CreateKey(t.Context(), id); !model.Is(err, model.Internal) {
			t.Errorf("create %q: %v, want internal", id, err)
		}
		if _, err := c.Seal(t.Context(), id, place, nil); !model.Is(err, model.NotFound) {
			t.Errorf("seal under %q: %v, want not_found", id, err)
		}
		if _, err := c.Open(t.Context(), id, place, nil); !model.Is(err, model.NotFound) {
			t.Errorf("open under %q: %v, want not_found", id, err)
		}
	}
}

// A caller that goes away fails itself and nobody who waits for the same key.
func TestACallerThatLeavesFailsNobodyElse(t *testing.T) {
	w := newWorld(t)
	w.create(w.client(w.sealer(), "acme"), "cnt_1")
	c := w.client(w.sealer(), "acme")
	read, goOn := make(chan struct{}), make(chan struct{})
	var once sync.Once
	w.store("acme").onLoad = func(string) { once.Do(func() { close(read); <-goOn }) }
	first, leave := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { _, _ = c.Seal(first, "cnt_1", place, nil) })
	<-read
	wg.Go(func() {
		if _, err := c.Seal(context.Background(), "cnt_1", place, nil); err != nil {
			t.Errorf("the one that stayed: %v", err)
		}
	})
	leave()
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.Seal(gone, "cnt_1", place, nil); !model.Is(err, model.Unavailable) {
		t.Errorf("a caller that had left before: %v, want unavailable", err)
	}
	close(goOn)
	wg.Wait()
}

func TestErrorsNameNoContent(t *testing.T) {
	w := newWorld(t)
	c := w.client(w.sealer(), "acme")
	w.create(c, "cnt_1")
	sealed := w.seal(c, "cnt_1", place, []byte("CANARY-TEXT"))
	sealed[len(sealed)-1] ^= 1
	_, err := c.Open(t.Context(), "cnt_1", place, sealed)
	if err == nil || strings.Contains(err.Error(), "CANARY") {
		t.Errorf("error: %v", err)
	}
}

func TestRecordsOpenWhileTheClockStands(t *testing.T) {
	w := newWorld(t)
	c := w.client(w.sealer(), "acme")
	w.create(c, "cnt_1")
	w.root.asked()
	for range 100 {
		w.seal(c, "cnt_1", place, []byte("x"))
	}
	if n := w.root.asked(); n != 0 {
		t.Errorf("the root was asked %d times for 100 records", n)
	}
	w.clock.pass(defaultCachePeriod - time.Second)
	w.seal(c, "cnt_1", place, nil)
	if n := w.root.asked(); n != 0 {
		t.Errorf("the root was asked %d times within one period", n)
	}
}
