package pebbletable

import (
	"hash/maphash"
	"strings"

	"github.com/cockroachdb/pebble/v2"

	"github.com/channelhub/channelhub/hub/storage/table/driver"
)

// roll holds every sort key of a partition that begins alike, such as the
// events of a conversation. A key that is not on it is not in the store: what
// is put if absent need not be looked up, where each lookup asks every memtable
// and the filters of several files.
//
// A key that was removed stays on the roll, and two keys can have one hash:
// those are looked up, so nothing hangs on it.
type roll struct {
	pk, prefix string
	asked      int
	// names are the hashes of the keys; nil until the roll was called, and
	// again when it got too long.
	names map[uint64]struct{}
	long  bool
}

const (
	// stripeRolls is how many rolls a stripe keeps.
	stripeRolls = 4
	// maxRoll bounds a roll, and what it takes to call it. All rolls together
	// stay below some 20 MiB, where thousands of conversations are that long.
	maxRoll = 256
	// callAfter is how many keys of a range are looked up before its roll is
	// called. A conversation that is not at work right now, or one of too many
	// that are, costs no more than its lookups.
	callAfter = 2
)

// prefixOf is the beginning that a key shares with its like, with the mark
// that ends it: "e/" of "e/0123". It is empty for a key that stands alone.
func prefixOf(sk string) string { return sk[:strings.IndexByte(sk, '/')+1] }

// rollOf returns the roll that the key would be on; nil when there is none.
func (s *stripe) rollOf(key driver.Key) *roll {
	for i := range s.rolls {
		r := &s.rolls[i]
		if r.prefix != "" && r.pk == key.PK && strings.HasPrefix(key.SK, r.prefix) {
			return r
		}
	}
	return nil
}

// lacks reports whether the key is known not to be in the store. The caller
// holds the stripe.
func (st *Store) lacks(s *stripe, key driver.Key) (bool, error) {
	r := s.rollOf(key)
	if r == nil {
		if prefix := prefixOf(key.SK); prefix != "" {
			s.rolls[s.nextRoll] = roll{pk: key.PK, prefix: prefix, asked: 1}
			s.nextRoll = (s.nextRoll + 1) % stripeRolls
		}
		return false, nil
	}
	if r.names == nil && !r.long {
		if r.asked++; r.asked <= callAfter {
			return false, nil
		}
		if err := st.call(r); err != nil {
			return false, err
		}
	}
	if r.names == nil {
		return false, nil
	}
	_, there := r.names[st.stripes.hash(key.SK)]
	return !there, nil
}

// call fills the roll from the store, which nobody else changes meanwhile: the
// caller holds the stripe.
func (st *Store) call(r *roll) (err error) {
	end := r.prefix[:len(r.prefix)-1] + "0" // what comes behind the slash
	lower, upper := queryBounds(driver.Query{PK: r.pk, From: r.prefix, To: end})
	it, err := st.db.NewIter(&pebble.IterOptions{LowerBound: lower, UpperBound: upper})
	if err != nil {
		return st.readError(err)
	}
	defer func() {
		if cerr := it.Close(); err == nil && cerr != nil {
			err = st.readError(cerr)
		}
		if err != nil {
			r.names = nil
		}
	}()
	r.names = make(map[uint64]struct{})
	before := len(lower) - len(r.prefix)
	for ok := it.First(); ok; ok = it.Next() {
		r.put(maphash.Bytes(st.stripes.seed, it.Key()[before:]))
		if r.long {
			break
		}
	}
	return nil
}

// enter notes the key that an op is about to write. The caller holds the
// stripe.
func (st *Store) enter(s *stripe, o driver.Op) {
	if o.Kind != driver.OpPut {
		return
	}
	if r := s.rollOf(o.Key); r != nil {
		r.put(st.stripes.hash(o.SK))
	}
}

// put notes a key that is, or is about to be, in the store.
func (r *roll) put(name uint64) {
	if r.names == nil {
		return
	}
	r.names[name] = struct{}{}
	if len(r.names) > maxRoll {
		r.names, r.long = nil, true
	}
}
