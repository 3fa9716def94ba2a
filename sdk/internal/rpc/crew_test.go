package rpc

import (
	"runtime"
	"sync"
	"testing"
	"time"
)

func TestCrewRunsSideBySide(t *testing.T) {
	var crew Crew
	for _, n := range []int{0, 1, 2, 100} {
		// Each waits for all the others: one behind another, they never would
		// return.
		var all sync.WaitGroup
		all.Add(n)
		ran := make([]int, n)
		crew.Each(n, func(i int) {
			all.Done()
			all.Wait()
			ran[i]++
		})
		for i, times := range ran {
			if times != 1 {
				t.Errorf("%d of %d ran %d times", i, n, times)
			}
		}
	}
}

func TestCrewServesSeveralCalls(t *testing.T) {
	var crew Crew
	var calls sync.WaitGroup
	for range 8 {
		calls.Go(func() {
			for range 1000 {
				var mu sync.Mutex
				sum := 0
				crew.Each(10, func(i int) {
					mu.Lock()
					defer mu.Unlock()
					sum += i
				})
				if sum != 45 {
					t.Errorf("the sum is %d", sum)
				}
			}
		})
	}
	calls.Wait()
}

func TestCrewKeepsFew(t *testing.T) {
	before := runtime.NumGoroutine()
	var crew Crew
	var all sync.WaitGroup
	all.Add(500)
	crew.Each(500, func(int) {
		all.Done()
		all.Wait()
	})
	deadline := time.Now().Add(10 * time.Second)
	for runtime.NumGoroutine() > before+maxResting {
		if time.Now().After(deadline) {
			t.Fatalf("%d goroutines more than before", runtime.NumGoroutine()-before)
		}
		time.Sleep(time.Millisecond)
	}
	if rest := len(crew.resting); rest != maxResting {
		t.Errorf("%d rest, want %d", rest, maxResting)
	}
}
