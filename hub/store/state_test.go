package store

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/storage/table"
)

func TestConnectorState(t *testing.T) {
	f := newFixture(t)
	c := f.client("acme")
	put := func(c *Client, k, v string, expected uint64, ttl time.Duration) (uint64, error) {
		return c.PutState(t.Context(), "acct", State{Key: k, Value: []byte(v)}, expected, ttl)
	}
	if _, err := c.State(t.Context(), "acct", "k"); !model.Is(err, model.NotFound) {
		t.Errorf("absent: %v, want not_found", err)
	}
	for i, v := range []string{"one", "two", "three"} {
		if n, err := put(c, "k", v, uint64(i), 0); err != nil || n != uint64(i)+1 {
			t.Fatalf("write %d: version %d, %v", i, n, err)
		}
	}
	for _, expected := range []uint64{0, 1, 2, 4} {
		if _, err := put(f.client("acme"), "k", "x", expected, 0); !model.Is(err, model.Conflicting) {
			t.Errorf("write over version 3 as if it were %d: %v, want conflict", expected, err)
		}
		if err := c.DeleteState(t.Context(), "acct", "k", expected); !model.Is(err, model.Conflicting) {
			t.Errorf("delete version 3 as if it were %d: %v, want conflict", expected, err)
		}
	}
	if _, err := put(c, "absent", "x", 1, 0); !model.Is(err, model.Conflicting) {
		t.Errorf("write over what is not there: %v, want conflict", err)
	}
	got, err := f.client("acme").State(t.Context(), "acct", "k")
	if diff := cmp.Diff(State{Key: "k", Value: []byte("three"), Version: 3}, got); err != nil || diff != "" {
		t.Errorf("read: %v (-want +got):\n%s", err, diff)
	}
	for name, read := range map[string]func() error{
		"another account": func() error { _, err := c.State(t.Context(), "other", "k"); return err },
		"another client":  func() error { _, err := f.client("beta").State(t.Context(), "acct", "k"); return err },
	} {
		if err := read(); !model.Is(err, model.NotFound) {
			t.Errorf("%s: %v, want not_found", name, err)
		}
	}
	for name, k := range map[string]string{"no key": "", "a long key": strings.Repeat("k", maxStateKey+1)} {
		if _, err := put(c, k, "", 0, 0); !model.Is(err, model.Invalid) {
			t.Errorf("%s: %v, want invalid", name, err)
		}
	}
	if _, err := put(c, "big", strings.Repeat("v", maxStateValue+1), 0, 0); !model.Is(err, model.TooLarge) {
		t.Errorf("a large value: %v, want too_large", err)
	}
	if _, err := put(c, "big", strings.Repeat("v", maxStateValue), 0, 0); err != nil {
		t.Errorf("the largest value: %v", err)
	}
	if all, err := c.States(t.Context(), "acct"); err != nil || len(all) != 2 {
		t.Errorf("%d pieces, %v; want 2", len(all), err)
	}
	if err := c.DeleteState(t.Context(), "acct", "k", 3); err != nil {
		t.Error(err)
	}
	if err := c.DeleteState(t.Context(), "acct", "k", 0); err != nil {
		t.Errorf("delete what is absent: %v", err)
	}
	if _, err := put(c, "k", "anew", 0, 0); err != nil {
		t.Errorf("write anew: %v", err)
	}
}

// What has expired can be written anew at once.
func TestConnectorStateExpires(t *testing.T) {
	f := newFixture(t)
	c := f.client("acme")
	s := State{Key: "nonce", Value: []byte("v")}
	for range 3 {
		if _, err := c.PutState(t.Context(), "acct", s, 0, time.Minute); err != nil {
			t.Fatalf("write: %v", err)
		}
		if _, err := c.PutState(t.Context(), "acct", s, 0, time.Minute); !model.Is(err, model.Conflicting) {
			t.Errorf("write twice: %v, want conflict", err)
		}
		f.pass(time.Minute)
		if _, err := c.State(t.Context(), "acct", "nonce"); !model.Is(err, model.NotFound) {
			t.Errorf("past its end: %v, want not_found", err)
		}
	}
}

func TestConnectorStateIsBounded(t *testing.T) {
	f := newFixture(t)
	c := f.client("acme")
	var ops []table.Op
	for n := range maxStateKeys {
		if ops = append(ops, table.Put(statePK("acct"), fmt.Sprintf("%04d", n), []byte("x"))); len(ops) == 100 {
			if _, err := f.table.For("acme").Commit(t.Context(), ops...); err != nil {
				t.Fatal(err)
			}
			ops = nil
		}
	}
	if _, err := c.PutState(t.Context(), "acct", State{Key: "one more"}, 0, 0); !model.Is(err, model.TooLarge) {
		t.Errorf("one key too many: %v, want too_large", err)
	}
	if err := c.DeleteState(t.Context(), "acct", "absent", 0); err != nil {
		t.Errorf("delete what is absent from a full account: %v", err)
	}
	if _, err := c.PutState(t.Context(), "other", State{Key: "k"}, 0, 0); err != nil {
		t.Errorf("another account: %v", err)
	}
}

func TestOneOfManyStateWritersWins(t *testing.T) {
	f := newFixture(t)
	hubs := []*Client{f.client("acme"), f.client("acme")}
	var wg sync.WaitGroup
	var mu sync.Mutex
	won := 0
	for i := range 32 {
		wg.Go(func() {
			_, err := hubs[i%2].PutState(t.Context(), "acct", State{Key: "k"}, 0, 0)
			if err != nil && !model.Is(err, model.Conflicting) {
				t.Error(err)
			}
			if err == nil {
				mu.Lock()
				won++
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if won != 1 {
		t.Errorf("%d first writes succeeded", won)
	}
}
