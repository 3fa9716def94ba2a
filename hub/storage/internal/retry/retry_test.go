package retry

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/channelhub/channelhub/hub/model"
)

// failing returns a call that fails n times with err and then succeeds, and
// the count of calls.
func failing(n int, err error) (func() error, *int) {
	calls := new(int)
	return func() error {
		if *calls++; *calls <= n {
			return err
		}
		return nil
	}, calls
}

func TestRepeatsWhatMayPass(t *testing.T) {
	tests := []struct {
		code  model.Code
		calls int
	}{
		{model.Throttled, 4},
		{model.Unavailable, 4},
		{model.Conflicting, 1},
		{model.Precondition, 1},
		{model.Invalid, 1},
		{model.Denied, 1},
		{model.Corrupt, 1},
	}
	for _, tc := range tests {
		t.Run(string(tc.code), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				call, calls := failing(3, model.Errorf(tc.code, "op", "no"))
				err := Do(t.Context(), call)
				if *calls != tc.calls {
					t.Errorf("called %d times, want %d", *calls, tc.calls)
				}
				if wantErr := tc.calls == 1; (err != nil) != wantErr {
					t.Errorf("got %v", err)
				}
			})
		})
	}
}

func TestGivesUpWithinTheBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		call, calls := failing(1<<30, model.Errorf(model.Unavailable, "op", "away"))
		start := time.Now()
		err := Do(t.Context(), call)
		if !model.Is(err, model.Unavailable) {
			t.Errorf("got %v, want unavailable", err)
		}
		if took := time.Since(start); took > Budget || took < Budget-most {
			t.Errorf("gave up after %s, budget %s", took, Budget)
		}
		if *calls < 4 {
			t.Errorf("called %d times, want several", *calls)
		}
	})
}

func TestKeepsToTheDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		call, _ := failing(1<<30, model.Errorf(model.Throttled, "op", "slow down"))
		start := time.Now()
		err := Do(ctx, call)
		if !model.Is(err, model.Throttled) || time.Since(start) > 50*time.Millisecond {
			t.Errorf("got %v after %s", err, time.Since(start))
		}
	})
}

func TestCancelEndsAPause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		call, calls := failing(1<<30, &model.Error{Code: model.Throttled, RetryAfter: 2 * time.Second})
		time.AfterFunc(time.Second, cancel)
		start := time.Now()
		err := Do(ctx, call)
		if !errors.Is(err, context.Canceled) || !model.Is(err, model.Throttled) {
			t.Errorf("got %v, want the cancellation and the code of the last answer", err)
		}
		if took := time.Since(start); took != time.Second || *calls != 1 {
			t.Errorf("%d calls in %s, want one and the end at 1s", *calls, took)
		}
	})
}

func TestRespectsRetryAfter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		call, _ := failing(1, &model.Error{Code: model.Throttled, RetryAfter: 1500 * time.Millisecond})
		start := time.Now()
		if err := Do(t.Context(), call); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(start); took < 1500*time.Millisecond {
			t.Errorf("asked again after %s, told to wait 1.5s", took)
		}
	})
}
