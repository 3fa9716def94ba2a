package sdk

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestReplacedRevisionClosesBehindItsLastCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var closed []string
		r := newRegistry(func(a *account[string]) { closed = append(closed, a.value) })
		old := &account[string]{id: "a", revision: 1, value: "old", addresses: []string{"+1", "+2"}}
		if err := r.put(old); err != nil {
			t.Fatal(err)
		}
		one, _ := r.acquire("a")
		two, _ := r.acquireByAddress("+2")
		if one != old || two != old {
			t.Fatal("the account is not found")
		}
		if err := r.put(&account[string]{id: "a", revision: 2, value: "new", addresses: []string{"+2", "+3"}}); err != nil {
			t.Fatal(err)
		}
		for _, lookup := range []func() (*account[string], bool){
			func() (*account[string], bool) { return r.acquire("a") },
			func() (*account[string], bool) { return r.acquireByAddress("+2") },
		} {
			if now, ok := lookup(); !ok || now.value != "new" {
				t.Errorf("a new call gets %v", now)
			} else {
				r.release(now)
			}
		}
		if _, ok := r.acquireByAddress("+1"); ok {
			t.Error("an address of the old revision is still found")
		}
		r.release(one)
		synctest.Wait()
		if len(closed) > 0 {
			t.Fatal("closed while a call was under way")
		}
		r.release(two)
		synctest.Wait()
		if len(closed) != 1 || closed[0] != "old" {
			t.Fatalf("closed are %q", closed)
		}
		if err := r.retireAll(t.Context()); err != nil {
			t.Fatal(err)
		}
		if len(closed) != 2 || closed[1] != "new" || r.count() != 0 {
			t.Errorf("closed are %q", closed)
		}
	})
}

func TestRetiringWaitsForCallsAndItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var closed atomic.Int32
		r := newRegistry(func(*account[int]) { closed.Add(1) })
		if err := r.put(&account[int]{id: "a"}); err != nil {
			t.Fatal(err)
		}
		user, _ := r.acquire("a")
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := r.retire(ctx, "a"); !errors.Is(err, context.DeadlineExceeded) || closed.Load() != 0 {
			t.Errorf("retired with a call under way: %v", err)
		}
		if _, ok := r.acquire("a"); ok {
			t.Error("a retired account takes calls")
		}
		r.release(user)
		synctest.Wait()
		if closed.Load() != 1 {
			t.Errorf("closed %d times", closed.Load())
		}
		if err := r.retire(t.Context(), "a"); err != nil {
			t.Errorf("retiring what is not open: %v", err)
		}
	})
}

func TestAddressBelongsToOneAccount(t *testing.T) {
	r := newRegistry(func(*account[int]) {})
	if err := r.put(&account[int]{id: "a", addresses: []string{"+1"}}); err != nil {
		t.Fatal(err)
	}
	if err := r.put(&account[int]{id: "b", addresses: []string{"+2", "+1"}}); err == nil {
		t.Error("two accounts have one address")
	}
	if _, ok := r.acquireByAddress("+2"); ok {
		t.Error("a refused account is found by its other address")
	}
}

func TestChangesOfAnAccountWaitForEachOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRegistry(func(*account[int]) {})
		release, err := r.exclusive(t.Context(), "a")
		if err != nil {
			t.Fatal(err)
		}
		if other, err := r.exclusive(t.Context(), "b"); err != nil {
			t.Error(err)
		} else {
			other()
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := r.exclusive(ctx, "a"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("two changes at once: %v", err)
		}
		release()
		if again, err := r.exclusive(t.Context(), "a"); err != nil {
			t.Error(err)
		} else {
			again()
		}
	})
}
