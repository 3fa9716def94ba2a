package main

import (
	"context"
	"errors"
	"strconv"
	"sync"

	"github.com/rogpeppe/go-internal/testscript"
)

// crowd is customers who write while something else happens.
type crowd struct {
	leave context.CancelFunc
	all   sync.WaitGroup

	mu     sync.Mutex
	wrote  int
	failed []error
}

// writers is how many customers write side by side.
const writers = 4

func gather(ts *testscript.TestScript, neg bool, args []string) {
	s := storyOf(ts)
	if neg || len(args) != 1 || s.crowd != nil {
		ts.Fatalf("usage: crowd ACCOUNT, once until uncrowd")
	}
	url, secret := ts.Getenv("PUBLIC")+"/in/echo/"+args[0], ts.Getenv("ECHO_SECRET")
	ctx, leave := context.WithCancel(context.Background())
	c := &crowd{leave: leave}
	s.crowd = c
	s.env.Defer(func() { leave(); c.all.Wait() }) // where the script fails in between
	for writer := range writers {
		c.all.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				id := "crowd-" + strconv.Itoa(writer) + "-" + strconv.Itoa(n)
				c.note(write(context.WithoutCancel(ctx), url, secret, id, id))
			}
		})
	}
}

func (c *crowd) note(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.wrote++
	if err != nil {
		c.failed = append(c.failed, err)
	}
}

func disperse(ts *testscript.TestScript, neg bool, args []string) {
	s := storyOf(ts)
	if neg || len(args) != 0 || s.crowd == nil {
		ts.Fatalf("usage: uncrowd, after crowd")
	}
	c := s.crowd
	s.crowd = nil
	c.leave()
	c.all.Wait()
	if len(c.failed) > 0 {
		ts.Fatalf("%d of %d messages were not taken: %v", len(c.failed), c.wrote, errors.Join(c.failed[:min(3, len(c.failed))]...))
	}
	ts.Setenv("CROWD", strconv.Itoa(c.wrote))
}
