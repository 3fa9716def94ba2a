package rpc

import "sync"

// maxResting bounds the goroutines that a crew keeps when nothing is to do.
const maxResting = 16

// Crew runs functions side by side, on goroutines that it keeps for the next:
// a new one begins with a small stack, and to grow it anew in every call costs
// as much as what most calls do. The zero Crew is ready, and safe for
// concurrent use.
type Crew struct {
	mu      sync.Mutex
	resting []chan<- func()
}

// Each runs f for 0 to n-1, side by side, and returns when all have returned.
// The first runs on the caller's own goroutine. f must not panic.
func (c *Crew) Each(n int, f func(int)) {
	if n == 0 {
		return
	}
	var group sync.WaitGroup
	group.Add(n - 1)
	for i := 1; i < n; i++ {
		c.run(func() {
			defer group.Done()
			f(i)
		})
	}
	f(0)
	group.Wait()
}

// run hands the work to one who rests, or to somebody new.
func (c *Crew) run(work func()) {
	c.mu.Lock()
	if last := len(c.resting) - 1; last >= 0 {
		member := c.resting[last]
		c.resting = c.resting[:last]
		c.mu.Unlock()
		member <- work
		return
	}
	c.mu.Unlock()
	go c.member(work)
}

// member works and rests, unless enough others rest already.
func (c *Crew) member(work func()) {
	next := make(chan func(), 1) // whoever hands over work never waits
	for {
		work()
		c.mu.Lock()
		if len(c.resting) == maxResting {
			c.mu.Unlock()
			return
		}
		c.resting = append(c.resting, next)
		c.mu.Unlock()
		work = <-next
	}
}
