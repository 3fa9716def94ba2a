package seal

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/storage/keys"
)

// fakeRoot wraps by turning bytes round and writing the context before them.
// It counts what it is asked and answers as the test says.
type fakeRoot struct {
	mu      sync.Mutex
	wraps   int
	unwraps int
	err     error
	gate    chan struct{} // when set, Unwrap waits for it
}

func (r *fakeRoot) Wrap(_ context.Context, kc keys.Context, plain []byte) ([]byte, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.wraps++
	if r.err != nil {
		return nil, r.err
	}
	return append([]byte(string(kc.Client)+"|"+kc.Purpose+"|"), reversed(plain)...), nil
}

func (r *fakeRoot) Unwrap(ctx context.Context, kc keys.Context, wrapped []byte) ([]byte, error) {
	r.mu.Lock()
	r.unwraps++
	err, gate := r.err, r.gate
	r.mu.Unlock()
	if gate != nil {
		select {
		case <-gate:
		case <-ctx.Done():
			return nil, model.Wrap(model.Unavailable, "unwrap", ctx.Err())
		}
	}
	if err != nil {
		return nil, err
	}
	prefix := string(kc.Client) + "|" + kc.Purpose + "|"
	if len(wrapped) < len(prefix) || string(wrapped[:len(prefix)]) != prefix {
		return nil, model.Errorf(model.Corrupt, "unwrap", "another context")
	}
	return reversed(wrapped[len(prefix):]), nil
}

func (r *fakeRoot) fail(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.err = err
}

// asked returns how often Unwrap was called since the last time.
func (r *fakeRoot) asked() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := r.unwraps
	r.unwraps = 0
	return n
}

func reversed(in []byte) []byte {
	out := make([]byte, len(in))
	for i, b := range in {
		out[len(in)-1-i] = b
	}
	return out
}

// fakeStore is a KeyStore in memory.
type fakeStore struct {
	mu     sync.Mutex
	rows   map[string][]byte
	loads  map[string]int
	puts   int
	onLoad func(name string) // after the row was read, before it is returned
	onPut  func(name string) // likewise
}

func newFakeStore() *fakeStore {
	return &fakeStore{rows: map[string][]byte{}, loads: map[string]int{}}
}

func (s *fakeStore) Load(_ context.Context, name string) ([]byte, error) {
	s.mu.Lock()
	s.loads[name]++
	row, ok := s.rows[name]
	hook := s.onLoad
	s.mu.Unlock()
	if hook != nil {
		hook(name)
	}
	if !ok {
		return nil, model.Errorf(model.NotFound, "load", "no such key")
	}
	return append([]byte(nil), row...), nil
}

func (s *fakeStore) Create(_ context.Context, name string, wrapped []byte) ([]byte, error) {
	s.mu.Lock()
	s.puts++
	if _, ok := s.rows[name]; !ok {
		s.rows[name] = append([]byte(nil), wrapped...)
	}
	row, hook := s.rows[name], s.onPut
	s.mu.Unlock()
	if hook != nil {
		hook(name)
	}
	return append([]byte(nil), row...), nil
}

func (s *fakeStore) Destroy(_ context.Context, name string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.rows, name)
	return nil
}

func (s *fakeStore) row(name string) []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]byte(nil), s.rows[name]...)
}

func (s *fakeStore) set(name string, row []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rows[name] = row
}

func (s *fakeStore) loaded(name string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.loads[name]
}

// clock is a settable now.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock { return &clock{now: time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// world is one key store with any number of processes on it.
type world struct {
	t      *testing.T
	root   *fakeRoot
	clock  *clock
	mu     sync.Mutex
	stores map[model.ClientID]*fakeStore
}

func newWorld(t *testing.T) *world {
	return &world{t: t, root: &fakeRoot{}, clock: newClock(), stores: map[model.ClientID]*fakeStore{}}
}

func (w *world) store(id model.ClientID) *fakeStore {
	w.mu.Lock()
	defer w.mu.Unlock()
	s := w.stores[id]
	if s == nil {
		s = newFakeStore()
		w.stores[id] = s
	}
	return s
}

func (w *world) sealer() *Sealer {
	return New(w.root, func(id model.ClientID) KeyStore { return w.store(id) }, &Options{Now: w.clock.Now})
}

func (w *world) client(s *Sealer, id model.ClientID) *Client {
	w.t.Helper()
	c, err := s.Client(w.t.Context(), id)
	if err != nil {
		w.t.Fatalf("client %s: %v", id, err)
	}
	return c
}

func (w *world) create(c *Client, id KeyID) {
	w.t.Helper()
	if err := c.CreateKey(w.t.Context(), id); err != nil {
		w.t.Fatalf("create key %s: %v", id, err)
	}
}

func (w *world) seal(c *Client, id KeyID, at Place, plain []byte) []byte {
	w.t.Helper()
	sealed, err := c.Seal(w.t.Context(), id, at, plain)
	if err != nil {
		w.t.Fatalf("seal: %v", err)
	}
	return sealed
}
