package chat

import "time"

const windowLength = 10 * time.Second

// window counts what happened in the last ten seconds, up to a most. It is for
// one goroutine.
type window struct {
	times []time.Time // a ring of the newest
	next  int
}

func newWindow(most int) *window { return &window{times: make([]time.Time, most)} }

// allow counts one more if there is room for it. Otherwise it says how long it
// takes until there is.
func (w *window) allow(now time.Time) (wait time.Duration, ok bool) {
	oldest := w.times[w.next]
	if !oldest.IsZero() && now.Sub(oldest) < windowLength {
		return windowLength - now.Sub(oldest), false
	}
	w.times[w.next] = now
	w.next = (w.next + 1) % len(w.times)
	return 0, true
}
