package audit

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/storage/logsink"
	"github.com/channelhub/channelhub/hub/store"
	"github.com/channelhub/channelhub/hub/telemetry"
	"github.com/channelhub/channelhub/internal/failpoint"
)

// Sink takes the copy of the log.
type Sink interface {
	// Deliver returns once the records can be read where they went, or with
	// the error that kept any of them from there.
	Deliver(ctx context.Context, records []logsink.Record) error
}

const (
	// keepEvery is how often counts are looked at and rows are copied.
	keepEvery = 5 * time.Second
	// trimEvery is how often the beginning is looked at; a floor moves by whole
	// days, so that each day leaves one row about it.
	trimEvery = time.Hour
	// endTimeout bounds what is written when the hub ends.
	endTimeout = 3 * time.Second

	copyRows  = 200 // of one delivery, and of one write of the cursor
	copyBytes = 200 << 10
)

// KeeperOptions for NewKeeper.
type KeeperOptions struct {
	Store   *store.Store
	Counts  *Counts
	Sink    Sink                 // nil: the log is not copied
	Keep    func() time.Duration // how long rows are kept
	Logger  hclog.Logger         // nil: none
	Metrics *telemetry.Metrics   // nil: none
	Now     func() time.Time     // nil: time.Now
}

// Keeper does for the log what no act waits for: it writes what was counted,
// copies the rows to the log sink, and removes those past their retention.
// Several hubs may each have one.
type Keeper struct {
	o       KeeperOptions
	trimmed time.Time // belongs to Run

	mu      sync.Mutex
	failing map[string]bool // what was warned of and has not worked since
}

// NewKeeper returns a Keeper.
func NewKeeper(o KeeperOptions) *Keeper {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = hclog.NewNullLogger()
	}
	return &Keeper{o: o, failing: map[string]bool{}}
}

// Run keeps the log until ctx ends. Then it writes all that was counted, also
// in the minute under way, and copies once more. A sink that hangs holds up
// the copy alone.
func (k *Keeper) Run(ctx context.Context) {
	var copying sync.WaitGroup
	copying.Go(func() {
		every(ctx, func() { k.copy(ctx) })
	})
	every(ctx, func() {
		k.count(ctx, false)
		k.measure(ctx)
		if now := k.o.Now(); now.Sub(k.trimmed) >= trimEvery {
			k.trimmed = now
			_, err := k.Trim(ctx)
			k.tell(ctx, "the audit log is not trimmed", err)
		}
	})
	copying.Wait()
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), endTimeout)
	defer cancel()
	k.count(end, true)
	k.copy(end)
}

// every does something each keepEvery until ctx ends.
func every(ctx context.Context, do func()) {
	tick := time.NewTicker(keepEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			do()
		case <-ctx.Done():
			return
		}
	}
}

func (k *Keeper) count(ctx context.Context, all bool) {
	k.tell(ctx, "what was counted is not in the audit log yet", k.o.Counts.flush(ctx, k.o.Store, all))
}

func (k *Keeper) copy(ctx context.Context) {
	k.tell(ctx, "the audit log is not copied to the log sink", k.Copy(ctx))
}

// tell warns once of what goes on failing.
func (k *Keeper) tell(ctx context.Context, what string, err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if err != nil && !k.failing[what] && ctx.Err() == nil {
		k.o.Logger.Warn(what+"; it is tried again", telemetry.FieldError, err)
	}
	k.failing[what] = err != nil
}

// Copy delivers the rows behind the saved cursor to the sink, in order, and
// saves the cursor behind each delivery. What was accepted and not saved comes
// again: a reader drops by number what it has.
func (k *Keeper) Copy(ctx context.Context) error {
	if k.o.Sink == nil {
		return nil
	}
	for {
		was, err := k.o.Store.AuditCopied(ctx)
		if err != nil {
			return err
		}
		head, err := k.o.Store.AuditHead(ctx)
		if err != nil || was.N >= head {
			return err
		}
		records, n, err := k.copies(ctx, was.N, head)
		if err != nil || len(records) == 0 {
			return err
		}
		if err := k.o.Sink.Deliver(ctx, records); err != nil {
			return err
		}
		if err := failpoint.Err("audit.after_accept"); err != nil {
			return err
		}
		err = k.o.Store.SaveAuditCopied(ctx, was, n)
		if err != nil && !model.Is(err, model.Conflicting) {
			return err
		}
	}
}

var errEnough = errors.New("enough for one delivery")

// copies is the next delivery, and the row that it ends with.
func (k *Keeper) copies(ctx context.Context, after, head uint64) (records []logsink.Record, n uint64, err error) {
	size := 0
	err = k.o.Store.WalkAudit(ctx, after+1, min(head, after+copyRows), func(row store.StoredAudit) error {
		// The time of a record is now: a sink may refuse what is old.
		now := k.o.Now()
		line := copyLine(now, row)
		if size += len(line); size > copyBytes && len(records) > 0 {
			return errEnough
		}
		records, n = append(records, logsink.Record{Time: now, Line: line}), row.N
		return nil
	})
	if errors.Is(err, errEnough) {
		err = nil
	}
	return records, n, err
}

func copyLine(now time.Time, row store.StoredAudit) []byte {
	const module = "hub.audit"
	if row.Err != nil {
		return telemetry.Line(now, hclog.Error, module, "audit row cannot be read", "n", row.N, telemetry.FieldError, row.Err)
	}
	s := saidBy(row.Row)
	args := []any{
		"n", row.N, "at", stamp(s.At), "actor", s.Actor, "role", s.Role, "action", s.Action, "subject", s.Subject,
		telemetry.FieldOutcome, s.Outcome,
	}
	if s.RequestID != "" {
		args = append(args, telemetry.FieldRequest, s.RequestID)
	}
	if s.Count > 0 {
		args = append(args, telemetry.FieldCount, s.Count)
	}
	if s.Since != nil {
		args = append(args, "since", stamp(*s.Since))
	}
	return telemetry.Line(now, hclog.Info, module, "audit", append(args, "prev", s.Prev, "hash", s.Hash)...)
}

// stamp is a time as everywhere else in the hub's output.
func stamp(t model.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

// Trim removes the rows that are past their retention, by whole days: what
// was written before a midnight that is past it by then. What is not copied
// yet stays.
func (k *Keeper) Trim(ctx context.Context) (int, error) {
	keep := k.o.Keep()
	if keep <= 0 {
		return 0, nil
	}
	before := k.o.Now().Add(-keep).UTC().Truncate(24 * time.Hour)
	upTo := uint64(1<<63 - 1)
	if k.o.Sink != nil {
		copied, err := k.o.Store.AuditCopied(ctx)
		if err != nil {
			return 0, err
		}
		upTo = copied.N
	}
	return k.o.Store.TrimAudit(ctx, before, upTo)
}
