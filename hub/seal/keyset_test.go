package seal

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/insecurecleartextkeyset"
	"github.com/tink-crypto/tink-go/v2/keyset"

	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/storage/keys"
)

// perRefresh is how often one round asks the root, as long as the keyset for
// names has not changed.
const perRefresh = 1

var (
	errAway   = model.Errorf(model.Unavailable, "unwrap", "away")
	errDenied = model.Errorf(model.Denied, "unwrap", "denied")
)

func TestTheRootIsAskedOncePerPeriod(t *testing.T) {
	w := newWorld(t)
	c := w.client(w.sealer(), "acme")
	w.create(c, "cnt_1")
	w.root.asked()
	for period := range 5 {
		w.clock.pass(defaultCachePeriod)
		var wg sync.WaitGroup
		for range 32 {
			wg.Go(func() {
				if _, err := c.Seal(t.Context(), "cnt_1", place, nil); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if n := w.root.asked(); n != perRefresh {
			t.Errorf("period %d: the root was asked %d times for 32 records, want %d", period, n, perRefresh)
		}
	}
}

// The root's word on one keyset stands for the other only for so long, and not
// once it has changed.
func TestTheKeysetForNamesIsConfirmedToo(t *testing.T) {
	w := newWorld(t)
	c := w.client(w.sealer(), "acme")
	w.create(c, "cnt_1")
	w.root.asked()
	asked := 0
	for range int(defaultOutage / defaultCachePeriod) {
		w.clock.pass(defaultCachePeriod)
		w.seal(c, "cnt_1", place, nil)
		asked += w.root.asked()
	}
	if want := int(defaultOutage/defaultCachePeriod) + 1; asked != want {
		t.Errorf("the root was asked %d times in an hour, want %d", asked, want)
	}
	w.store("acme").set(prfKeyset, w.store("acme").row(sealKeyset))
	w.clock.pass(defaultCachePeriod)
	if _, err := c.PRF(t.Context(), "p"); !model.Is(err, model.Corrupt) {
		t.Errorf("another keyset in its place: %v, want corrupt", err)
	}
}

func TestACachedKeysetServesThroughAnOutage(t *testing.T) {
	w := newWorld(t)
	c := w.client(w.sealer(), "acme")
	w.create(c, "cnt_1")
	sealed := w.seal(c, "cnt_1", place, []byte("hello"))
	w.root.asked()
	w.root.fail(errAway)
	asked := 0
	for at := time.Duration(0); at < defaultOutage; at += 10 * time.Second {
		if got, err := c.Open(t.Context(), "cnt_1", place, sealed); err != nil || string(got) != "hello" {
			t.Fatalf("%s into the outage: %q, %v", at, got, err)
		}
		if _, err := c.PRF(t.Context(), "p"); err != nil {
			t.Fatalf("%s into the outage: %v", at, err)
		}
		asked += w.root.asked()
		w.clock.pass(10 * time.Second)
	}
	// One try in each tenth of a period, and each stops at the first keyset.
	if most := int(defaultOutage / (defaultCachePeriod / 10)); asked > most {
		t.Errorf("the root was asked %d times in the outage, want at most %d", asked, most)
	}
	if _, err := c.Open(t.Context(), "cnt_1", place, sealed); !model.Is(err, model.Unavailable) {
		t.Errorf("after an hour of outage: %v, want unavailable", err)
	}
	if _, err := c.PRF(t.Context(), "p"); !model.Is(err, model.Unavailable) {
		t.Errorf("PRF after an hour of outage: %v, want unavailable", err)
	}
	w.root.fail(nil)
	w.clock.pass(pauseAsking)
	if _, err := c.Open(t.Context(), "cnt_1", place, sealed); err != nil {
		t.Errorf("after the root came back: %v", err)
	}
}

// The hour is counted from the root's last word.
func TestTheOutageEndsWithTheRoot(t *testing.T) {
	w := newWorld(t)
	c := w.client(w.sealer(), "acme")
	w.create(c, "cnt_1")
	for range 5 {
		w.root.fail(errAway)
		w.clock.pass(50 * time.Minute)
		w.seal(c, "cnt_1", place, nil)
		w.root.fail(nil)
		w.clock.pass(defaultCachePeriod)
		w.seal(c, "cnt_1", place, nil)
	}
}

func TestADenyingRootEndsTheUseOfKeysAtOnce(t *testing.T) {
	w := newWorld(t)
	c := w.client(w.sealer(), "acme")
	w.create(c, "cnt_1")
	sealed := w.seal(c, "cnt_1", place, []byte("hello"))
	w.root.fail(errDenied)
	w.clock.pass(defaultCachePeriod)
	w.root.asked()
	for range 100 {
		// To who opens a record it is an outage; why is for the operator's log.
		if _, err := c.Open(t.Context(), "cnt_1", place, sealed); !model.Is(err, model.Unavailable) || !errors.Is(err, errDenied) {
			t.Fatalf("open: %v, want unavailable, since denied", err)
		}
	}
	if n := w.root.asked(); n != 1 {
		t.Errorf("a root that denies was asked %d times for 100 records, want once", n)
	}
	// Being away afterwards does not bring them back.
	w.root.fail(errAway)
	w.clock.pass(pauseAsking)
	if _, err := c.Open(t.Context(), "cnt_1", place, sealed); !model.Is(err, model.Unavailable) {
		t.Errorf("open: %v, want unavailable", err)
	}
	w.root.fail(nil)
	w.clock.pass(pauseAsking)
	if _, err := c.Open(t.Context(), "cnt_1", place, sealed); err != nil {
		t.Errorf("open, allowed again: %v", err)
	}
}

// Whoever waits for the root can leave; the round goes on for the others.
func TestWaitingForTheRootEndsWithTheCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		c := w.client(w.sealer(), "acme")
		w.create(c, "cnt_1")
		w.clock.pass(2 * defaultOutage) // nothing cached serves any more
		gate := make(chan struct{})
		w.root.gate = gate

		leader, cancelLeader := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() {
			if _, err := c.Seal(leader, "cnt_1", place, nil); err != nil {
				t.Errorf("the one that asks: %v", err)
			}
		})
		synctest.Wait()
		wg.Go(func() {
			if _, err := c.Seal(t.Context(), "cnt_1", place, nil); err != nil {
				t.Errorf("the one that waits: %v", err)
			}
		})
		synctest.Wait()
		cancelLeader() // the root knows nothing of it
		short, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := c.Seal(short, "cnt_1", place, nil); !model.Is(err, model.Unavailable) {
			t.Errorf("the one that leaves: %v, want unavailable", err)
		}
		close(gate)
		wg.Wait()
	})
}

// rotate gives the client's seal keyset a new primary key, as another hub
// would, and returns a record key wrapped by it.
func rotate(t *testing.T, w *world, client model.ClientID, keep bool, id KeyID) {
	t.Helper()
	kc := keys.Context{Client: client, Purpose: sealKeyset}
	plain, err := w.root.Unwrap(t.Context(), kc, w.store(client).row(sealKeyset))
	if err != nil {
		t.Fatal(err)
	}
	h, err := insecurecleartextkeyset.Read(keyset.NewBinaryReader(bytes.NewReader(plain)))
	if err != nil {
		t.Fatal(err)
	}
	m := keyset.NewManagerFromHandle(h)
	added, err := m.Add(aead.AES256GCMKeyTemplate())
	if err == nil {
		err = m.SetPrimary(added)
	}
	if err != nil {
		t.Fatal(err)
	}
	if h, err = m.Handle(); err != nil {
		t.Fatal(err)
	}
	var buf bytes.Buffer
	if err := insecurecleartextkeyset.Write(h, keyset.NewBinaryWriter(&buf)); err != nil {
		t.Fatal(err)
	}
	wrapped, err := w.root.Wrap(t.Context(), kc, buf.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	old := w.store(client).row(sealKeyset)
	w.store(client).set(sealKeyset, wrapped)
	w.create(w.client(w.sealer(), client), id)
	if !keep {
		w.store(client).set(sealKeyset, old)
	}
	w.root.asked()
}

func TestANewerKeysetIsLoadedWhenARecordKeyNeedsIt(t *testing.T) {
	w := newWorld(t)
	c := w.client(w.sealer(), "acme")
	w.create(c, "cnt_1")
	w.clock.pass(pauseAsking)
	rotate(t, w, "acme", true, "cnt_2")
	w.seal(c, "cnt_2", place, nil)
	if n := w.root.asked(); n != perRefresh {
		t.Errorf("the root was asked %d times, want %d", n, perRefresh)
	}
	w.seal(c, "cnt_1", place, nil) // the old key still serves
}

// While the root cannot be asked, a key that may be newer is not damaged.
func TestAnUnknownKeyIsNotCorruptWhileTheRootIsAway(t *testing.T) {
	w := newWorld(t)
	c := w.client(w.sealer(), "acme")
	w.create(c, "cnt_1")
	rotate(t, w, "acme", true, "cnt_2")
	w.clock.pass(pauseAsking)
	w.root.fail(errAway)
	if _, err := c.Seal(t.Context(), "cnt_2", place, nil); !model.Is(err, model.Unavailable) {
		t.Errorf("seal: %v, want unavailable", err)
	}
	w.seal(c, "cnt_1", place, nil) // the cached keyset goes on serving
	w.root.fail(nil)
	w.clock.pass(defaultCachePeriod)
	w.seal(c, "cnt_2", place, nil)
}

// A damaged key is found out without asking the root for each record.
func TestDamagedKeysDoNotTroubleTheRoot(t *testing.T) {
	w := newWorld(t)
	c := w.client(w.sealer(), "acme")
	w.create(c, "cnt_1")
	fresh := w.client(w.sealer(), "acme")
	row := w.store("acme").row("cnt_1")
	w.clock.pass(pauseAsking)

	damaged := bytes.Clone(row)
	damaged[len(damaged)-1] ^= 1
	w.store("acme").set("cnt_1", damaged)
	w.root.asked()
	for range 20 {
		if _, err := fresh.Seal(t.Context(), "cnt_1", place, nil); !model.Is(err, model.Corrupt) {
			t.Fatalf("seal: %v, want corrupt", err)
		}
	}
	if n := w.root.asked(); n != 0 {
		t.Errorf("a known key's damage made the root be asked %d times", n)
	}

	stranger := bytes.Clone(row)
	binary.BigEndian.PutUint32(stranger[1:], binary.BigEndian.Uint32(row[1:])+1)
	w.store("acme").set("cnt_1", stranger)
	for range 20 {
		if _, err := fresh.Seal(t.Context(), "cnt_1", place, nil); !model.Is(err, model.Corrupt) {
			t.Fatalf("seal: %v, want corrupt", err)
		}
	}
	if n := w.root.asked(); n != perRefresh {
		t.Errorf("an unknown key made the root be asked %d times for 20 records, want %d", n, perRefresh)
	}

	w.store("acme").set("cnt_1", []byte{1})
	w.clock.pass(pauseAsking)
	if _, err := fresh.Seal(t.Context(), "cnt_1", place, nil); !model.Is(err, model.Corrupt) {
		t.Errorf("a key of one byte: %v, want corrupt", err)
	}
}

func TestKeysetsAreMadeOnceAndApart(t *testing.T) {
	w := newWorld(t)
	sealers := make([]*Sealer, 8)
	var wg sync.WaitGroup
	for i := range sealers {
		sealers[i] = w.sealer()
		wg.Go(func() {
			if _, err := sealers[i].Client(t.Context(), "acme"); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	want, err := w.client(sealers[0], "acme").PRF(t.Context(), "p", "x")
	if err != nil {
		t.Fatal(err)
	}
	for i, s := range sealers {
		if got, err := w.client(s, "acme").PRF(t.Context(), "p", "x"); err != nil || got != want {
			t.Errorf("process %d names the same thing %x, not %x: %v", i, got, want, err)
		}
	}
	// A keyset moved to another client, or purpose, does not load.
	w.store("beta").set(sealKeyset, w.store("acme").row(sealKeyset))
	if _, err := w.sealer().Client(t.Context(), "beta"); !model.Is(err, model.Corrupt) {
		t.Errorf("another client's keyset: %v, want corrupt", err)
	}
	w.store("gamma").set(sealKeyset, w.store("acme").row(prfKeyset))
	if _, err := w.sealer().Client(t.Context(), "gamma"); !model.Is(err, model.Corrupt) {
		t.Errorf("another purpose's keyset: %v, want corrupt", err)
	}
}

func TestAFailedFirstLoadIsNotRemembered(t *testing.T) {
	w := newWorld(t)
	s := w.sealer()
	w.root.fail(errAway)
	if _, err := s.Client(t.Context(), "acme"); !model.Is(err, model.Unavailable) {
		t.Errorf("client: %v, want unavailable", err)
	}
	w.root.fail(nil)
	w.client(s, "acme")
}
