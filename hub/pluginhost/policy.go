package pluginhost

import (
	"math/rand/v2"
	"time"
)

// restartPolicy decides when a crashed connector starts again: soon at first,
// so that a single crash is hardly noticed, later and later when it goes on,
// and not at all when it crashes too often. It belongs to one supervisor's
// goroutine.
type restartPolicy struct {
	timings *Timings
	crashes []time.Time // within the window
	delay   time.Duration
}

// crashed notes the end of a process that had run for a time, and returns how
// long to wait. False means not to start again.
func (r *restartPolicy) crashed(now time.Time, ran time.Duration) (time.Duration, bool) {
	kept := r.crashes[:0]
	for _, at := range r.crashes {
		if now.Sub(at) < r.timings.QuarantineWindow {
			kept = append(kept, at)
		}
	}
	r.crashes = append(kept, now)
	if len(r.crashes) >= r.timings.QuarantineCrashes {
		return 0, false
	}
	if ran >= r.timings.BackoffResetAfter {
		r.delay = 0
	}
	r.delay = min(max(2*r.delay, r.timings.BackoffMin), r.timings.BackoffMax)
	// A fifth more or less, so that connectors that fell together do not get
	// up together.
	return time.Duration(float64(r.delay) * (0.8 + 0.4*rand.Float64())), true
}

// reset forgets all crashes.
func (r *restartPolicy) reset() { r.crashes, r.delay = nil, 0 }
