package pluginhost

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
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

// fill keeps every lane busy for a second and returns their answers.
func (s *slowCall) fill(ctx context.Context) []<-chan error {
	var answers []<-chan error
	for i := range batchLanes {
		answers = append(answers, s.ask(ctx, i))
		time.Sleep(widenAfter)
		synctest.Wait()
	}
	return answers
}

// calls is what it was asked so far.
func (s *slowCall) calls() [][]int {
	synctest.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.asked)
}

// mustRest demands that nothing is under way and nothing waits, once the lanes
// have come to rest: they give themselves back behind the answers.
func (s *slowCall) mustRest(t *testing.T) {
	t.Helper()
	synctest.Wait()
	s.batcher.mu.Lock()
	defer s.batcher.mu.Unlock()
	if s.busy != 0 || len(s.waiting) != 0 {
		t.Errorf("%d lanes busy, %d waiting", s.busy, len(s.waiting))
	}
}

func mustAll(t *testing.T, answers []<-chan error) {
	t.Helper()
	for _, a := range answers {
		must(t, <-a)
	}
}

func TestBatcherSendsALoneItemAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSlowCall()
		began := time.Now()
		must(t, <-s.ask(t.Context(), 1))
		if took := time.Since(began); took != time.Second {
			t.Errorf("a call of a second took %v", took)
		}
	})
}

// Behind a quick call all that came meanwhile goes together; behind a slow one
// the next goes out before it is over.
func TestBatcherWidensBehindASlowCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSlowCall()
		began := time.Now()
		answers := []<-chan error{s.ask(t.Context(), 1)}
		time.Sleep(widenAfter / 2)
		answers = append(answers, s.ask(t.Context(), 2), s.ask(t.Context(), 3))
		if len(s.calls()) != 1 {
			t.Errorf("asked %v before anything had waited long", s.calls())
		}
		mustAll(t, answers)
		if want := [][]int{{1}, {2, 3}}; !cmp.Equal(s.calls(), want) {
			t.Errorf("asked %v, want %v", s.calls(), want)
		}
		if took, want := time.Since(began), time.Second+3*widenAfter/2; took != want {
			t.Errorf("the second call was answered after %v, want %v", took, want)
		}
		s.mustRest(t)
	})
}

func TestBatcherPutsTogetherWhatWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSlowCall()
		answers := s.fill(t.Context())
		// Groups stay whole and in order: 7 of 3 do not fit in 16.
		for i := range 7 {
			answers = append(answers, s.ask(t.Context(), 100+3*i, 101+3*i, 102+3*i))
		}
		mustAll(t, answers)
		want := []int{100, 101, 102, 103, 104, 105, 106, 107, 108, 109, 110, 111, 112, 113, 114}
		if got := s.calls()[batchLanes]; !slices.Equal(got, want) && !slices.Equal(s.calls()[batchLanes+1], want) {
			t.Errorf("asked %v, want one call for %v", s.calls(), want)
		}
		if len(s.calls()) != batchLanes+2 {
			t.Errorf("asked %v", s.calls())
		}
		// Everything is free again.
		must(t, <-s.ask(t.Context(), 1))
		s.mustRest(t)
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
		filled := s.fill(t.Context())
		defer func() { mustAll(t, filled) }()
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
		filled := s.fill(t.Context())
		defer func() { mustAll(t, filled) }()
		for _, a := range []<-chan error{s.ask(t.Context(), 100), s.ask(t.Context(), 101)} {
			defer func() {
				if err := <-a; status.Code(err) != codes.Unavailable {
					t.Errorf("got %v", err)
				}
				if len(s.calls()) != batchLanes+1 {
					t.Errorf("asked %v", s.calls())
				}
			}()
		}
	})
}

func TestBatcherLetsCallersGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSlowCall()
		filled := s.fill(t.Context())
		defer func() { mustAll(t, filled) }()
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		gone, stays := s.ask(ctx, 100), s.ask(t.Context(), 101)
		if err := <-gone; !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("the caller who left got %v", err)
		}
		must(t, <-stays)
		if got := s.calls()[batchLanes]; !slices.Equal(got, []int{101}) {
			t.Errorf("asked %v", s.calls())
		}
	})
}

func TestBatcherIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSlowCall()
		filled := s.fill(t.Context())
		defer func() { mustAll(t, filled) }()
		s.waiting = make([]*group[int, int], maxWaiting)
		for i := range s.waiting {
			s.waiting[i] = &group[int, int]{left: true}
		}
		wantCode(t, <-s.ask(t.Context(), 100), model.Throttled)
	})
}
