// Package drivertest is the conformance suite of the dispatch port. A driver
// passes all of it, or it is not a driver.
//
// A driver may lose and double tasks; the suite asks for each of them to
// arrive once at least while nothing fails, since one that loses them in fair
// weather is of no use.
package drivertest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/storage/dispatch"
	"github.com/channelhub/channelhub/hub/storage/dispatch/driver"
)

// Run runs the suite. open is called once for each test, with an empty queue.
func Run(t *testing.T, open func(t *testing.T) driver.Driver) {
	tests := []struct {
		name string
		run  func(t *testing.T, d driver.Driver)
	}{
		{"Arrives", testArrives},
		{"OneAtATimeInOrder", testLaneOrder},
		{"LanesRunSideBySide", testLanesSideBySide},
		{"FailedTaskHoldsUpNothing", testFailedTask},
		{"HandlerMaySubmit", testHandlerSubmits},
		{"BeforeStart", testBeforeStart},
		{"CloseWaits", testCloseWaits},
		{"CloseGivesUp", testCloseGivesUp},
		{"CloseUnstarted", testCloseUnstarted},
		{"ClosedTakesNothing", testClosed},
		{"Limits", testLimits},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) { tc.run(t, open(t)) })
	}
}

// patience bounds what ought to happen at once, so that a driver that loses a
// task fails and does not hang.
const patience = 30 * time.Second

func start(t *testing.T, p *dispatch.Dispatcher, handle dispatch.Handler) {
	t.Helper()
	if err := p.Start(map[string]dispatch.Handler{"work": handle}); err != nil {
		t.Fatalf("start: %v", err)
	}
}

func submit(t *testing.T, p *dispatch.Dispatcher, lane, ref string) {
	t.Helper()
	if err := p.Submit(t.Context(), dispatch.Task{Lane: lane, Kind: "work", Ref: ref}); err != nil {
		t.Errorf("submit %s %s: %v", lane, ref, err)
	}
}

func closeWithin(t *testing.T, p *dispatch.Dispatcher, d time.Duration) error {
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	return p.Close(ctx)
}

func closeDrained(t *testing.T, p *dispatch.Dispatcher) {
	t.Helper()
	if err := closeWithin(t, p, patience); err != nil {
		t.Errorf("close: %v", err)
	}
}

func await(t *testing.T, what string, c <-chan struct{}) {
	t.Helper()
	select {
	case <-c:
	case <-time.After(patience):
		t.Fatalf("%s: not within %s", what, patience)
	}
}

// arrivals notes refs by lane, each once, and says when all are there.
type arrivals struct {
	mu   sync.Mutex
	refs map[string][]string
	seen map[driver.Task]bool
	left int
	all  chan struct{}
}

func expect(n int) *arrivals {
	return &arrivals{refs: map[string][]string{}, seen: map[driver.Task]bool{}, left: n, all: make(chan struct{})}
}

func (a *arrivals) note(task driver.Task) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.seen[task] {
		return // doubled, which a driver may do
	}
	a.seen[task] = true
	a.refs[task.Lane] = append(a.refs[task.Lane], task.Ref)
	if a.left--; a.left == 0 {
		close(a.all)
	}
}

func testArrives(t *testing.T, d driver.Driver) {
	p, a := dispatch.New(d, nil), expect(1)
	start(t, p, func(_ context.Context, task driver.Task) error { a.note(task); return nil })
	submit(t, p, "acme/1", "ref")
	await(t, "the task", a.all)
	closeDrained(t, p)
	if diff := cmp.Diff(map[string][]string{"acme/1": {"ref"}}, a.refs); diff != "" {
		t.Errorf("arrivals (-want +got):\n%s", diff)
	}
}

func testLaneOrder(t *testing.T, d driver.Driver) {
	const lanes, tasks = 8, 25
	p, a := dispatch.New(d, nil), expect(lanes*tasks)
	var running sync.Map
	start(t, p, func(_ context.Context, task driver.Task) error {
		if _, busy := running.LoadOrStore(task.Lane, true); busy {
			t.Errorf("two tasks of lane %s at once", task.Lane)
		}
		a.note(task)
		running.Delete(task.Lane)
		return nil
	})
	want := map[string][]string{}
	for i := range tasks {
		for l := range lanes {
			lane, ref := fmt.Sprintf("lane-%d", l), fmt.Sprint(i)
			want[lane] = append(want[lane], ref)
			submit(t, p, lane, ref)
		}
	}
	await(t, "all tasks", a.all)
	closeDrained(t, p)
	if diff := cmp.Diff(want, a.refs); diff != "" {
		t.Errorf("arrivals (-want +got):\n%s", diff)
	}
}

func testLanesSideBySide(t *testing.T, d driver.Driver) {
	p, a := dispatch.New(d, nil), expect(2)
	second := make(chan struct{})
	start(t, p, func(ctx context.Context, task driver.Task) error {
		if task.Lane == "b" {
			close(second)
		}
		// The first waits for the second: in one line they would never end.
		select {
		case <-second:
		case <-ctx.Done():
			return ctx.Err()
		}
		a.note(task)
		return nil
	})
	submit(t, p, "a", "1")
	submit(t, p, "b", "1")
	await(t, "both lanes", a.all)
	closeDrained(t, p)
}

func testFailedTask(t *testing.T, d driver.Driver) {
	var mu sync.Mutex
	failed := map[string]bool{}
	p := dispatch.New(d, &dispatch.Options{OnError: func(task dispatch.Task, _ error) {
		mu.Lock()
		defer mu.Unlock()
		failed[task.Kind+" "+task.Ref] = true
	}})
	a := expect(1)
	start(t, p, func(_ context.Context, task driver.Task) error {
		if task.Ref == "bad" {
			return errors.New("not done")
		}
		a.note(task)
		return nil
	})
	submit(t, p, "a", "bad")
	if err := p.Submit(t.Context(), dispatch.Task{Lane: "b", Kind: "unknown"}); err != nil {
		t.Errorf("submit a kind that another hub may know: %v", err)
	}
	submit(t, p, "c", "good")
	await(t, "the good task", a.all)
	closeDrained(t, p)
	mu.Lock()
	defer mu.Unlock()
	if diff := cmp.Diff(map[string]bool{"work bad": true, "unknown ": true}, failed); diff != "" {
		t.Errorf("failures told (-want +got):\n%s", diff)
	}
}

func testHandlerSubmits(t *testing.T, d driver.Driver) {
	p, a := dispatch.New(d, nil), expect(2)
	start(t, p, func(ctx context.Context, task driver.Task) error {
		a.note(task)
		if task.Ref == "1" {
			return p.Submit(ctx, driver.Task{Lane: task.Lane, Kind: task.Kind, Ref: "2"})
		}
		return nil
	})
	submit(t, p, "a", "1")
	await(t, "the task of the task", a.all)
	closeDrained(t, p)
}

func testBeforeStart(t *testing.T, d driver.Driver) {
	p, a := dispatch.New(d, nil), expect(3)
	submit(t, p, "a", "1")
	submit(t, p, "a", "2")
	submit(t, p, "b", "1")
	start(t, p, func(_ context.Context, task driver.Task) error { a.note(task); return nil })
	await(t, "tasks from before the start", a.all)
	closeDrained(t, p)
}

func testCloseWaits(t *testing.T, d driver.Driver) {
	p := dispatch.New(d, nil)
	began, finish, done := make(chan struct{}), make(chan struct{}), make(chan struct{})
	start(t, p, func(ctx context.Context, _ driver.Task) error {
		close(began)
		select {
		case <-finish:
		case <-ctx.Done():
			t.Error("close ended the handler it waits for")
		}
		close(done)
		return nil
	})
	submit(t, p, "a", "1")
	await(t, "the handler", began)
	go close(finish)
	closeDrained(t, p)
	select {
	case <-done:
	default:
		t.Error("close returned while a handler ran")
	}
}

func testCloseGivesUp(t *testing.T, d driver.Driver) {
	p := dispatch.New(d, nil)
	began, ended := make(chan struct{}), make(chan struct{})
	start(t, p, func(ctx context.Context, _ driver.Task) error {
		close(began)
		<-ctx.Done()
		close(ended)
		return ctx.Err()
	})
	submit(t, p, "a", "1")
	await(t, "the handler", began)
	if err := closeWithin(t, p, 10*time.Millisecond); !model.Is(err, model.Unavailable) {
		t.Errorf("close: got %v, want unavailable", err)
	}
	await(t, "the end of the handler's context", ended)
}

func testCloseUnstarted(t *testing.T, d driver.Driver) {
	p := dispatch.New(d, nil)
	submit(t, p, "a", "1")
	closeDrained(t, p)
}

func testClosed(t *testing.T, d driver.Driver) {
	p := dispatch.New(d, nil)
	start(t, p, func(context.Context, driver.Task) error { return nil })
	closeDrained(t, p)
	if err := p.Submit(t.Context(), dispatch.Task{Lane: "a", Kind: "work"}); !model.Is(err, model.Precondition) {
		t.Errorf("submit: got %v, want precondition", err)
	}
}

func testLimits(t *testing.T, d driver.Driver) {
	p := dispatch.New(d, nil)
	tests := []struct {
		task dispatch.Task
		code model.Code
	}{
		{dispatch.Task{Lane: strings.Repeat("l", driver.MaxLane), Kind: strings.Repeat("k", driver.MaxKind), Ref: strings.Repeat("r", driver.MaxRef)}, ""},
		{dispatch.Task{Lane: "a", Kind: "k"}, ""},
		{dispatch.Task{Kind: "k"}, model.Invalid},
		{dispatch.Task{Lane: "a b", Kind: "k"}, model.Invalid},
		{dispatch.Task{Lane: strings.Repeat("l", driver.MaxLane+1), Kind: "k"}, model.Invalid},
		{dispatch.Task{Lane: "a"}, model.Invalid},
		{dispatch.Task{Lane: "a", Kind: strings.Repeat("k", driver.MaxKind+1)}, model.Invalid},
		{dispatch.Task{Lane: "a", Kind: "k", Ref: strings.Repeat("r", driver.MaxRef+1)}, model.TooLarge},
	}
	for _, tc := range tests {
		if err := p.Submit(t.Context(), tc.task); model.CodeOf(err) != tc.code {
			t.Errorf("lane of %d, kind of %d, ref of %d bytes: got %v, want code %q", len(tc.task.Lane), len(tc.task.Kind), len(tc.task.Ref), err, tc.code)
		}
	}
	closeDrained(t, p)
}
