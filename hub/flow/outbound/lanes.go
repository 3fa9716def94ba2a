package outbound

import (
	"context"
	"sync"

	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/store"
)

type laneKey struct {
	client model.ClientID
	conv   model.ConversationID
}

// lane is a conversation's deliveries as this process works on them. It lives
// while there is work, and a moment longer.
type lane struct {
	laneKey
	wake chan struct{} // one token: look again

	mu      sync.Mutex
	active  store.ActiveLane // the note on disk, once noted is true
	noted   bool
	appends int // submissions between the note and their lane entry
	running bool
	gone    bool // taken out of the map: get another
}

func (l *lane) poke() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// begin notes on disk that the lane is about to have work, unless the note is
// there, and keeps it there until done is called. Done starts the lane.
func (o *Outbound) begin(ctx context.Context, client model.ClientID, conv model.ConversationID) (done func(), err error) {
	for {
		l, err := o.lane(laneKey{client, conv})
		if err != nil {
			return nil, err
		}
		l.mu.Lock()
		if l.gone {
			l.mu.Unlock()
			continue
		}
		if !l.noted {
			if l.active, err = o.Store.PutActive(ctx, client, conv); err != nil {
				if l.appends == 0 && !l.running {
					o.forget(l)
				}
				l.mu.Unlock()
				return nil, err
			}
			l.noted = true
		}
		l.appends++
		l.mu.Unlock()
		return func() { o.appended(l) }, nil
	}
}

// appended ends a submission that begin announced and starts the lane.
func (o *Outbound) appended(l *lane) {
	l.mu.Lock()
	l.appends--
	gone, active := l.gone, l.active
	if !gone {
		o.run(l)
	}
	l.mu.Unlock()
	if gone {
		// Another process took the lane meanwhile. The note still stands;
		// a runner may only ever be the one of the lane in the map.
		o.resume(active)
		return
	}
	l.poke()
}

// resume takes up a lane that is noted on disk.
func (o *Outbound) resume(a store.ActiveLane) {
	for {
		l, err := o.lane(laneKey{a.Client, a.Conversation})
		if err != nil {
			return // closing
		}
		l.mu.Lock()
		if l.gone {
			l.mu.Unlock()
			continue
		}
		if !l.noted {
			l.active, l.noted = a, true
		}
		o.run(l)
		l.mu.Unlock()
		l.poke()
		return
	}
}

// poke makes the lane of a conversation look again, if it is running.
func (o *Outbound) poke(client model.ClientID, conv model.ConversationID) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if l, ok := o.lanes[laneKey{client, conv}]; ok {
		l.poke()
	}
}

// lane returns the lane, making it when there is none.
func (o *Outbound) lane(k laneKey) (*lane, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closing {
		return nil, model.Errorf(model.Unavailable, "use lane", "the hub is shutting down")
	}
	l, ok := o.lanes[k]
	if !ok {
		l = &lane{laneKey: k, wake: make(chan struct{}, 1)}
		o.lanes[k] = l
		o.Metrics.LaneActive(1)
	}
	return l, nil
}

// run starts the lane's runner unless it runs, or the hub closes: then the
// note makes the next process do so. The lane's lock is held.
func (o *Outbound) run(l *lane) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if l.running || o.closing {
		return
	}
	l.running = true
	o.running.Add(1)
	go func() {
		defer o.running.Done()
		(&runner{o: o, lane: l}).run(o.ctx)
	}()
}

// retire ends a lane that has no work: the note goes, unless a submission is
// on its way. It reports whether the runner may end.
func (o *Outbound) retire(ctx context.Context, l *lane, drained func() (bool, error)) (bool, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.appends > 0 {
		return false, nil
	}
	// Nobody can note the lane anew while its lock is held, and an entry that
	// was appended under the present note shows here.
	if ok, err := drained(); err != nil || !ok {
		return false, err
	}
	if err := o.Store.RemoveActive(ctx, l.active); err != nil {
		return false, err
	}
	o.forget(l)
	return true, nil
}

// forget takes the lane out of the map. Its lock is held.
func (o *Outbound) forget(l *lane) {
	l.gone, l.running, l.noted = true, false, false
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.lanes[l.laneKey] == l {
		delete(o.lanes, l.laneKey)
		o.Metrics.LaneActive(-1)
	}
}
