package journal

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/store"
	"github.com/channelhub/channelhub/hub/telemetry"
	"github.com/channelhub/channelhub/internal/failpoint"
)

const (
	// maxBatch is how many entries share a call to the connector, and what a
	// crash may hand over a second time.
	maxBatch      = 16
	maxBatchBytes = 2 << 20
	// maxAttempts ends an entry on which its connector fails again and again:
	// what comes behind it must not wait for ever.
	maxAttempts = 5
)

var errAway = model.Errorf(model.Unavailable, "replay journal", "the connector is away")

// round starts working off every route that can be.
func (j *Journal) round(ctx context.Context, work *sync.WaitGroup) {
	for _, r := range j.all() {
		if r.log.Quiet() || r.paused(j.Now()) {
			continue
		}
		select {
		case r.busy <- struct{}{}:
		default:
			continue // somebody is at it
		}
		work.Go(func() {
			again := j.work(ctx, r)
			<-r.busy
			if again {
				j.poke()
			}
		})
	}
}

// work hands over what waits in a route, as far as that can be done now. It
// reports whether something came in at the very end.
func (j *Journal) work(ctx context.Context, r *route) (again bool) {
	log := j.Logger.With(telemetry.FieldPlugin, r.log.Route.Plugin, telemetry.FieldAccount, r.log.Route.Account)
	taken, err := 0, r.log.Refresh(ctx)
	if err == nil && r.log.Waiting().Entries > 0 && j.Ready(r.log.Route.Plugin, r.log.Route.Account) {
		taken, err = j.drain(ctx, r)
	}
	switch {
	case ctx.Err() != nil:
		return false
	case err != nil && !model.CodeOf(err).Temporary():
		r.pause(j.Now().Add(sweepEvery)) // a fault of ours does not pass by itself
		log.Error("the journal could not be replayed", telemetry.FieldError, err)
	case err == nil && taken > 0:
		log.Info("the journal was replayed", telemetry.FieldCount, taken)
		return !r.log.Quiet()
	}
	return false
}

// drain hands over what waits until nothing does, in the order of arrival, and
// returns how many entries the connector took. Whoever calls it holds busy.
func (j *Journal) drain(ctx context.Context, r *route) (taken int, err error) {
	defer func() { j.measure(r.log.Route.Plugin) }()
	for {
		entries, err := r.log.Read(ctx, 0)
		if err != nil || len(entries) == 0 {
			return taken, err
		}
		for len(entries) > 0 {
			if err := ctx.Err(); err != nil {
				return taken, model.Wrap(model.Unavailable, "replay journal", err)
			}
			n, took, err := j.step(ctx, r, entries)
			taken += took
			if err != nil {
				return taken, err
			}
			entries = entries[n:]
		}
		if err := r.log.Trim(ctx); err != nil {
			return taken, err
		}
	}
}

// step ends the first entries: those whose time is over, or a batch that the
// connector takes. It returns how many it took off, and how many of them were
// taken by the connector.
func (j *Journal) step(ctx context.Context, r *route, entries []store.JournalEntry) (n, taken int, err error) {
	if n, err = j.expire(ctx, r, entries); n > 0 || err != nil {
		return n, 0, err
	}
	if !j.Ready(r.log.Route.Plugin, r.log.Route.Account) {
		return 0, 0, errAway
	}
	batch := r.batch(entries)
	verdicts, err := j.handOver(ctx, r.log, batch)
	if err != nil && len(batch) > 1 {
		// One of them may be what the connector fails on: which, and whether
		// the connector is there at all, shows one by one.
		r.alone = len(batch)
		return 0, 0, nil
	}
	if err == nil {
		failpoint.Hit("journal.after_take")
	}
	var became store.JournalTally
	for n < len(verdicts) && verdicts[n].err == nil {
		became = became.Plus(verdicts[n].became)
		n++
	}
	if n > 0 {
		if err := j.done(ctx, r, batch[n-1], became); err != nil {
			return 0, 0, err
		}
		r.alone = max(0, r.alone-n)
	}
	if err == nil && n < len(verdicts) {
		err = verdicts[n].err
	}
	if err == nil {
		return n, became.Replayed, nil
	}
	gave, err := j.failed(ctx, r, batch[n], err)
	return n + gave, became.Replayed, err
}

// batch returns the entries that share the next call.
func (r *route) batch(entries []store.JournalEntry) []store.JournalEntry {
	if r.alone > 0 {
		return entries[:1]
	}
	n, size := 0, int64(0)
	for n < min(len(entries), maxBatch) && entries[n].Kind == entries[0].Kind {
		size += entries[n].Size
		if n > 0 && size > maxBatchBytes {
			break
		}
		n++
	}
	return entries[:n]
}

// failed notes a failed attempt on the first entry. A connector that fails on
// it too often does not get it again: then 1 is returned, else the error.
func (j *Journal) failed(ctx context.Context, r *route, e store.JournalEntry, cause error) (int, error) {
	if ctx.Err() != nil {
		return 0, cause
	}
	if _, ok := errors.AsType[*lockedError](cause); ok {
		r.pause(j.Now().Add(sweepEvery)) // a round comes by itself that often
		j.Logger.Error("a journaled entry waits for the root of keys", telemetry.FieldPlugin, r.log.Route.Plugin,
			telemetry.FieldAccount, r.log.Route.Account, telemetry.FieldError, cause)
		return 0, cause
	}
	// While the store cannot note the attempt it does not count either.
	attempts, err := r.log.Tried(ctx)
	if err != nil {
		return 0, err
	}
	log := j.Logger.With(telemetry.FieldPlugin, r.log.Route.Plugin, telemetry.FieldAccount, r.log.Route.Account,
		"entry", entryID(r.log.Route, e.N), telemetry.FieldAttempt, attempts, telemetry.FieldError, cause)
	if attempts < maxAttempts {
		log.Warn("a journaled entry could not be handed over yet")
		wait := j.Pause
		for range attempts - 1 {
			wait *= 3
		}
		r.pause(j.Now().Add(wait))
		time.AfterFunc(wait, j.poke)
		return 0, cause
	}
	content, err := r.log.Content(ctx, e)
	if err != nil && !model.Is(err, model.Corrupt) && !model.Is(err, model.NotFound) {
		return 0, err
	}
	if err := j.letter(ctx, r.log.Route, e, content, reasonFails); err != nil {
		return 0, err
	}
	log.Error("a journaled entry was given up: its connector keeps failing on it")
	return 1, j.done(ctx, r, e, store.JournalTally{Refused: 1})
}

// expire ends the first entries whose time is over.
func (j *Journal) expire(ctx context.Context, r *route, entries []store.JournalEntry) (n int, err error) {
	for n < len(entries) && !j.Now().Before(entries[n].Expires) {
		n++
	}
	if n == 0 {
		return 0, nil
	}
	if err := j.done(ctx, r, entries[n-1], store.JournalTally{Expired: n}); err != nil {
		return 0, err
	}
	j.Logger.Warn("journaled entries expired: their connector stayed away too long",
		telemetry.FieldPlugin, r.log.Route.Plugin, telemetry.FieldAccount, r.log.Route.Account, telemetry.FieldCount, n)
	return n, nil
}

// done takes everything up to an entry off, and counts it.
func (j *Journal) done(ctx context.Context, r *route, last store.JournalEntry, became store.JournalTally) error {
	if err := r.log.Done(ctx, last, became); err != nil {
		return err
	}
	plugin := string(r.log.Route.Plugin)
	j.Metrics.Journaled(plugin, telemetry.JournalReplayed, became.Replayed)
	j.Metrics.Journaled(plugin, telemetry.JournalRefused, became.Refused)
	j.Metrics.Journaled(plugin, telemetry.JournalExpired, became.Expired)
	return nil
}

// Sweep ends what waited too long, also of routes whose connector is away, and
// destroys the keys that nothing is sealed under any more.
func (j *Journal) Sweep(ctx context.Context) error {
	for _, r := range j.all() {
		select {
		case r.busy <- struct{}{}:
		default:
			continue // it is being worked off, which ends those too
		}
		err := j.sweep(ctx, r)
		<-r.busy
		if err != nil {
			return err
		}
	}
	return j.journals.EndDays(ctx)
}

func (j *Journal) sweep(ctx context.Context, r *route) error {
	defer func() { j.measure(r.log.Route.Plugin) }()
	for r.log.Waiting().Entries > 0 {
		entries, err := r.log.Read(ctx, 0)
		if err != nil {
			return err
		}
		if n, err := j.expire(ctx, r, entries); err != nil || n == 0 {
			return err
		}
		if err := r.log.Trim(ctx); err != nil {
			return err
		}
	}
	return nil
}
