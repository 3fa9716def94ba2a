package retention

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/store"
	"github.com/channelhub/channelhub/hub/telemetry"
)

// Class is a kind of data with an end of its own.
type Class string

// The classes that the sweeper removes.
const (
	Messages    Class = "messages"    // content that was read
	Undelivered Class = "undelivered" // content that nobody read
	Logs        Class = "logs"        // rows of feeds and lanes
	Expired     Class = "expired"     // whole rows: dedupe, idempotency
	Attachments Class = "attachments"
	DeadLetters Class = "dead_letters" // letters with what they kept
)

// Deleter removes one thing for good; removing what is gone is no error.
type Deleter func(ctx context.Context, client *store.Client, d store.Due) error

// SweeperOptions for NewSweeper.
type SweeperOptions struct {
	Store    *store.Store
	Ends     *Ends
	Policies Policies
	Clients  func() []model.ClientID
	// Swept is told what was removed, for the audit log; without a client,
	// when it is not known whose it was. Nil: nobody.
	Swept   func(ctx context.Context, client model.ClientID, class Class, n int)
	Logger  hclog.Logger       // nil: none
	Metrics *telemetry.Metrics // nil: none
	Now     func() time.Time   // nil: time.Now
	Every   time.Duration      // 0: a minute
	// Pages bounds what one pass does in one feed log; the next goes on. 0: 50.
	Pages int
}

// Sweeper removes what has ended. It goes through the table's port alone, one
// row at a time, and holds no lock that a message could wait for. Two hubs
// that sweep do each other no harm.
type Sweeper struct {
	o SweeperOptions

	mu     sync.Mutex
	duties map[string]duty // by kind
	late   map[model.ClientID]map[place]stand
	last   time.Time // when the last pass ended

	pass   sync.Mutex    // one pass at a time
	counts map[Class]int // what the pass under way has removed; belongs to it
}

// NewSweeper returns a Sweeper.
func NewSweeper(o SweeperOptions) *Sweeper {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = hclog.NewNullLogger()
	}
	if o.Every <= 0 {
		o.Every = time.Minute
	}
	if o.Pages <= 0 {
		o.Pages = 50
	}
	s := &Sweeper{o: o, duties: map[string]duty{}, late: map[model.ClientID]map[place]stand{}}
	s.duties[store.DueLetter] = duty{DeadLetters, func(ctx context.Context, client *store.Client, d store.Due) (bool, error) {
		return client.EndLetter(ctx, d)
	}}
	return s
}

// duty is what is to be done about what is due of a kind. It reports whether
// something was removed.
type duty struct {
	class Class
	do    func(ctx context.Context, client *store.Client, d store.Due) (bool, error)
}

// Register says who removes the files that are due of a kind. It is called
// before Run.
func (s *Sweeper) Register(kind string, remove Deleter) { s.register(kind, remove, true) }

// Resume says who completes what a crash may have cut off: its note is due a
// moment after the thing was begun. Nothing is counted as removed. It is
// called before Run.
func (s *Sweeper) Resume(kind string, complete Deleter) { s.register(kind, complete, false) }

func (s *Sweeper) register(kind string, do Deleter, removes bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.duties[kind] = duty{Attachments, func(ctx context.Context, client *store.Client, d store.Due) (bool, error) {
		err := do(ctx, client, d)
		return removes && err == nil, err
	}}
}

// Run sweeps until ctx ends.
func (s *Sweeper) Run(ctx context.Context) {
	tick := time.NewTicker(s.o.Every)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			if err := s.Pass(ctx); err != nil && ctx.Err() == nil {
				s.o.Logger.Warn("what is past its retention could not all be removed yet", "error", err)
			}
		case <-ctx.Done():
			return
		}
	}
}

// Pass sweeps every client once. What fails is tried again in the next pass,
// and does not hold up the others.
func (s *Sweeper) Pass(ctx context.Context) error {
	_, err := s.Sweep(ctx)
	return err
}

// Sweep is a pass that tells how much it removed of each class, also when
// something failed.
func (s *Sweeper) Sweep(ctx context.Context) (map[Class]int, error) {
	s.pass.Lock()
	defer s.pass.Unlock()
	s.counts = map[Class]int{}
	var errs []error
	clients := s.o.Clients()
	for _, id := range clients {
		if err := s.client(ctx, id); err != nil {
			errs = append(errs, fmt.Errorf("sweep client %s: %w", id, err))
		}
	}
	n, err := s.o.Store.Sweep(ctx)
	if err != nil {
		errs = append(errs, err)
	}
	s.removed(ctx, "", Expired, n) // of all clients, by the table's own index
	s.report(clients)
	return s.counts, errors.Join(errs...)
}

func (s *Sweeper) client(ctx context.Context, id model.ClientID) error {
	client, err := s.o.Store.Client(ctx, id)
	if err != nil {
		s.allStuck(id, s.o.Now())
		return err
	}
	policy, err := s.o.Policies.Policy(ctx, id)
	if err != nil {
		s.allStuck(id, s.o.Now())
		return err
	}
	// What ends by the clock alone comes first: it has five minutes.
	errs := []error{s.due(ctx, client)}
	for shard := range client.FeedLogs() {
		// A view of this moment: the sweeper counts by what is written.
		view, err := s.o.Ends.look(ctx, client, s.o.Now())
		if err != nil {
			s.stuck(id, place{Messages, shard}, s.o.Now())
			errs = append(errs, err)
			continue
		}
		w := &walk{s: s, client: client, shard: shard, view: view, keep: policy.Keep}
		errs = append(errs, w.run(ctx))
	}
	return errors.Join(errs...)
}

// due does what is noted to be done by the clock alone.
func (s *Sweeper) due(ctx context.Context, client *store.Client) error {
	now := s.o.Now()
	oldest, removed := map[Class]time.Time{}, map[Class]int{}
	err := client.Due(ctx, now, func(d store.Due) error {
		todo := s.duty(d.Kind)
		ok, err := todo.do(ctx, client, d)
		if err == nil {
			err = client.DoneDue(ctx, d)
		}
		if err != nil {
			if at, ok := oldest[todo.class]; !ok || d.At.Before(at) {
				oldest[todo.class] = d.At
			}
			return leftError{err}
		}
		if ok {
			removed[todo.class]++
		}
		return nil
	})
	_, left := errors.AsType[leftError](err)
	for _, class := range []Class{Attachments, DeadLetters} {
		s.removed(ctx, client.ID, class, removed[class])
		if err != nil && !left {
			s.stuck(client.ID, place{class: class}, now)
		} else {
			s.reached(client.ID, place{class: class}, oldest[class], now)
		}
	}
	return err
}

func (s *Sweeper) duty(kind string) duty {
	s.mu.Lock()
	defer s.mu.Unlock()
	if todo, ok := s.duties[kind]; ok {
		return todo
	}
	return duty{Attachments, func(context.Context, *store.Client, store.Due) (bool, error) {
		return false, model.Errorf(model.Internal, "remove what is due", "nobody removes things of kind %q", kind)
	}}
}

// leftError is about one thing that could not be removed, by a sweeper that
// sees all there is.
type leftError struct{ error }

func (e leftError) Unwrap() error { return e.error }

func (s *Sweeper) removed(ctx context.Context, client model.ClientID, class Class, n int) {
	if n == 0 {
		return
	}
	s.counts[class] += n
	s.o.Metrics.Swept(string(class), n)
	if s.o.Swept != nil {
		s.o.Swept(ctx, client, class, n)
	}
}
