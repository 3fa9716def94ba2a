// Package retention ends what is past its time.
//
// Content ends for its readers at an instant that is computed at every read
// (Ends), from the time it came in and from when the client's consumers
// acknowledged it: whatever the sweeper is doing, nobody reads it from then on
// (I9). The Sweeper removes it afterwards, in small steps that a repeat after
// a crash completes.
package retention

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/store"
)

// Policy is what a client's data lives by. It is a value.
type Policy struct {
	Client model.ClientID
	Keep   model.Retention
	// Consumers are the names whose acknowledgements count: those of tokens
	// that are not revoked.
	Consumers []string
}

// Policies tells what the clients' data lives by.
type Policies interface {
	// Policy returns the policy of a client.
	Policy(ctx context.Context, id model.ClientID) (Policy, error)
}

// EndsOptions for NewEnds; nil takes every default.
type EndsOptions struct {
	Policies Policies         // nil: nothing ends before it has been undelivered for too long
	Now      func() time.Time // nil: time.Now
}

// Ends tells what has ended. It is safe for concurrent use.
type Ends struct {
	policies Policies
	now      func() time.Time

	mu   sync.Mutex
	seen map[model.ClientID]*View
}

// NewEnds returns an Ends.
func NewEnds(o *EndsOptions) *Ends {
	e := &Ends{now: time.Now, seen: map[model.ClientID]*View{}}
	if o != nil {
		e.policies = o.Policies
		if o.Now != nil {
			e.now = o.Now
		}
	}
	return e
}

// viewLife is how long marks are used again. A mark that is not known yet only
// matters after the whole time that what it acknowledges is kept.
const viewLife = 2 * time.Second

// View is how far a client's consumers had come when it was made. It is shared
// and nobody changes it.
type View struct {
	client    *store.Client
	keep      model.Retention
	known     bool // there is a policy
	consumers []store.Consumer
	now       func() time.Time
	made      time.Time
}

// Of returns the view of a client, from memory when it is a moment old.
func (e *Ends) Of(ctx context.Context, client *store.Client) (*View, error) {
	now := e.now()
	e.mu.Lock()
	v, ok := e.seen[client.ID]
	e.mu.Unlock()
	if ok && v.client == client && now.Sub(v.made) < viewLife && !now.Before(v.made) {
		return v, nil
	}
	v, err := e.look(ctx, client, now)
	if err != nil {
		return nil, err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.seen[client.ID] = v
	return v, nil
}

func (e *Ends) look(ctx context.Context, client *store.Client, now time.Time) (*View, error) {
	v := &View{client: client, now: e.now, made: now}
	if e.policies == nil {
		return v, nil
	}
	p, err := e.policies.Policy(ctx, client.ID)
	if err != nil {
		return nil, err
	}
	v.keep, v.known = p.Keep, true
	names := slices.Compact(slices.Sorted(slices.Values(p.Consumers)))
	for _, name := range names {
		k, err := client.Consumer(ctx, name)
		if err != nil {
			return nil, err
		}
		if len(k.History) > 0 {
			v.consumers = append(v.consumers, k)
		}
	}
	return v, nil
}

// readAt is when the slowest consumer first stood at or past a place; false
// when one did not get there, or nobody ever acknowledged anything.
func (v *View) readAt(shard int, behind store.Position) (at time.Time, ok bool) {
	for _, k := range v.consumers {
		t, read := k.ReadAt(shard, behind)
		if !read {
			return time.Time{}, false
		}
		if t.After(at) {
			at = t
		}
	}
	return at, len(v.consumers) > 0
}

// end is when something at a known place ends, and whether that is because it
// was read.
func (v *View) end(shard int, behind store.Position, until time.Time) (at time.Time, read bool) {
	t, ok := v.readAt(shard, behind)
	if !ok {
		return until, false
	}
	if t.After(until) {
		return until, false // it had ended when somebody came by
	}
	if over := t.Add(v.keep.Messages); v.known && over.Before(until) {
		return over, true
	}
	return until, true
}

// EventAt tells whether the content of an event at a known place of the feed
// has ended.
func (v *View) EventAt(e store.StoredEvent, behind store.Position) bool {
	at, _ := v.end(v.client.ShardOf(e.Conversation), behind, e.ContentUntil)
	return e.Ended || !v.now().Before(at)
}

// Event tells whether the content of an event has ended. Where it lies in the
// feed is looked up only if that decides.
func (v *View) Event(ctx context.Context, e store.StoredEvent) (bool, error) {
	if e.Ended {
		return true, nil
	}
	return v.ended(ctx, e.Pointer(), e.Tail, e.ContentUntil)
}

// Message tells whether the content of an outbound message has ended. It ends
// once its final status has been read for long enough, unless it waits as a
// dead letter; on its way it does not.
func (v *View) Message(ctx context.Context, o store.Outbound) (bool, error) {
	switch {
	case o.Ended:
		return true, nil
	case o.FinalSeq == 0 || o.DeadLettered:
		return !v.now().Before(o.ContentUntil), nil
	}
	return v.ended(ctx, o.FinalRecord(), o.FinalTail, o.ContentUntil)
}

// ended decides about a record that lies somewhere behind the tail that its
// promise noted.
func (v *View) ended(ctx context.Context, r store.Record, tail uint64, until time.Time) (bool, error) {
	now := v.now()
	if !now.Before(until) {
		return true, nil
	}
	shard := v.client.ShardOf(r.Conversation)
	// The first place where it could lie: what has not ended there has not
	// ended further on.
	if at, _ := v.end(shard, store.Position{N: tail + 1, Index: 1}, until); now.Before(at) {
		return false, nil
	}
	behind, found, trimmed, err := v.client.PlaceOf(ctx, r, tail)
	if err != nil || !found {
		return trimmed, err
	}
	at, _ := v.end(shard, behind, until)
	return !now.Before(at), nil
}
