package pebbletable

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/storage/table/driver"
)

// TestRolls: a key is absent exactly when it is, before a roll is called, on
// it, and behind the key that makes it too long; whatever was removed or was
// there before.
func TestRolls(t *testing.T) {
	st, err := Open(t.TempDir(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := st.Close(); err != nil {
			t.Error(err)
		}
	}()
	commit := func(o driver.Op) error {
		_, err := st.Commit(t.Context(), driver.ID(model.NewRandom16()), []driver.Op{o})
		return err
	}
	key := func(n int) driver.Key { return driver.Key{PK: "p", SK: fmt.Sprintf("e/%d", n)} }
	putIfAbsent := func(n int) error {
		return commit(driver.Op{Kind: driver.OpPut, Key: key(n), Cond: driver.Cond{Kind: driver.CondAbsent, ExpiredBy: time.Now()}})
	}
	mustConflict := func(n int) {
		t.Helper()
		if err, ok := errors.AsType[*driver.ConflictError](putIfAbsent(n)); !ok || err.Found == nil {
			t.Errorf("key %d is there, and was written over: %v", n, err)
		}
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(commit(driver.Op{Kind: driver.OpPut, Key: key(-1)}))
	must(commit(driver.Op{Kind: driver.OpPut, Key: driver.Key{PK: "p", SK: "e0"}})) // behind the range
	s := st.stripes.of("p")
	for n := range maxRoll + 10 {
		must(putIfAbsent(n))
		mustConflict(n)
		mustConflict(-1)
		if r := s.rollOf(key(n)); r == nil || n > callAfter && n < maxRoll-1 && len(r.names) != n+2 {
			t.Fatalf("behind key %d the roll is %+v", n, r)
		}
	}
	if r := s.rollOf(key(0)); r.names != nil || !r.long {
		t.Errorf("a roll of %d keys is kept", len(r.names))
	}
	*s.rollOf(key(0)) = roll{}
	for n := range maxRoll { // leaves the last ten
		must(commit(driver.Op{Kind: driver.OpDelete, Key: key(n)}))
	}
	for n := range 10 {
		must(putIfAbsent(n))
		mustConflict(n)
		mustConflict(maxRoll + n)
	}
	must(commit(driver.Op{Kind: driver.OpDelete, Key: key(3)}))
	must(putIfAbsent(3))
	mustConflict(3)
	if r := s.rollOf(key(0)); r == nil || len(r.names) != 21 {
		t.Errorf("the roll is %+v, want the 21 keys that are there", r)
	}
	// Others in the same stripe take its place, and it comes back.
	for i := range stripeRolls {
		s.rolls[i] = roll{pk: "q", prefix: fmt.Sprintf("%d/", i)}
	}
	mustConflict(3)
	must(putIfAbsent(11))
}
