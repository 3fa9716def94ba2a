package telemetry

import "sync"

// maxValues bounds one label. A value costs a time series for as long as the
// process lives, and some come from outside.
const maxValues = 200

// other stands for every value past the bound.
const other = "other"

// bounded lets the first values of a label through and turns the rest into
// other. It is safe for concurrent use.
type bounded struct {
	mu   sync.RWMutex
	seen map[string]bool
}

func (b *bounded) value(v string) string {
	if v == "" {
		return other
	}
	b.mu.RLock()
	known := b.seen[v]
	b.mu.RUnlock()
	if known {
		return v
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.seen == nil {
		b.seen = map[string]bool{}
	}
	if !b.seen[v] && len(b.seen) >= maxValues {
		return other
	}
	b.seen[v] = true
	return v
}
