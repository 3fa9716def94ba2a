package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
)

// load is what one stretch of load gave.
type load struct {
	count    int
	elapsed  time.Duration
	p50, p99 time.Duration
}

func (l load) perSecond() float64 { return float64(l.count) / l.elapsed.Seconds() }

// step is one message of one connection, from the request until it is done.
type step func(ctx context.Context) error

// drive runs every step over and over, each on its own goroutine and one at a
// time, as long as more says, and measures. It is a closed loop: it finds the
// most that a program can do, and the time a message takes then.
func drive(ctx context.Context, steps []step, more func(done int) bool) (load, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	times := make([][]time.Duration, len(steps))
	errs := make([]error, len(steps))
	began := time.Now()
	var group sync.WaitGroup
	for i, do := range steps {
		group.Go(func() {
			for ctx.Err() == nil && more(len(times[i])) {
				at := time.Now()
				if errs[i] = do(ctx); errs[i] != nil {
					cancel() // the others need not go on
					return
				}
				times[i] = append(times[i], time.Since(at))
			}
		})
	}
	group.Wait()
	elapsed := time.Since(began)
	if err := errors.Join(errs...); err != nil {
		return load{}, fmt.Errorf("put load on: %w", err)
	}
	if err := ctx.Err(); err != nil {
		return load{}, err
	}
	all := slices.Concat(times...)
	slices.Sort(all)
	return load{count: len(all), elapsed: elapsed, p50: percentile(all, 50), p99: percentile(all, 99)}, nil
}

// lasting is load for a time.
func lasting(d time.Duration) func(int) bool {
	end := time.Now().Add(d)
	return func(int) bool { return time.Now().Before(end) }
}

// percentile returns the smallest of the sorted times that p percent of them do
// not exceed.
func percentile(sorted []time.Duration, p int) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[max((len(sorted)*p+99)/100, 1)-1]
}
