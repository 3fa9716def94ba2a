package pebbletable

import (
	"context"
	"hash/maphash"
	"slices"
	"sync/atomic"
	"time"

	"github.com/channelhub/channelhub/hub/storage/table/driver"
)

// stripeCount is large against the commits that can be under way at once, so
// that partitions rarely share a stripe: a reader waits for the newest commit
// of its stripe, whichever partition that was for.
const stripeCount = 1024

// stripe guards the partitions that hash to it.
type stripe struct {
	// lock holds one token while free. It is a channel and not a mutex so
	// that waiting for it ends with the context, and when the store fails.
	lock chan struct{}
	// newest is the last commit applied, or about to be, to a partition of
	// the stripe. It is set under the lock and before the commit can be seen.
	newest atomic.Pointer[landing]
	// known are rows that were changed under their version, as some rows are
	// again and again: their next change need not look them up. It belongs to
	// whoever holds the lock.
	known [knownRows]knownRow
	next  int // the place in known that goes next
	// rolls belong to whoever holds the lock, too.
	rolls    [stripeRolls]roll
	nextRoll int
}

// knownRows is how many rows a stripe knows: it has few such rows at work.
const knownRows = 4

// knownRow is what the condition of an op asks of the row that is there.
type knownRow struct {
	key     driver.Key
	version driver.ID
	expires time.Time
	size    int // as billed
}

// know returns what is known of the row; nil means nothing.
func (s *stripe) know(key driver.Key) *knownRow {
	for i := range s.known {
		if k := &s.known[i]; k.key == key {
			return k
		}
	}
	return nil
}

// learn notes what an op is about to do to its row.
func (s *stripe) learn(id driver.ID, o driver.Op) {
	if o.Kind == driver.OpCheck {
		return
	}
	k := s.know(o.Key)
	if o.Kind == driver.OpPut && o.Cond.Kind == driver.CondVersion {
		if k == nil {
			k = &s.known[s.next]
			s.next = (s.next + 1) % knownRows
		}
		*k = knownRow{key: o.Key, version: id, expires: o.Expires, size: billedSize(o.Key, len(o.Value))}
		return
	}
	if k != nil {
		*k = knownRow{}
	}
}

// forget drops what is known of a row.
func (s *stripe) forget(key driver.Key) {
	if k := s.know(key); k != nil {
		*k = knownRow{}
	}
}

type stripes struct {
	seed maphash.Seed
	all  [stripeCount]stripe
}

func newStripes() *stripes {
	s := &stripes{seed: maphash.MakeSeed()}
	for i := range s.all {
		s.all[i].lock = make(chan struct{}, 1)
		s.all[i].lock <- struct{}{}
	}
	return s
}

func (s *stripes) hash(text string) uint64 { return maphash.String(s.seed, text) }

func (s *stripes) index(pk string) int { return int(s.hash(pk) % stripeCount) }

func (s *stripes) of(pk string) *stripe { return &s.all[s.index(pk)] }

// held is a set of locked stripes.
type held []*stripe

// hold locks the stripes of n keys, always in the same order, so that two
// commits over the same partitions cannot wait for each other.
func (st *Store) hold(ctx context.Context, n int, key func(i int) driver.Key) (held, error) {
	var few [4]int // most commits have no more, and need no room elsewhere
	indexes := few[:0]
	last := ""
	for i := range n {
		pk := key(i).PK
		if i > 0 && pk == last {
			continue
		}
		last = pk
		indexes = append(indexes, st.stripes.index(pk))
	}
	slices.Sort(indexes)
	indexes = slices.Compact(indexes)
	h := make(held, 0, len(indexes))
	for _, i := range indexes {
		s := &st.stripes.all[i]
		select {
		case <-s.lock:
			h = append(h, s)
			continue
		default:
		}
		select {
		case <-s.lock:
			h = append(h, s)
		case <-ctx.Done():
			h.release()
			return nil, st.ended(ctx, "wait for other commits")
		case <-st.failed:
			h.release()
			return nil, st.failure()
		}
	}
	return h, nil
}

// release unlocks the stripes. The lock may have been taken on another
// goroutine.
func (h held) release() {
	for _, s := range h {
		s.lock <- struct{}{}
	}
}

// announce makes l the newest commit of the stripes.
func (h held) announce(l *landing) {
	for _, s := range h {
		s.newest.Store(l)
	}
}

// underWay returns the newest commits of the stripes.
func (h held) underWay() []*landing {
	var ls []*landing
	for _, s := range h {
		if l := s.newest.Load(); l != nil {
			ls = append(ls, l)
		}
	}
	return ls
}
