package outbound

import (
	"context"
	"errors"
	"time"

	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/store"
	"github.com/channelhub/channelhub/hub/telemetry"
	"github.com/channelhub/channelhub/internal/failpoint"
)

// faultPause is how long a lane rests after the store failed it.
const faultPause = time.Second

// runner works on one lane: head first, and held deliveries when their time
// has come. One goroutine owns it.
type runner struct {
	o        *Outbound
	lane     *lane
	client   *store.Client
	claim    store.Claim
	prepared bool // claim and head are what the rows say
	// inherited is true until what another process left open is settled, also
	// when our own claim on the lane is written already.
	inherited bool

	head    *store.Outbound // the entry being worked on; nil: take the next
	open    *tried          // an attempt whose outcome is in hand and not written
	drained time.Time       // since when there was nothing to do
	counted int             // held deliveries that metrics know of
}

// run works until the lane has been without work for a while, another process
// took it, or the hub closes.
func (r *runner) run(ctx context.Context) {
	for !r.o.isClosing() {
		ended, err := r.work(ctx)
		switch {
		case ended:
			r.count(0)
			return
		case errors.Is(err, errLost):
			r.stop()
			return
		case err != nil && ctx.Err() == nil:
			r.o.Logger.Warn("a lane stopped for a moment", telemetry.FieldClient, r.lane.client, telemetry.FieldConversation, r.lane.conv, "error", err)
			r.head, r.prepared = nil, false
			r.pause(waiting{until: r.o.Now().Add(faultPause)}, nil)
		}
	}
	r.stop()
}

// work prepares the lane and takes steps until something fails, the hub closes
// or the lane has ended.
func (r *runner) work(ctx context.Context) (ended bool, err error) {
	if err := r.prepare(ctx); err != nil {
		return false, err
	}
	for !r.o.isClosing() {
		// Taken before the look, so that no change falls between the two.
		changed := r.o.stateChange()
		wait, err := r.step(ctx)
		r.count(len(r.claim.Held))
		switch {
		case err != nil:
			return false, err
		case wait.lost:
			return false, errLost
		case wait.again:
		case wait.idle:
			if ended, err := r.idle(ctx); err != nil || ended {
				return ended, err
			}
		default:
			r.pause(wait, changed)
		}
	}
	return false, nil
}

// errLost says that another process has the lane.
var errLost = errors.New("another process took the lane")

// count tells metrics how many held deliveries this lane looks after.
func (r *runner) count(held int) {
	r.o.Metrics.Held(held - r.counted)
	r.counted = held
}

// stop leaves the lane as it is: the note on disk stays for whoever comes next.
func (r *runner) stop() {
	r.count(0)
	r.lane.mu.Lock()
	defer r.lane.mu.Unlock()
	r.o.forget(r.lane)
}

// waiting says what a runner waits for.
type waiting struct {
	until time.Time // zero: nothing but a poke or a state change
	again bool      // nothing: there may be more to do
	idle  bool      // there is nothing to do
	lost  bool      // another process has the lane
}

// pause waits for what w says, a poke, a change of state or the end.
func (r *runner) pause(w waiting, changed <-chan struct{}) {
	if w.until.IsZero() {
		w.until = r.o.Now().Add(stateRecheck)
	}
	timer := time.NewTimer(max(w.until.Sub(r.o.Now()), 0))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-r.lane.wake:
	case <-changed:
	case <-r.o.quit.Done():
	}
}

// idle lingers and then retires the lane; it reports whether it is gone.
func (r *runner) idle(ctx context.Context) (bool, error) {
	if r.drained.IsZero() {
		r.drained = r.o.Now()
	}
	until := r.drained.Add(r.o.Linger)
	if r.o.Now().Before(until) {
		r.pause(waiting{until: until}, nil)
		return false, nil
	}
	r.drained = time.Time{}
	return r.o.retire(ctx, r.lane, func() (bool, error) {
		next, err := r.next(ctx)
		return next == nil, err
	})
}

// prepare takes the lane over if it is not ours, and finds what is open.
//
// An outcome in hand comes first: while it is not written, the message row
// reads as if nothing had been sent.
func (r *runner) prepare(ctx context.Context) (err error) {
	if r.open != nil {
		if _, err := r.finish(ctx); err != nil {
			return err
		}
	}
	if r.prepared {
		return nil
	}
	if r.client, err = r.o.Store.Client(ctx, r.lane.client); err != nil {
		return err
	}
	if r.claim, err = r.client.Claim(ctx, r.lane.conv); err != nil {
		return err
	}
	// A claim of this process was left by a lane that ended in order, or by a
	// write that was given up on: nothing was sent under it that is not in the
	// message row.
	if r.claim.Owner != r.o.owner || r.inherited {
		r.inherited = true
		if err := r.takeOver(ctx); err != nil {
			return err
		}
		r.inherited = false
	}
	if r.head, err = r.openEntry(ctx); err != nil {
		return err
	}
	r.prepared = true
	return nil
}

// takeOver makes the lane ours. When the old owner left an attempt without an
// outcome, it is fenced off first: the epoch is raised, the attempt waited
// out, and only then is its message row settled; what is not written there by
// then is unknown (I5). With nothing open, the next attempt's own write takes
// the lane, since it is conditional on the claim read here.
func (r *runner) takeOver(ctx context.Context) error {
	old := r.claim
	r.claim.Owner, r.claim.Epoch = r.o.owner, old.Epoch+1
	if old.Attempt == 0 {
		return nil
	}
	msg, err := r.client.Outbound(ctx, r.lane.conv, old.Message)
	if model.Is(err, model.NotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	if msg.Attempts >= old.Attempt || msg.Status.Final() {
		// The outcome was written; its record may not have been.
		return r.o.record(ctx, r.client, msg)
	}
	claim, ok, err := r.client.PutClaim(ctx, r.claim)
	if err != nil {
		return err
	}
	if !ok {
		return errLost
	}
	r.claim = claim
	failpoint.Hit("outbound.after_takeover")
	if err := r.sleepUntil(old.SendUntil); err != nil {
		return err
	}
	return r.settleUnknown(ctx, old)
}

func (r *runner) sleepUntil(until time.Time) error {
	timer := time.NewTimer(until.Sub(r.o.Now()))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-r.o.quit.Done():
		return model.Errorf(model.Unavailable, "wait for the last owner's attempt", "the hub is shutting down")
	}
}

// openEntry returns the message of the newest entry that was started, when its
// delivery is not over. A held one joins the others that wait.
func (r *runner) openEntry(ctx context.Context) (*store.Outbound, error) {
	at := r.claim.Open
	if at.N == 0 {
		return nil, nil
	}
	rows, err := r.client.Lane(r.lane.conv).Read(ctx, at.N-1, 1)
	if err != nil {
		return nil, err
	}
	if len(rows) == 0 || at.Index == 0 || at.Index > len(rows[0].Records) {
		return nil, model.Errorf(model.Corrupt, "resume lane", "the claim names an entry that is not there")
	}
	msg, err := r.client.Outbound(ctx, r.lane.conv, rows[0].Records[at.Index-1].Key)
	if model.Is(err, model.NotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if msg.Status == model.Held {
		r.hold(msg.UUID)
		return nil, nil
	}
	if msg.Status.Final() {
		return nil, r.o.record(ctx, r.client, msg)
	}
	return &msg, nil
}

// next returns the entry behind the claim's place, without taking it; nil when
// there is none.
func (r *runner) next(ctx context.Context) (*entry, error) {
	lane := r.client.Lane(r.lane.conv)
	at := r.claim.Open
	from := at.N
	if from > 0 {
		from-- // the row may hold more than what was taken from it
	}
	rows, err := lane.Read(ctx, from, 2)
	if err != nil {
		return nil, err
	}
	for _, row := range rows {
		skip := 0
		if row.N == at.N {
			skip = at.Index
		}
		if skip < len(row.Records) {
			return &entry{row.Records[skip].Key, store.Position{N: row.N, Index: skip + 1}}, nil
		}
	}
	return nil, nil
}

// entry is a lane entry and the place behind it.
type entry struct {
	message model.Random16
	behind  store.Position
}

func (o *Outbound) isClosing() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.closing
}
