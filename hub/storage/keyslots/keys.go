package keyslots

import (
	"github.com/channelhub/channelhub/hub/model"
)

// Load returns a wrapped key, or model.NotFound.
func (f *File) Load(client model.ClientID, key string) ([]byte, error) {
	const op = "read contact key"
	n := nameOf(client, key)
	for {
		f.mu.Lock()
		p, ok := f.where[n]
		broken := f.broken
		f.mu.Unlock()
		switch {
		case broken != nil:
			return nil, broken
		case !ok:
			return nil, model.Errorf(model.NotFound, op, "there is no such key")
		case !p.synced:
			// What is sealed under a key must not be there without the key.
			if err := f.flush(); err != nil {
				return nil, err
			}
			continue
		}
		var s slot
		if _, err := f.file.ReadAt(s[:], p.at); err != nil {
			return nil, model.Wrap(model.Unavailable, op, err)
		}
		has, wrapped, ok := s.holds()
		if ok && has == n {
			return wrapped, nil
		}
		f.mu.Lock()
		now, still := f.where[n]
		f.mu.Unlock()
		if still && now == p {
			return nil, model.Errorf(model.Corrupt, op, "a slot of %s is damaged", f.path)
		}
		// It was destroyed between the look and the read.
	}
}

// Create keeps a wrapped key under the name unless one is there, and returns
// what is there now, on disk.
func (f *File) Create(client model.ClientID, key string, wrapped []byte) ([]byte, error) {
	const op = "write contact key"
	if len(wrapped) > MaxWrapped {
		return nil, model.Errorf(model.Internal, op, "a wrapped key of %d bytes does not fit in a slot", len(wrapped))
	}
	n := nameOf(client, key)
	f.mu.Lock()
	if f.broken != nil {
		defer f.mu.Unlock()
		return nil, f.broken
	}
	if _, there := f.where[n]; there {
		f.mu.Unlock()
		return f.Load(client, key)
	}
	err := f.put(n, wrapped)
	f.mu.Unlock()
	if err != nil {
		return nil, model.Wrap(model.Unavailable, op, err)
	}
	if err := f.flush(); err != nil {
		return nil, err
	}
	return wrapped, nil
}

// put writes a key into a free slot. The lock is held.
func (f *File) put(n name, wrapped []byte) error {
	if len(f.free) == 0 {
		if err := f.file.Truncate(f.size + growBy); err != nil {
			return err
		}
		for at := f.size + growBy - slotSize; at >= f.size; at -= slotSize {
			f.free = append(f.free, at)
		}
		f.size += growBy
	}
	at := f.free[len(f.free)-1]
	s := makeSlot(n, wrapped)
	if _, err := f.file.WriteAt(s[:], at); err != nil {
		return err
	}
	f.free = f.free[:len(f.free)-1]
	f.turn++
	f.where[n] = place{at: at, turn: f.turn}
	f.written = append(f.written, n)
	return nil
}

// Destroy overwrites a key, and returns once that is on disk. That there is
// none is no error.
func (f *File) Destroy(client model.ClientID, key string) error {
	const op = "destroy contact key"
	n := nameOf(client, key)
	f.mu.Lock()
	if f.broken != nil {
		defer f.mu.Unlock()
		return f.broken
	}
	p, there := f.where[n]
	if there {
		if _, err := f.file.WriteAt(make([]byte, slotSize), p.at); err != nil {
			f.mu.Unlock()
			return model.Wrap(model.Unavailable, op, err)
		}
		delete(f.where, n)
		f.free = append(f.free, p.at)
	}
	f.mu.Unlock()
	// Also when there is none: the call before this may not have got so far.
	return f.flush()
}

// round is one flush, and who waits for it.
type round struct {
	done chan struct{}
	err  error
}

// flush returns once everything that was written before the call is on disk.
// Whoever comes while a flush runs shares the next one.
func (f *File) flush() error {
	f.mu.Lock()
	r := f.next
	if r == nil {
		r = &round{done: make(chan struct{})}
		f.next = r
		go f.run(r)
	}
	f.mu.Unlock()
	<-r.done
	return r.err
}

func (f *File) run(r *round) {
	f.flushing.Lock()
	defer f.flushing.Unlock()
	defer close(r.done)
	f.mu.Lock()
	f.next = nil // what is written from here on needs another one
	written, turn := f.written, f.turn
	f.written = nil
	f.mu.Unlock()

	err := f.file.Sync()

	f.mu.Lock()
	defer f.mu.Unlock()
	if err != nil {
		// The kernel may have dropped what it could not write: a second try
		// that succeeds would prove nothing.
		if f.broken == nil {
			f.broken = model.Wrap(model.Unavailable, "flush contact keys", err)
			close(f.failed)
		}
		r.err = f.broken
		return
	}
	for _, n := range written {
		if p, ok := f.where[n]; ok && p.turn <= turn {
			p.synced = true
			f.where[n] = p
		}
	}
}
