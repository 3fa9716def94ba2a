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
	Expired     Class = "expired"     // whole rows: dedupe, idempotency, dead letters
	Attachments Class = "attachments"
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

	mu       sync.Mutex
	deleters map[string]Deleter
	resumes  map[string]bool // kinds that remove nothing
	late     map[model.ClientID]map[place]stand
	last     time.Time // when the last pass ended

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
	return &Sweeper{o: o, deleters: map[string]Deleter{}, resumes: map[string]bool{}, late: map[model.ClientID]map[place]stand{}}
}

// Register says who removes what is due of a kind. It is called before Run.
func (s *Sweeper) Register(kind string, d Deleter) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.deleters[kind] = d
}

// Resume says who completes what a crash may have cut off: its note is due a
// moment after the thing was begun. Nothing is counted as removed. It is
// called before Run.
func (s *Sweeper) Resume(kind string, f Deleter) {
	s.Register(kind, f)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.resumes[kind] = true
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

// due removes what lies outside the table.
func (s *Sweeper) due(ctx context.Context, client *store.Client) error {
	now := s.o.Now()
	var oldest time.Time
	removed := 0
	err := client.Due(ctx, now, func(d store.Due) error {
		s.mu.Lock()
		remove, ok := s.deleters[d.Kind]
		counts := !s.resumes[d.Kind]
		s.mu.Unlock()
		var err error = model.Errorf(model.Internal, "remove what is due", "nobody removes things of kind %q", d.Kind)
		if ok {
			err = remove(ctx, client, d)
		}
		if err == nil {
			err = client.DoneDue(ctx, d)
		}
		if err != nil {
			if oldest.IsZero() || d.At.Before(oldest) {
				oldest = d.At
			}
			return leftError{err}
		}
		if counts {
			removed++
		}
		return nil
	})
	s.removed(ctx, client.ID, Attachments, removed)
	if _, left := errors.AsType[leftError](err); err != nil && !left {
		s.stuck(client.ID, place{class: Attachments}, now)
	} else {
		s.reached(client.ID, place{class: Attachments}, oldest, now)
	}
	return err
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
