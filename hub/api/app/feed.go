package app

import (
	"context"
	"time"

	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/retention"
	"github.com/channelhub/channelhub/hub/store"
)

// signalLife is how long somebody is typing: an older record is history.
const signalLife = 6 * time.Second

// page is a stretch of a client's feed.
type page struct {
	events []model.Event
	ends   [][]store.Position // behind each event
	at     []store.Position   // behind the last record looked at
	more   bool
}

// any reports whether a reader should come back for more without waiting.
func (p page) any() bool { return len(p.events) > 0 || p.more }

// maxLooked bounds the records that one page looks at: behind a long absence
// most of them may have ended, and a call must not read for minutes.
const maxLooked = 5000

// readFeed returns at most limit events behind the marks, in order within each
// of the client's logs, and so within each conversation (I4). Records whose
// content has ended are passed over.
func (a *App) readFeed(ctx context.Context, client *store.Client, from []store.Position, limit int) (page, error) {
	view, err := a.Ends.Of(ctx, client)
	if err != nil {
		return page{}, err
	}
	p := page{at: append([]store.Position(nil), from...)}
	looked := 0
	for shard, log := range client.FeedLogs() {
		for len(p.events) < limit {
			// A mark is the next unread record: its own row is read again
			// when it was left half way.
			rows, err := log.Read(ctx, before(p.at[shard].N), rowsFor(limit-len(p.events)))
			if model.Is(err, model.NotFound) {
				// What lay here was trimmed: reading goes on at the oldest row.
				var floor uint64
				if floor, err = log.Floor(ctx); err == nil {
					p.at[shard] = later(p.at[shard], store.Position{N: floor + 1})
					rows, err = log.Read(ctx, floor, rowsFor(limit-len(p.events)))
				}
			}
			if err != nil {
				return page{}, err
			}
			took := false
			for _, row := range rows {
				if row.N < p.at[shard].N {
					continue
				}
				skip := 0
				if row.N == p.at[shard].N {
					skip = p.at[shard].Index
				}
				for i := skip; i < len(row.Records); i++ {
					if looked++; len(p.events) == limit || looked > maxLooked {
						p.more = true
						return p, nil
					}
					ev, ok, err := a.render(ctx, client, view, place{uint16(shard), row, i})
					if err != nil {
						return page{}, err
					}
					took = true
					p.at[shard] = store.Behind(row, i)
					if ok {
						p.events = append(p.events, ev)
						p.ends = append(p.ends, append([]store.Position(nil), p.at...))
					}
				}
			}
			if !took {
				break
			}
		}
	}
	return p, nil
}

func later(a, b store.Position) store.Position {
	if a.Less(b) {
		return b
	}
	return a
}

// rowsFor is how many rows to read for n events: rows hold several under load.
func rowsFor(n int) int { return min(max(n, 1)+1, 200) }

func before(n uint64) uint64 {
	if n == 0 {
		return 0
	}
	return n - 1
}

// place is where a record lies.
type place struct {
	shard uint16
	row   store.LogRow
	index int
}

func (p place) record() store.Record { return p.row.Records[p.index] }

func (p place) behind() store.Position { return store.Behind(p.row, p.index) }

// render makes the event of a record; false when there is nothing left to
// show.
func (a *App) render(ctx context.Context, client *store.Client, view *retention.View, at place) (model.Event, bool, error) {
	rec := at.record()
	switch rec.Kind {
	case store.EventRecord:
		return a.renderEvent(ctx, client, view, at)
	case store.StatusRecord:
		return a.renderStatus(ctx, client, view, at)
	case store.SignalRecord:
		if a.Now().Sub(rec.At.Time()) > signalLife {
			return model.Event{}, false, nil
		}
		ev, err := a.bare(ctx, client, at)
		ev.Author = rec.Author
		return ev, err == nil, err
	case store.AccountRecord:
		ev, err := a.bare(ctx, client, at)
		ev.Account = a.accountMove(rec)
		return ev, err == nil, err
	case store.AttachmentRecord:
		return a.renderFile(ctx, client, at)
	case store.ExpiredRecord:
		ev, err := a.bare(ctx, client, at)
		ev.Count, ev.Reason = rec.Seq, "undelivered"
		return ev, err == nil, err
	case store.DeliveryRecord:
		// Lane entries do not lie in the feed.
	}
	return model.Event{}, false, nil
}

func (a *App) renderEvent(ctx context.Context, client *store.Client, view *retention.View, at place) (model.Event, bool, error) {
	rec := at.record()
	e, err := client.Event(ctx, rec.Conversation, rec.Key)
	if model.Is(err, model.NotFound) {
		return model.Event{}, false, nil // past its retention, or erased
	}
	if err != nil {
		return model.Event{}, false, err
	}
	if view.EventAt(e, at.behind()) { // I9
		return model.Event{}, false, nil
	}
	ev := e.Event
	ev.Message, err = a.heard(ctx, client, e)
	return ev, err == nil, err
}

func (a *App) renderStatus(ctx context.Context, client *store.Client, view *retention.View, at place) (model.Event, bool, error) {
	rec := at.record()
	msg, err := client.Outbound(ctx, rec.Conversation, rec.Key)
	if model.Is(err, model.NotFound) {
		return model.Event{}, false, nil
	}
	if err != nil {
		return model.Event{}, false, err
	}
	ev, err := a.bare(ctx, client, at)
	if err != nil {
		return model.Event{}, false, err
	}
	ended, err := view.Message(ctx, msg)
	if err != nil {
		return model.Event{}, false, err
	}
	m := msg.View()
	if ended { // I9
		forget(&m)
	}
	// What was said is the client's own; only what became of it is news.
	m.Content, m.Attachments = nil, nil
	m.Status = rec.New
	if msg.Seq != rec.Seq {
		m.Failure = nil // it belongs to a later move
	}
	ev.Message = &m
	return ev, true, nil
}

// accountMove is what a record tells of an account. Why it moved is known of
// its present state alone.
func (a *App) accountMove(rec store.Record) *model.AccountState {
	move := &model.AccountState{State: string(rec.New), Was: string(rec.Old)}
	if now := a.Accounts.Status(rec.Account); string(now.State) == move.State && store.Millis(now.Since) == rec.At {
		move.Detail = now.Detail
	}
	return move
}

// bare is an event that lives only as a record.
func (a *App) bare(ctx context.Context, client *store.Client, at place) (model.Event, error) {
	rec := at.record()
	ev := model.Event{
		ID:   model.EventPlace{Log: at.shard, N: at.row.N, Index: uint16(at.index)}.ID(),
		Type: rec.Type, ClientID: client.ID, AccountID: rec.Account, Channel: a.channelOf(rec.Account),
		ConversationID: rec.Conversation, OccurredAt: model.At(rec.At.Time()), ReceivedAt: model.At(rec.At.Time()),
	}
	if rec.Conversation == "" {
		return ev, nil
	}
	conv, err := client.Conversation(ctx, rec.Conversation)
	switch {
	case err == nil:
		contact := conv.ContactValue()
		ev.Contact = &contact
		// Of the sessions before this one nothing is kept: none is better than
		// another's.
		if store.Millis(conv.SessionSince) <= rec.At {
			ev.SessionID = conv.Session
		}
	case !model.Is(err, model.NotFound):
		return model.Event{}, err
	}
	return ev, nil
}

func (a *App) channelOf(id model.AccountID) string {
	acct, _ := a.Accounts.Account(id)
	return string(acct.Plugin)
}
