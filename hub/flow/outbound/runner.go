package outbound

import (
	"context"
	"time"

	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/store"
	"github.com/channelhub/channelhub/internal/failpoint"
)

// faultPause is how long a lane rests after the store failed it.
const faultPause = time.Second

// runner works on one lane: head first, and held deliveries when their time
// has come. One goroutine owns it.
type runner struct {
	o      *Outbound
	lane   *lane
	client *store.Client
	claim  store.Claim

	head    *store.Outbound // the entry being worked on; nil: take the next
	drained time.Time       // since when there was nothing to do
}

// run works until the lane has been without work for a while, another process
// took it, or the hub closes.
func (r *runner) run(ctx context.Context) {
	for !r.o.isClosing() {
		err := r.prepare(ctx)
		for err == nil && !r.o.isClosing() {
			var wait waiting
			if wait, err = r.step(ctx); err != nil {
				break
			}
			if wait.lost {
				r.stop()
				return
			}
			if wait.again {
				continue
			}
			if wait.idle {
				ended, retireErr := r.idle(ctx)
				if ended {
					return
				}
				err = retireErr
				continue
			}
			r.pause(ctx, wait)
		}
		if err != nil && ctx.Err() == nil {
			r.o.Logger.Warn("a lane stopped for a moment", "client", r.lane.client, "conversation", r.lane.conv, "error", err)
			r.head, r.client = nil, nil
			r.pause(ctx, waiting{until: r.o.Now().Add(faultPause)})
		}
	}
	r.stop()
}

// stop leaves the lane as it is: the note on disk stays for whoever comes next.
func (r *runner) stop() {
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

func (r *runner) pause(ctx context.Context, w waiting) {
	if w.until.IsZero() {
		w.until = r.o.Now().Add(stateRecheck)
	}
	timer := time.NewTimer(max(w.until.Sub(r.o.Now()), 0))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-r.lane.wake:
	case <-r.o.stateChange():
	case <-ctx.Done():
	}
}

// idle lingers and then retires the lane; it reports whether it is gone.
func (r *runner) idle(ctx context.Context) (bool, error) {
	if r.drained.IsZero() {
		r.drained = r.o.Now()
	}
	until := r.drained.Add(r.o.Linger)
	if r.o.Now().Before(until) {
		r.pause(ctx, waiting{until: until})
		return false, nil
	}
	r.drained = time.Time{}
	return r.o.retire(ctx, r.lane, func() (bool, error) {
		next, err := r.next(ctx)
		return next == nil, err
	})
}

// prepare takes the lane over if it is not ours, and finds what is open.
func (r *runner) prepare(ctx context.Context) (err error) {
	if r.client != nil {
		return nil
	}
	client, err := r.o.Store.Client(ctx, r.lane.client)
	if err != nil {
		return err
	}
	if r.claim, err = client.Claim(ctx, r.lane.conv); err != nil {
		return err
	}
	r.client = client
	if r.claim.Owner != r.o.owner {
		if err = r.takeOver(ctx); err != nil {
			r.client = nil
			return err
		}
	}
	if r.head, err = r.openEntry(ctx); err != nil {
		r.client = nil
	}
	return err
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
		return model.Errorf(model.Conflicting, "take lane over", "another process took it")
	}
	r.claim = claim
	failpoint.Hit("outbound.after_takeover")
	if err := sleepUntil(ctx, old.SendUntil, r.o.Now); err != nil {
		return err
	}
	return r.settleUnknown(ctx, old)
}

func sleepUntil(ctx context.Context, until time.Time, now func() time.Time) error {
	timer := time.NewTimer(until.Sub(now()))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return model.Wrap(model.Unavailable, "wait for the last owner's attempt", ctx.Err())
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
