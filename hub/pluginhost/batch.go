package pluginhost

import (
	"context"
	"sync"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/channelhub/channelhub/hub/model"
)

// batchLanes is how many calls of one kind a connector has at most under way.
// A lone request never waits: it goes out at once. While a call is under way,
// what arrives waits for it and travels together, which costs a fraction of the
// processor time of a call for each.
const batchLanes = 4

// widenAfter is how long something waits before another lane opens for it. A
// translation takes well under a millisecond; a call that takes this long
// waits for something itself, and the others need not wait with it.
const widenAfter = 10 * time.Millisecond

// maxWaiting bounds who waits for one connector. Callers have deadlines of
// seconds: behind so many, nobody would be served in time.
const maxWaiting = 2048

// batcher puts what waits at the same time for one process in one call of at
// most maxBatch items. Nothing is held back to fill a call: an item waits only
// while another call is under way, and no longer than widenAfter while a lane is
// free.
//
// It is safe for concurrent use, and starts goroutines and timers only while
// there is something waiting.
type batcher[Q, R any] struct {
	// call makes one call. It returns one result for each item, in order.
	call func(ctx context.Context, items []Q) ([]R, error)
	size func(item *Q) int
	// timeout bounds a call that serves several callers.
	timeout time.Duration

	mu      sync.Mutex
	busy    int
	waiting []*group[Q, R]
	timed   bool // widen will run
}

// group is what one caller handed in. It is never split: items of one socket
// stay in order.
type group[Q, R any] struct {
	items   []Q
	size    int
	since   time.Time // when it began to wait
	results []R
	err     error
	done    chan struct{}
	left    bool // its caller is gone
}

// do answers the items of one caller, at most maxBatch of them.
func (b *batcher[Q, R]) do(ctx context.Context, items []Q) ([]R, error) {
	b.mu.Lock()
	if b.busy == 0 && len(b.waiting) == 0 {
		b.busy++
		b.mu.Unlock()
		// On the caller's own goroutine and under its own context.
		defer b.free()
		ctx, cancel := context.WithTimeout(ctx, b.timeout)
		defer cancel()
		return b.call(ctx, items)
	}
	g := &group[Q, R]{items: items, since: time.Now(), done: make(chan struct{})}
	for i := range items {
		g.size += b.size(&items[i])
	}
	if len(b.waiting) >= maxWaiting {
		b.mu.Unlock()
		return nil, model.Errorf(model.Throttled, "call plugin", "too many calls are waiting for the connector")
	}
	b.waiting = append(b.waiting, g)
	b.watch(widenAfter)
	b.mu.Unlock()
	select {
	case <-g.done:
		return g.results, g.err
	case <-ctx.Done():
		b.mu.Lock()
		g.left = true
		b.mu.Unlock()
		return nil, ctx.Err()
	}
}

// watch has widen look at the queue after d, unless it will anyway or could do
// nothing. The lock is held.
func (b *batcher[Q, R]) watch(d time.Duration) {
	if !b.timed && b.busy < batchLanes {
		b.timed = true
		time.AfterFunc(d, b.widen)
	}
}

// widen opens another lane if what waits has waited long.
func (b *batcher[Q, R]) widen() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.timed = false
	if len(b.waiting) == 0 || b.busy >= batchLanes {
		return
	}
	if left := widenAfter - time.Since(b.waiting[0].since); left > 0 {
		b.watch(left)
		return
	}
	if groups := b.next(); len(groups) > 0 {
		b.busy++
		go b.serve(groups)
	}
	if len(b.waiting) > 0 {
		b.watch(widenAfter)
	}
}

// free gives a lane back, or keeps it going for those who wait.
func (b *batcher[Q, R]) free() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if groups := b.next(); len(groups) > 0 {
		go b.serve(groups)
		return
	}
	b.busy--
}

// serve keeps one lane going until nobody waits.
func (b *batcher[Q, R]) serve(groups []*group[Q, R]) {
	for len(groups) > 0 {
		b.run(groups)
		b.mu.Lock()
		if groups = b.next(); len(groups) == 0 {
			b.busy--
		}
		b.mu.Unlock()
	}
}

// next takes the groups of the next call. The lock is held.
func (b *batcher[Q, R]) next() []*group[Q, R] {
	var groups []*group[Q, R]
	items, size, taken := 0, 0, 0
	for _, g := range b.waiting {
		if !g.left {
			if len(groups) > 0 && (items+len(g.items) > maxBatch || size+g.size > maxBatchBytes) {
				break
			}
			groups = append(groups, g)
			items += len(g.items)
			size += g.size
		}
		taken++
	}
	clear(b.waiting[:taken]) // the array lives on; what was in it need not
	b.waiting = b.waiting[taken:]
	return groups
}

// run makes one call for several groups. When the call as a whole fails for a
// reason that may lie in one of its items, such as a panic or an answer that
// is too large, each group is asked about alone: one bad item must not cost
// the others, and these calls are made to be repeated.
func (b *batcher[Q, R]) run(groups []*group[Q, R]) {
	// No caller's context: the call serves several.
	ctx, cancel := context.WithTimeout(context.Background(), b.timeout)
	defer cancel()
	var items []Q
	for _, g := range groups {
		items = append(items, g.items...)
	}
	results, err := b.call(ctx, items)
	if err != nil && len(groups) > 1 && !hopeless(err) {
		for _, g := range groups {
			g.results, g.err = b.call(ctx, g.items)
			close(g.done)
		}
		return
	}
	for _, g := range groups {
		if g.err = err; err == nil {
			g.results, results = results[:len(g.items):len(g.items)], results[len(g.items):]
		}
		close(g.done)
	}
}

// hopeless reports whether asking again at once would fare the same.
func hopeless(err error) bool {
	switch status.Code(err) {
	case codes.Unavailable, codes.DeadlineExceeded, codes.Canceled, codes.Unimplemented:
		return true
	default:
		return false
	}
}
