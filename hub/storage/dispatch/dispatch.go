// Package dispatch is the port for handing over work: a portable type over a
// small driver.
//
// A task says that there is something to do for a lane, and names the kind of
// work. The table remains the truth: a task that is lost costs time until a
// sweep finds the work, and one that comes twice finds it done. So a caller
// whose Submit fails has nothing to undo.
//
// The portable type checks limits and alone retries: throttled and unavailable
// answers, with jitter, until the context ends or for three seconds when it
// has no deadline.
package dispatch

import (
	"context"
	"maps"
	"regexp"

	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/storage/dispatch/driver"
	"github.com/channelhub/channelhub/hub/storage/internal/retry"
)

type (
	// Task is a hint that there is work to look for in the table.
	Task = driver.Task
	// Handler does the work of a task.
	Handler = driver.Handler
)

// Options may be nil.
type Options struct {
	// OnError is told of each task that was not done: its handler failed, or
	// there is none for its kind.
	OnError func(task Task, err error)
}

// Dispatcher carries tasks to handlers. It is safe for concurrent use. It owns
// its driver.
type Dispatcher struct {
	d       driver.Driver
	onError func(Task, error)
}

// New returns the port over a driver, which it then owns. Tasks are taken at
// once and handled from Start on.
func New(d driver.Driver, opts *Options) *Dispatcher {
	p := &Dispatcher{d: d, onError: func(Task, error) {}}
	if opts != nil && opts.OnError != nil {
		p.onError = opts.OnError
	}
	return p
}

// Start begins to hand tasks to the handler of their kind: of one lane one at
// a time, of different lanes concurrently. It is called once.
func (p *Dispatcher) Start(handlers map[string]Handler) error {
	handlers = maps.Clone(handlers)
	err := p.d.Start(func(ctx context.Context, task Task) error {
		// A hub of another version may know kinds that this one does not.
		err := error(model.Errorf(model.NotFound, "dispatch", "no handler for %q", task.Kind))
		if handle := handlers[task.Kind]; handle != nil {
			err = handle(ctx, task)
		}
		if err != nil {
			p.onError(task, err)
		}
		return err
	})
	return model.Wrap(model.CodeOf(err), "start dispatch", err)
}

// lane is what fits an SQS group id and is safe in a log.
var lane = regexp.MustCompile(`^[A-Za-z0-9./_:-]+$`)

// Submit hands over a task. It returns once the driver has taken it, which is
// not a promise that it will be handled.
func (p *Dispatcher) Submit(ctx context.Context, task Task) error {
	const op = "submit task"
	switch {
	case len(task.Lane) > driver.MaxLane || !lane.MatchString(task.Lane):
		return model.Errorf(model.Invalid, op, "lane %q: want 1 to %d of A-Z a-z 0-9 . / _ : -", task.Lane, driver.MaxLane)
	case task.Kind == "" || len(task.Kind) > driver.MaxKind:
		return model.Errorf(model.Invalid, op, "kind %q: want 1 to %d bytes", task.Kind, driver.MaxKind)
	case len(task.Ref) > driver.MaxRef:
		return model.Errorf(model.TooLarge, op, "ref of %d bytes; the limit is %d", len(task.Ref), driver.MaxRef)
	}
	err := retry.Do(ctx, func() error { return p.d.Submit(ctx, task) })
	return model.Wrap(model.CodeOf(err), op, err)
}

// Close takes no more tasks and returns when no handler runs any more, tasks
// that only this process knows of included. When ctx ends first, the handlers'
// context ends and Close does not wait for them.
func (p *Dispatcher) Close(ctx context.Context) error {
	err := p.d.Close(ctx)
	return model.Wrap(model.CodeOf(err), "close dispatch", err)
}
