package ingress

import (
	"sync"
	"time"
)

const (
	// An address whose requests are refused this often within the window is
	// held off for the rest of it. Requests that verify are never counted:
	// providers send as fast as they like.
	refusalsAllowed = 60
	refusalWindow   = 10 * time.Second
	// maxAddresses bounds the memory; past it the table starts over.
	maxAddresses = 50_000
)

// refusals counts refused requests by remote address.
type refusals struct {
	mu sync.Mutex
	by map[string]refusal
}

type refusal struct {
	since time.Time
	count int
}

// blocked returns how long the address is held off; 0 when it is not.
func (f *refusals) blocked(addr string, now time.Time) time.Duration {
	f.mu.Lock()
	defer f.mu.Unlock()
	r, ok := f.by[addr]
	if !ok || r.count < refusalsAllowed {
		return 0
	}
	left := refusalWindow - now.Sub(r.since)
	if left <= 0 {
		delete(f.by, addr)
		return 0
	}
	return left
}

func (f *refusals) note(addr string, now time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.by == nil || len(f.by) >= maxAddresses {
		f.by = map[string]refusal{}
	}
	r := f.by[addr]
	if now.Sub(r.since) > refusalWindow {
		r = refusal{since: now}
	}
	r.count++
	f.by[addr] = r
}
