package main

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"sync/atomic"
	"testing"
	"time"
)

func TestSeries(t *testing.T) {
	for _, c := range []struct {
		of             series
		median, spread float64
	}{
		{nil, 0, 0},
		{series{3}, 3, 1},
		{series{4, 1, 2}, 2, 4},
		{series{8, 2, 4, 6}, 5, 4},
	} {
		if c.of.median() != c.median || c.of.spread() != c.spread {
			t.Errorf("%v: median %v and spread %v, want %v and %v", c.of, c.of.median(), c.of.spread(), c.median, c.spread)
		}
	}
	got, err := json.Marshal(series{4, 1, 2})
	if err != nil || string(got) != `{"median":2,"rounds":[4,1,2]}` {
		t.Errorf("as JSON: %s, %v", got, err)
	}
}

func TestPercentile(t *testing.T) {
	var times []time.Duration
	for i := range 200 {
		times = append(times, time.Duration(i+1))
	}
	for p, want := range map[int]time.Duration{0: 1, 50: 100, 99: 198, 100: 200} {
		if got := percentile(times, p); got != want {
			t.Errorf("percentile %d is %d, want %d", p, got, want)
		}
	}
	if got := percentile(nil, 50); got != 0 {
		t.Errorf("of nothing: %d", got)
	}
}

// An aim is met at its bound, on the right side of it.
func TestAims(t *testing.T) {
	r := &report{
		Inbound:     figures{Ratio: series{0.45}},
		IdlePlugin:  series{20.1},
		ExecToReady: series{200},
		Units:       units{Inbound: 3, OutboundLive: 8, OutboundIdle: 9, Receipt: 2},
	}
	var missed []string
	for _, a := range r.aims() {
		if !a.Met {
			missed = append(missed, a.Name)
		}
	}
	if want := []string{"idle plugin, resident MiB", "write units, outbound on an active lane"}; !slices.Equal(missed, want) {
		t.Errorf("missed: %q, want %q", missed, want)
	}
}

func TestDriveCountsWhatIsDone(t *testing.T) {
	var done atomic.Int64
	do := func(context.Context) error { done.Add(1); return nil }
	got, err := drive(t.Context(), []step{do, do, do}, func(n int) bool { return n < 5 })
	if err != nil || got.count != 15 || done.Load() != 15 {
		t.Errorf("%d of %d counted, %v", got.count, done.Load(), err)
	}
}

// One connection's error ends the load of all, which has no other end here.
func TestDriveEndsAtAnError(t *testing.T) {
	broken := errors.New("broken")
	_, err := drive(t.Context(), []step{
		func(ctx context.Context) error { <-ctx.Done(); return nil },
		func(context.Context) error { return broken },
	}, func(int) bool { return true })
	if !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
}
