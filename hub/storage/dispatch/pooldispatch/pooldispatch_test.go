package pooldispatch

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/storage/dispatch/driver"
	"github.com/channelhub/channelhub/hub/storage/dispatch/drivertest"
)

func TestConformance(t *testing.T) {
	drivertest.Run(t, func(*testing.T) driver.Driver { return New(nil) })
}

func submit(t *testing.T, p *Pool, lane, ref string) {
	t.Helper()
	if err := p.Submit(t.Context(), driver.Task{Lane: lane, Kind: "k", Ref: ref}); err != nil {
		t.Errorf("submit: %v", err)
	}
}

func TestFullQueueThrottles(t *testing.T) {
	p := New(&Options{Queue: 2})
	submit(t, p, "a", "1")
	submit(t, p, "a", "2")
	if err := p.Submit(t.Context(), driver.Task{Lane: "b", Kind: "k"}); !model.Is(err, model.Throttled) {
		t.Errorf("got %v, want throttled", err)
	}
}

func TestWorkersAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := New(&Options{Workers: 3})
		running, most := make(chan int, 1), 0
		running <- 0
		handle := func(context.Context, driver.Task) error {
			n := <-running + 1
			most = max(most, n)
			running <- n
			time.Sleep(time.Second)
			running <- <-running - 1
			return nil
		}
		for i := range 10 {
			submit(t, p, fmt.Sprint(i), "")
		}
		if err := p.Start(handle); err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		if err := p.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(start); most != 3 || took != 4*time.Second {
			t.Errorf("%d at once, all in %s; want 3 and 4s", most, took)
		}
	})
}

func TestLongLaneKeepsNoOtherWaiting(t *testing.T) {
	p := New(&Options{Workers: 1})
	for i := range 3 {
		submit(t, p, "long", fmt.Sprint(i))
	}
	submit(t, p, "short", "0")
	var got []string
	if err := p.Start(func(_ context.Context, task driver.Task) error {
		got = append(got, task.Lane+task.Ref)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if err := p.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"long0", "short0", "long1", "long2"}, got); diff != "" {
		t.Errorf("order (-want +got):\n%s", diff)
	}
}

func TestKeepsNoLane(t *testing.T) {
	p := New(nil)
	if err := p.Start(func(context.Context, driver.Task) error { return nil }); err != nil {
		t.Fatal(err)
	}
	for i := range 1000 {
		submit(t, p, fmt.Sprint(i), "")
	}
	if err := p.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if len(p.lanes) != 0 || p.waiting != 0 {
		t.Errorf("%d lanes and %d tasks are left", len(p.lanes), p.waiting)
	}
}

func TestStartsOnce(t *testing.T) {
	p := New(nil)
	handle := func(context.Context, driver.Task) error { return nil }
	if err := p.Start(handle); err != nil {
		t.Fatal(err)
	}
	if err := p.Start(handle); !model.Is(err, model.Precondition) {
		t.Errorf("a second start: got %v, want precondition", err)
	}
	if err := p.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
}
