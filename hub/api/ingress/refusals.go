package ingress

import (
	"strings"
	"sync"
	"time"

	"github.com/channelhub/channelhub/hub/model"
)

const (
	// A caller whose requests are refused this often within the window is held
	// off for the rest of it. Requests that verify are never counted: providers
	// send as fast as they like.
	refusalsAllowed = 60
	refusalWindow   = 10 * time.Second
	// maxCallers bounds the memory; past it the table starts over.
	maxCallers = 50_000
)

// caller is an address that sends to a route. A provider sends for all its
// customers from the same addresses: what is refused on one account's route
// says nothing of another's.
type caller struct {
	address string
	plugin  model.PluginID  // empty: to where no route is
	account model.AccountID // empty on app-level routes
}

// refusals counts refused requests by their caller.
type refusals struct {
	mu sync.Mutex
	by map[caller]refusal
}

type refusal struct {
	since time.Time
	count int
}

// blocked returns how long the caller is held off; 0 when it is not.
func (f *refusals) blocked(from caller, now time.Time) time.Duration {
	f.mu.Lock()
	defer f.mu.Unlock()
	r, ok := f.by[from]
	if !ok || r.count < refusalsAllowed {
		return 0
	}
	left := refusalWindow - now.Sub(r.since)
	if left <= 0 {
		delete(f.by, from)
		return 0
	}
	return left
}

func (f *refusals) note(from caller, now time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.by == nil || len(f.by) >= maxCallers {
		f.by = map[caller]refusal{}
	}
	r, ok := f.by[from]
	if !ok {
		// A part of a path would keep the whole of it in memory.
		from.plugin = model.PluginID(strings.Clone(string(from.plugin)))
	}
	if now.Sub(r.since) > refusalWindow {
		r = refusal{since: now}
	}
	r.count++
	f.by[from] = r
}
