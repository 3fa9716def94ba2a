// Package pooldispatch hands tasks over within one process: a bounded queue
// and a bounded number of goroutines.
package pooldispatch

import (
	"context"
	"sync"

	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/storage/dispatch/driver"
)

// Options may be nil.
type Options struct {
	// Workers is how many tasks run at once; 32 when 0.
	Workers int
	// Queue is how many tasks wait; 4096 when 0.
	Queue int
}

// Pool is a driver within one process. It is safe for concurrent use.
type Pool struct {
	opts Options

	mu      sync.Mutex
	lanes   map[string]*lane        // those with tasks waiting or running
	ready   []*lane                 // lanes with a task to run and none running
	waiting int                     // tasks in lanes
	running int                     // workers at work
	handle  func(driver.Task) error // nil before Start
	cancel  context.CancelFunc
	closed  bool
	idle    chan struct{} // closed when the pool is closed and no worker runs
}

// lane is what waits for one lane. It is in Pool.ready, or a worker has it, or
// its last task is done and it is gone.
type lane struct {
	name  string
	tasks []driver.Task
}

var _ driver.Driver = (*Pool)(nil)

// New returns a pool that takes tasks. It runs none before Start.
func New(opts *Options) *Pool {
	p := &Pool{lanes: map[string]*lane{}, idle: make(chan struct{}), cancel: func() {}}
	if opts != nil {
		p.opts = *opts
	}
	if p.opts.Workers == 0 {
		p.opts.Workers = 32
	}
	if p.opts.Queue == 0 {
		p.opts.Queue = 4096
	}
	return p
}

// Start implements driver.Driver.
func (p *Pool) Start(handle driver.Handler) error {
	ctx, cancel := context.WithCancel(context.Background())
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed || p.handle != nil {
		cancel()
		return model.Errorf(model.Precondition, "start pool", "started before, or closed")
	}
	p.cancel = cancel
	p.handle = func(task driver.Task) error { return handle(ctx, task) }
	p.spawn(len(p.ready))
	return nil
}

// Submit implements driver.Driver.
func (p *Pool) Submit(_ context.Context, task driver.Task) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		// Not a code that is retried: the pool will not open again.
		return model.Errorf(model.Precondition, "submit to pool", "closed")
	}
	if p.waiting >= p.opts.Queue {
		return model.Errorf(model.Throttled, "submit to pool", "%d tasks are waiting", p.waiting)
	}
	p.waiting++
	if l := p.lanes[task.Lane]; l != nil {
		l.tasks = append(l.tasks, task)
		return nil
	}
	l := &lane{name: task.Lane, tasks: []driver.Task{task}}
	p.lanes[task.Lane] = l
	p.ready = append(p.ready, l)
	p.spawn(1)
	return nil
}

// spawn starts up to n workers, as far as there may be more. The caller holds
// mu.
func (p *Pool) spawn(n int) {
	for ; n > 0 && p.handle != nil && p.running < p.opts.Workers; n-- {
		p.running++
		go p.work()
	}
}

// work runs tasks until no lane is ready. A lane goes to the end of the line
// after each of its tasks, so that a long one keeps no other waiting.
func (p *Pool) work() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for len(p.ready) > 0 {
		l := p.ready[0]
		p.ready = p.ready[1:]
		task := l.tasks[0]
		l.tasks = l.tasks[1:]
		p.waiting--
		p.mu.Unlock()
		// Not done is not tried again here: a sweep of the table will find it.
		_ = p.handle(task)
		p.mu.Lock()
		if len(l.tasks) > 0 {
			p.ready = append(p.ready, l)
		} else {
			delete(p.lanes, l.name)
		}
	}
	p.running--
	p.rest()
}

// rest notes that the pool has come to rest. The caller holds mu.
func (p *Pool) rest() {
	if p.closed && p.running == 0 {
		close(p.idle)
	}
}

// Close implements driver.Driver. A pool that was never started has nobody to
// hand its tasks to, and drops them. Close is called once.
func (p *Pool) Close(ctx context.Context) error {
	p.mu.Lock()
	p.closed = true
	p.rest()
	p.mu.Unlock()
	defer p.cancel()
	select {
	case <-p.idle:
		return nil
	case <-ctx.Done():
		return model.Wrap(model.Unavailable, "drain pool", ctx.Err())
	}
}
