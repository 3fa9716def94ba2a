package pluginhost

import (
	"testing"
	"time"
)

func TestRestartPolicy(t *testing.T) {
	timings := Timings{}.withDefaults()
	start := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	about := func(t *testing.T, got, want time.Duration) {
		t.Helper()
		if got < want*8/10 || got > want*12/10 {
			t.Errorf("waits %v, want %v more or less a fifth", got, want)
		}
	}

	t.Run("waits longer each time, then gives up", func(t *testing.T) {
		r := restartPolicy{timings: &timings}
		for i, want := range []time.Duration{100, 200, 400, 800} {
			wait, again := r.crashed(start.Add(time.Duration(i)*time.Second), 0)
			if !again {
				t.Fatalf("gave up after %d crashes", i+1)
			}
			about(t, wait, want*time.Millisecond)
		}
		if _, again := r.crashed(start.Add(5*time.Second), 0); again {
			t.Error("did not give up after 5 crashes")
		}
		r.reset()
		wait, again := r.crashed(start.Add(6*time.Second), 0)
		if !again {
			t.Error("gave up after a reset")
		}
		about(t, wait, 100*time.Millisecond)
	})
	t.Run("goes on when crashes are far apart", func(t *testing.T) {
		r := restartPolicy{timings: &timings}
		var wait time.Duration
		for i := range 50 {
			var again bool
			if wait, again = r.crashed(start.Add(time.Duration(i)*3*time.Minute), time.Second); !again {
				t.Fatalf("gave up after %d crashes", i+1)
			}
		}
		about(t, wait, 30*time.Second)
		if len(r.crashes) > 5 {
			t.Errorf("remembers %d crashes", len(r.crashes))
		}
	})
	t.Run("begins anew after a minute of health", func(t *testing.T) {
		r := restartPolicy{timings: &timings}
		for i := range 3 {
			r.crashed(start.Add(time.Duration(i)*time.Second), 0)
		}
		wait, _ := r.crashed(start.Add(2*time.Minute), time.Minute)
		about(t, wait, 100*time.Millisecond)
	})
}
