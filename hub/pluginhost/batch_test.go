package pluginhost

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/channelhub/channelhub/hub/model"
)

// slowCall is a batcher over a call that takes a second, doubles its items,
// and keeps what it was asked.
type slowCall struct {
	batcher[int, int]
	mu    sync.Mutex
	asked [][]int
	fail  func(items []int) error
}

func newSlowCall() *slowCall {
	s := new(slowCall)
	s.timeout = time.Minute
	s.size = func(*int) int { return 1 }
	s.call = func(ctx context.Context, items []int) ([]int, error) {
		s.mu.Lock()
		s.asked = append(s.asked, slices.Clone(items))
		s.mu.Unlock()
		select {
		case <-time.After(time.Second):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		if s.fail != nil {
			if err := s.fail(items); err != nil {
				return nil, err
			}
		}
		out := make([]int, len(items))
		for i, n := range items {
			out[i] = 2 * n
		}
		return out, nil
	}
	return s
}

// ask hands in one item from a goroutine of its own; the result comes later.
func (s *slowCall) ask(ctx context.Context, items ...int) <-chan error {
	answered := make(chan error, 1)
	go func() {
		got, err := s.do(ctx, items)
		for i := range got {
			if got[i] != 2*items[i] {
				err = errors.New("another's result")
			}
		}
		if err == nil && len(got) != len(items) {
			err = errors.New("results are missing")
		}
		answered <- err
	}()
	synctest.Wait()
	return answered
}

func TestBatcherSendsAtOnceWhileLanesAreFree(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSlowCall()
		began := time.Now()
		var answers []<-chan error
		for i := range batchLanes {
			answers = append(answers, s.ask(t.Context(), i))
		}
		for _, a := range answers {
			must(t, <-a)
		}
		if len(s.asked) != batchLanes || time.Since(began) != time.Second {
			t.Errorf("asked %v in %v", s.asked, time.Since(began))
		}
	})
}

func TestBatcherPutsTogetherWhatWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSlowCall()
		var answers []<-chan error
		for i := range batchLanes {
			answers = append(answers, s.ask(t.Context(), i))
		}
		// Groups stay whole and in order: 7 of 3 do not fit in 16.
		for i := range 7 {
			answers = append(answers, s.ask(t.Context(), 100+3*i, 101+3*i, 102+3*i))
		}
		for _, a := range answers {
			must(t, <-a)
		}
		want := []int{100, 101, 102, 103, 104, 105, 106, 107, 108, 109, 110, 111, 112, 113, 114}
		if got := s.asked[batchLanes]; !slices.Equal(got, want) && !slices.Equal(s.asked[batchLanes+1], want) {
			t.Errorf("asked %v, want one call for %v", s.asked, want)
		}
		if len(s.asked) != batchLanes+2 {
			t.Errorf("asked %v", s.asked)
		}
		// Everything is free again.
		must(t, <-s.ask(t.Context(), 1))
		if s.busy != 0 || len(s.waiting) != 0 {
			t.Errorf("%d lanes busy, %d waiting", s.busy, len(s.waiting))
		}
	})
}

func TestBatcherKeepsOneBadItemFromTheOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSlowCall()
		s.fail = func(items []int) error {
			if slices.Contains(items, 101) {
				return status.Error(codes.Internal, "panicked")
			}
			return nil
		}
		for i := range batchLanes {
			defer func(a <-chan error) { must(t, <-a) }(s.ask(t.Context(), i))
		}
		good, bad, alsoGood := s.ask(t.Context(), 100), s.ask(t.Context(), 101), s.ask(t.Context(), 102)
		must(t, <-good)
		if err := <-bad; status.Code(err) != codes.Internal {
			t.Errorf("the bad item got %v", err)
		}
		must(t, <-alsoGood)
	})
}

func TestBatcherDoesNotRepeatWhatIsHopeless(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSlowCall()
		s.fail = func(items []int) error {
			if items[0] >= 100 {
				return status.Error(codes.Unavailable, "gone")
			}
			return nil
		}
		for i := range batchLanes {
			defer func(a <-chan error) { must(t, <-a) }(s.ask(t.Context(), i))
		}
		for _, a := range []<-chan error{s.ask(t.Context(), 100), s.ask(t.Context(), 101)} {
			defer func() {
				if err := <-a; status.Code(err) != codes.Unavailable {
					t.Errorf("got %v", err)
				}
				if len(s.asked) != batchLanes+1 {
					t.Errorf("asked %v", s.asked)
				}
			}()
		}
	})
}

func TestBatcherLetsCallersGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSlowCall()
		for i := range batchLanes {
			defer func(a <-chan error) { must(t, <-a) }(s.ask(t.Context(), i))
		}
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		gone, stays := s.ask(ctx, 100), s.ask(t.Context(), 101)
		if err := <-gone; !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("the caller who left got %v", err)
		}
		must(t, <-stays)
		if got := s.asked[batchLanes]; !slices.Equal(got, []int{101}) {
			t.Errorf("asked %v", s.asked)
		}
	})
}

func TestBatcherIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSlowCall()
		for i := range batchLanes {
			defer func(a <-chan error) { must(t, <-a) }(s.ask(t.Context(), i))
		}
		s.waiting = make([]*group[int, int], maxWaiting)
		for i := range s.waiting {
			s.waiting[i] = &group[int, int]{left: true}
		}
		wantCode(t, <-s.ask(t.Context(), 100), model.Throttled)
	})
}
