package inbound

import (
	"context"
	"fmt"
	"time"

	"github.com/channelhub/channelhub/hub/accounts"
	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/pluginhost"
	"github.com/channelhub/channelhub/hub/store"
	"github.com/channelhub/channelhub/internal/failpoint"
)

// commit takes an event through T, E and L and returns its row and whether it
// was new. The list can be repeated from the start after a crash at any point:
// a repeat finds E, or makes it again with a later number, and L drops a
// pointer that is there already (I1, I3). The end of a session that is over
// already leaves no row.
func (in *Inbound) commit(ctx context.Context, client *store.Client, acct accounts.Account, dir store.Directory, ev pluginhost.Event, received time.Time) (stored store.StoredEvent, fresh bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, in.StepTimeout)
	defer cancel()

	key, err := client.EventKey(ctx, acct.ID, ev.DedupeKey)
	if err != nil {
		return stored, false, err
	}
	stored, found, err := in.repeated(ctx, client, dir, key, ev)
	if err == nil && !found {
		if ev.Type == model.ConversationEnded {
			if over, err := sessionOver(ctx, client, dir.Conversation); err != nil || over {
				return store.StoredEvent{}, false, err
			}
		}
		stored, fresh, err = in.promise(ctx, client, acct, dir, key, ev, received)
	}
	if err != nil {
		return stored, false, err
	}

	failpoint.Hit("inbound.before_L")
	_, err = client.Feed(dir.Conversation).Append(ctx, pointer(stored), stored.Tail)
	if err != nil {
		return stored, false, fmt.Errorf("append event to feed: %w", err)
	}
	failpoint.Hit("inbound.after_L")
	return stored, fresh, nil
}

// repeated returns the event's row if it is there. Where T and E are written
// together the row is not looked for: a repeat shows when they are.
func (in *Inbound) repeated(ctx context.Context, client *store.Client, dir store.Directory, key model.Random16, ev pluginhost.Event) (store.StoredEvent, bool, error) {
	if client.PromisesTogether() && ev.Type != model.ConversationEnded {
		return store.StoredEvent{}, false, nil
	}
	stored, err := client.Event(ctx, dir.Conversation, key)
	if model.Is(err, model.NotFound) {
		return store.StoredEvent{}, false, nil
	}
	return stored, err == nil, err
}

// maxConflicts bounds how often T is tried: with a lock in this process, only
// other hubs can get in between.
const maxConflicts = 20

// promise writes T, which gives the event its number and commit time and keeps
// the conversation's session and contact up to date, and E.
func (in *Inbound) promise(ctx context.Context, client *store.Client, acct accounts.Account, dir store.Directory, key model.Random16, ev pluginhost.Event, received time.Time) (store.StoredEvent, bool, error) {
	failpoint.Hit("inbound.before_T")
	conv, err := client.Conversation(ctx, dir.Conversation)
	if model.Is(err, model.NotFound) {
		conv, err = store.Conversation{ID: dir.Conversation, Account: acct.ID, Contact: dir.Contact, Key: dir.Key()}, nil
	}
	if err != nil {
		return store.StoredEvent{}, false, err
	}
	tail, err := client.Feed(dir.Conversation).Tail(ctx)
	if err != nil {
		return store.StoredEvent{}, false, err
	}
	keep := in.retention(acct.Client)
	for range maxConflicts {
		next, err := in.next(ctx, client, conv, ev)
		if err != nil {
			return store.StoredEvent{}, false, err
		}
		done, err := client.Promise(ctx, next, store.StoredEvent{
			Conversation: dir.Conversation, Key: key, Account: acct.ID, SealKey: next.Key, Type: ev.Type,
			In: next.In, Committed: next.Committed, Tail: tail, Received: received,
			ContentUntil: received.Add(keep.Undelivered), Expires: received.Add(keep.RowLife()),
			Traceparent: ev.Traceparent,
			Event:       compose(acct, next, ev), FetchRefs: ev.FetchRefs,
		})
		switch {
		case err != nil:
			return store.StoredEvent{}, false, err
		case !done.Stale:
			failpoint.Hit("inbound.after_E")
			if next.SessionEnded && ev.Type == model.ConversationEnded {
				in.dropContext(ctx, client, dir.Conversation)
			}
			return done.Event, done.Fresh, nil
		}
		conv = done.Conversation
	}
	return store.StoredEvent{}, false, model.Wrap(model.Unavailable, "commit conversation", errNoProgress)
}

// next is the conversation with the event in it.
func (in *Inbound) next(ctx context.Context, client *store.Client, v store.Conversation, ev pluginhost.Event) (store.Conversation, error) {
	now := in.Now()
	occurred := occurredAt(ev, now)
	v.In++
	// Strictly later, so that commit times alone order what was said.
	v.Committed = later(v.Committed.Add(time.Millisecond), now)
	if ev.Type == model.ConversationEnded && ev.EndedBy != "" {
		if ev.DedupeKey != endKey(v.Session) {
			return v, errOtherSession
		}
		// Our own side's act: the customer did not write.
		v.SessionEnded, v.EndedBy, v.EndedAt = true, ev.Reason, v.Committed
		return v, nil
	}
	v.LastInbound = later(v.LastInbound, occurred)
	v.Addresses = ev.Addresses
	if ev.DisplayName != "" {
		v.DisplayName = ev.DisplayName
	}
	// An end opens nothing, also when an earlier try got as far as T.
	open := ev.Type == model.ConversationEnded
	if !open {
		var err error
		if open, err = in.sessionOpen(ctx, client, v, now); err != nil {
			return v, err
		}
	}
	if !open {
		v.Session, v.SessionSince, v.SessionEnded = model.NewSessionID(), now, false
		v.EndedBy, v.EndedAt = "", time.Time{}
	}
	v.SessionLast = later(v.SessionLast, now)
	switch ev.Type {
	case model.ConversationEnded:
		v.SessionEnded, v.EndedBy, v.EndedAt = true, string(model.Customer), v.Committed
	case model.ContactOptedOut:
		v.OptedOut = true
	case model.ContactOptedIn:
		v.OptedOut = false
	default:
	}
	return v, nil
}

// sessionOpen reports whether the conversation's session goes on. An answer of
// the client's keeps it open too; since answers do not write T, the lane is
// asked, and only when the customer has been quiet for long.
func (in *Inbound) sessionOpen(ctx context.Context, client *store.Client, v store.Conversation, now time.Time) (bool, error) {
	if v.Session == "" || v.SessionEnded {
		return false, nil
	}
	if now.Sub(v.SessionLast) < sessionIdle {
		return true, nil
	}
	rows, err := client.Lane(v.ID).ReadBack(ctx, 0, 1)
	if err != nil || len(rows) == 0 {
		return false, err
	}
	last := rows[0].Records[len(rows[0].Records)-1].At.Time()
	return now.Sub(last) < sessionIdle, nil
}

func pointer(e store.StoredEvent) store.Record {
	return store.Record{
		Kind: store.EventRecord, Conversation: e.Conversation, Key: e.Key, Type: e.Type,
		Account: e.Account, Direction: model.Inbound, At: store.Millis(e.Committed), Author: authorOf(e.Event),
		Files: filesOf(e.Event),
	}
}

func filesOf(ev model.Event) int {
	if ev.Message == nil {
		return 0
	}
	return len(ev.Message.Attachments)
}

func authorOf(ev model.Event) model.Author {
	if ev.Author != "" {
		return ev.Author
	}
	return model.Customer
}

func (in *Inbound) retention(id model.ClientID) model.Retention {
	c, _ := in.Accounts.Client(id)
	return c.Retention
}

// occurredAt is the provider's time of the event, if it can be believed.
func occurredAt(ev pluginhost.Event, now time.Time) time.Time {
	if ev.OccurredAt.IsZero() || ev.OccurredAt.After(now.Add(futureSlack)) {
		return now
	}
	return ev.OccurredAt
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
