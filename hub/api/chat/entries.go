package chat

import (
	"context"
	"time"

	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/retention"
	"github.com/channelhub/channelhub/hub/store"
)

// entry is one step of a conversation.
type entry struct {
	message *model.Message // nil: nothing to show
	when    time.Time
	after   *position // the place behind it; nil: none that could be gone on from
}

// aheadFor is how long the lane entry of a message may come after its row.
const aheadFor = time.Minute

// replay shows the newest messages that are still kept, to a browser that has
// seen none.
func (v *view) replay(ctx context.Context, conv model.ConversationID) error {
	lane := v.client.Lane(conv)
	// The tail first: what comes in between is in the history, and found again
	// in the lane.
	tail, err := lane.Tail(ctx)
	if err != nil {
		return err
	}
	h, err := v.client.History(ctx, conv)
	if err != nil {
		return err
	}
	now := v.chat.opts.Now()
	view, err := v.chat.opts.Ends.Of(ctx, v.client)
	if err != nil {
		return err
	}
	place := &position{lane: tail}
	var events, messages []entry
	ahead := map[model.Random16]bool{}
	for _, e := range h.Events {
		place.in = max(place.in, e.In)
		m, err := v.shownEvent(ctx, view, e)
		if err != nil {
			return err
		}
		if m != nil {
			events = append(events, entry{message: m, when: e.Committed})
		}
	}
	for _, o := range h.Outbound {
		m, err := v.shownOutbound(ctx, view, o)
		if err != nil {
			return err
		}
		if m != nil {
			messages = append(messages, entry{message: m, when: o.Created})
			if now.Sub(o.Created) < aheadFor {
				ahead[o.UUID] = true
			}
		}
	}
	all := merge(events, messages)
	all = all[max(0, len(all)-v.chat.limits.Replay):]
	if len(all) > 0 {
		// A browser that is cut off on the way begins anew.
		all[len(all)-1].after = place
	}
	if err := v.showAll(ctx, conv, all); err != nil {
		return err
	}
	v.at, v.ahead = place, ahead
	return nil
}

// advance shows what follows the place the browser is at, one page of it, and
// reports whether there may be more.
func (v *view) advance(ctx context.Context, conv model.ConversationID, in uint64) (more bool, err error) {
	view, err := v.chat.opts.Ends.Of(ctx, v.client)
	if err != nil {
		return false, err
	}
	// An entry changes its own part of the place: the number, or the lane.
	var events []entry
	if in > v.at.in {
		fresh, err := v.client.EventsAfter(ctx, conv, v.at.in)
		if err != nil {
			return false, err
		}
		for _, e := range fresh {
			m, err := v.shownEvent(ctx, view, e)
			if err != nil {
				return false, err
			}
			events = append(events, entry{message: m, when: e.Committed, after: &position{in: e.In}})
		}
	}
	messages, more, err := v.lane(ctx, conv, view)
	if err != nil {
		return false, err
	}
	all := merge(events, messages)
	place := *v.at
	for i := range all {
		if p := all[i].after; p.in > 0 {
			place.in = p.in
		} else {
			place.lane, place.index = p.lane, p.index
		}
		*all[i].after = place
	}
	return more, v.showAll(ctx, conv, all)
}

// lane reads the next page of what was said to the customer.
func (v *view) lane(ctx context.Context, conv model.ConversationID, ends *retention.View) (entries []entry, more bool, err error) {
	rows, err := v.client.Lane(conv).Read(ctx, v.at.lane, lanePage)
	if model.Is(err, model.NotFound) {
		// Trimmed: the browser was away for longer than anything is kept, and is
		// shown what is left from the start.
		v.at = nil
		return nil, false, model.Wrap(model.Unavailable, "read lane", err)
	}
	if err != nil {
		return nil, false, err
	}
	for i, row := range rows {
		for j, record := range row.Records {
			if i == 0 && uint64(j) < v.at.index {
				continue
			}
			e := entry{when: record.At.Time(), after: &position{lane: row.N - 1, index: uint64(j) + 1}}
			if j == len(row.Records)-1 {
				e.after = &position{lane: row.N}
			}
			if !v.ahead[record.Key] {
				o, err := v.client.Outbound(ctx, conv, record.Key)
				if err != nil && !model.Is(err, model.NotFound) {
					return nil, false, err
				}
				if err == nil {
					e.when = o.Created
					if e.message, err = v.shownOutbound(ctx, ends, o); err != nil {
						return nil, false, err
					}
				}
			}
			entries = append(entries, e)
		}
	}
	return entries, len(rows) == lanePage, nil
}

// merge puts two runs into one by time, and by id what is of one time: so do
// all who show a conversation. Each stays in its own order: that is the order
// it was committed in (I4).
func merge(a, b []entry) []entry {
	out := make([]entry, 0, len(a)+len(b))
	for len(a) > 0 && len(b) > 0 {
		if b[0].before(a[0]) {
			out, b = append(out, b[0]), b[1:]
		} else {
			out, a = append(out, a[0]), a[1:]
		}
	}
	return append(append(out, a...), b...)
}

func (e entry) before(other entry) bool {
	if d := e.when.Compare(other.when); d != 0 {
		return d < 0
	}
	return e.message != nil && other.message != nil && e.message.ID < other.message.ID
}

// shownEvent is the message of an event as browsers see it; nil when the event
// has none, or its content has ended (I9).
func (v *view) shownEvent(ctx context.Context, ends *retention.View, e store.StoredEvent) (*model.Message, error) {
	if e.Event.Message == nil {
		return nil, nil
	}
	switch e.Type {
	case model.MessageReceived, model.PostbackReceived, model.UnsupportedReceived:
		if ended, err := ends.Event(ctx, e); err != nil || ended {
			return nil, err
		}
		m, at := *e.Event.Message, model.At(e.Committed)
		m.CreatedAt = &at
		return v.asItStands(ctx, &m, e.Received)
	default:
		return nil, nil
	}
}

// shownOutbound is a message to the customer as browsers see it; nil when it
// was not sent or its content has ended (I9).
func (v *view) shownOutbound(ctx context.Context, ends *retention.View, o store.Outbound) (*model.Message, error) {
	switch o.Status {
	case model.Sent, model.Delivered, model.Read:
		if ended, err := ends.Message(ctx, o); err != nil || ended {
			return nil, err
		}
		m := o.View()
		return v.asItStands(ctx, &m, o.Created)
	default:
		return nil, nil
	}
}
