package dispatch_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/storage/dispatch"
	"github.com/channelhub/channelhub/hub/storage/dispatch/pooldispatch"
)

var task = dispatch.Task{Lane: "a", Kind: "work"}

func TestSubmitWaitsForRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := dispatch.New(pooldispatch.New(&pooldispatch.Options{Workers: 1, Queue: 1}), nil)
		done := 0
		if err := p.Start(map[string]dispatch.Handler{"work": func(context.Context, dispatch.Task) error {
			time.Sleep(500 * time.Millisecond)
			done++
			return nil
		}}); err != nil {
			t.Fatal(err)
		}
		for range 4 {
			if err := p.Submit(t.Context(), task); err != nil {
				t.Errorf("submit: %v", err)
			}
		}
		if err := p.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		if done != 4 {
			t.Errorf("%d tasks of 4", done)
		}
	})
}

func TestSubmitGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := dispatch.New(pooldispatch.New(&pooldispatch.Options{Queue: 1}), nil)
		if err := p.Submit(t.Context(), task); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := p.Submit(ctx, task); !model.Is(err, model.Throttled) {
			t.Errorf("got %v, want throttled", err)
		}
	})
}
