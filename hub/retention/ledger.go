package retention

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"time"

	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/store"
)

// Ledger is in which states accepted things are, for one client, account and
// direction (I2): Accepted is the sum of the states. A Ledger is a value.
type Ledger struct {
	Client    model.ClientID
	Account   model.AccountID
	Direction model.Direction

	Accepted                                                  int
	Sent, Delivered, Failed, Expired, DeadLettered, Discarded int
	Held, Pending                                             int
	// Erased counts what went with its contact, which was erased, or with its
	// account, which was removed.
	Erased int
	// Missing counts what else the logs tell of and no row has: something
	// accepted that is in no visible state. It is to be 0.
	Missing int
}

// Balanced reports whether every accepted thing is in a visible state.
func (l Ledger) Balanced() bool { return l.Missing == 0 }

type ledgerKey struct {
	account   model.AccountID
	direction model.Direction
}

type messageKey struct {
	conversation model.ConversationID
	key          model.Random16
}

// ledger counts for one client. It belongs to one goroutine.
type ledger struct {
	client *store.Client
	view   *View
	now    time.Time
	lines  map[ledgerKey]*Ledger
	seen   map[messageKey]bool
	since  time.Time // what is older may be gone by its retention
	gone   []gone
}

// gone is what a log tells of and no row has.
type gone struct {
	record store.Record
	line   *Ledger
}

// Ledger counts what a client's logs tell of that is still kept, and looks each
// of them up in its row. It reads everything: it is for whoever wants to know.
func (s *Sweeper) Ledger(ctx context.Context, id model.ClientID) ([]Ledger, error) {
	client, err := s.o.Store.Client(ctx, id)
	if err != nil {
		return nil, err
	}
	policy, err := s.o.Policies.Policy(ctx, id)
	if err != nil {
		return nil, err
	}
	now := s.o.Now()
	view, err := s.o.Ends.look(ctx, client, now)
	if err != nil {
		return nil, err
	}
	l := &ledger{
		client: client, view: view, now: now, lines: map[ledgerKey]*Ledger{}, seen: map[messageKey]bool{},
		since: now.Add(-policy.Keep.RowLife()),
	}
	// Lanes come before the feed: what is on its way may be told of meanwhile.
	lanes, err := s.o.Store.ActiveLanes(ctx)
	if err != nil {
		return nil, err
	}
	for _, lane := range lanes {
		if lane.Client == id {
			if err := l.walk(ctx, client.Lane(lane.Conversation), -1); err != nil {
				return nil, err
			}
		}
	}
	for shard, log := range client.FeedLogs() {
		if err := l.walk(ctx, log, shard); err != nil {
			return nil, err
		}
	}
	if err := l.letters(ctx); err != nil {
		return nil, err
	}
	if err := l.judge(ctx, s.o.Store); err != nil {
		return nil, err
	}
	out := make([]Ledger, 0, len(l.lines))
	for _, key := range slices.SortedFunc(maps.Keys(l.lines), func(a, b ledgerKey) int {
		return cmp.Or(cmp.Compare(a.account, b.account), cmp.Compare(a.direction, b.direction))
	}) {
		out = append(out, *l.lines[key])
	}
	return out, nil
}

func (l *ledger) line(account model.AccountID, d model.Direction) *Ledger {
	key := ledgerKey{account, d}
	if l.lines[key] == nil {
		l.lines[key] = &Ledger{Client: l.client.ID, Account: account, Direction: d}
	}
	return l.lines[key]
}

// walk goes through a log from its floor: the feed of a shard, or a lane.
func (l *ledger) walk(ctx context.Context, log *store.Log, shard int) error {
	at, err := log.Floor(ctx)
	if err != nil {
		return err
	}
	for {
		rows, err := log.Read(ctx, at, walkPage)
		if model.Is(err, model.NotFound) { // trimmed between two looks
			if at, err = log.Floor(ctx); err != nil {
				return err
			}
			continue
		}
		if err != nil {
			return err
		}
		for _, row := range rows {
			at = row.N
			for i, r := range row.Records {
				if err := l.record(ctx, r, shard, store.Behind(row, i)); err != nil {
					return err
				}
			}
		}
		if len(rows) < walkPage {
			return nil
		}
	}
}

func (l *ledger) record(ctx context.Context, r store.Record, shard int, behind store.Position) error {
	switch r.Kind {
	case store.EventRecord:
		return l.event(ctx, r, shard, behind)
	case store.StatusRecord, store.DeliveryRecord:
		return l.message(ctx, r)
	case store.SignalRecord, store.AccountRecord, store.ExpiredRecord, store.AttachmentRecord:
	}
	return nil
}

func (l *ledger) event(ctx context.Context, r store.Record, shard int, behind store.Position) error {
	e, err := l.client.Event(ctx, r.Conversation, r.Key)
	if err != nil {
		return l.without(r, model.Inbound, err)
	}
	line := l.line(r.Account, model.Inbound)
	_, read := l.view.readAt(shard, behind)
	switch {
	case read:
		line.Delivered++
	case e.Ended || !l.now.Before(e.ContentUntil):
		line.Expired++
	default:
		line.Pending++
	}
	line.Accepted++
	return nil
}

func (l *ledger) message(ctx context.Context, r store.Record) error {
	once := messageKey{r.Conversation, r.Key}
	if l.seen[once] {
		return nil
	}
	l.seen[once] = true
	o, err := l.client.Outbound(ctx, r.Conversation, r.Key)
	if err != nil {
		return l.without(r, model.Outbound, err)
	}
	line := l.line(r.Account, model.Outbound)
	line.Accepted++
	switch o.Status {
	case model.Sent:
		line.Sent++
	case model.Delivered, model.Read:
		line.Delivered++
	case model.Failed:
		if o.DeadLettered {
			line.DeadLettered++
		} else {
			line.Failed++
		}
	case model.Expired:
		line.Expired++
	case model.Discarded:
		line.Discarded++
	case model.Held:
		line.Held++
	default:
		line.Pending++
	}
	return nil
}

// letters counts what came in and was given up on, of which no event tells.
func (l *ledger) letters(ctx context.Context) error {
	const page = 500
	for after := (model.Random16{}); ; {
		letters, err := l.client.DeadLetters(ctx, after, page)
		if err != nil {
			return err
		}
		for _, d := range letters {
			after = d.UUID
			if d.Conversation != "" {
				continue // its message counts
			}
			switch line := l.line(d.Account, model.Inbound); d.State {
			case store.LetterDiscarded:
				line.Accepted++
				line.Discarded++
			case store.LetterReplayed: // its events count
			default:
				line.Accepted++
				line.DeadLettered++
			}
		}
		if len(letters) < page {
			return nil
		}
	}
}

// without notes what no row was found of, and forgives what is gone by its
// retention.
func (l *ledger) without(r store.Record, d model.Direction, err error) error {
	if !model.Is(err, model.NotFound) {
		return err
	}
	if !r.At.Time().Before(l.since) {
		l.gone = append(l.gone, gone{r, l.line(r.Account, d)})
	}
	return nil
}

// judge tells what went with its contact or its account from what is missing.
// It comes last: what goes while the logs are read has its order by now.
func (l *ledger) judge(ctx context.Context, s *store.Store) error {
	if len(l.gone) == 0 {
		return nil
	}
	contacts, err := l.erased(ctx, s)
	if err != nil {
		return err
	}
	accounts, err := l.removed(ctx, s)
	if err != nil {
		return err
	}
	for _, g := range l.gone {
		r := g.record
		went := contacts[r.Conversation] || !r.At.Time().After(accounts[r.Account]) || !r.At.Time().After(accounts[""])
		if !went {
			// An order that is at work may not have noted its conversations yet.
			_, err := l.client.ReadConversation(ctx, r.Conversation)
			if err != nil && !model.Is(err, model.NotFound) {
				return err
			}
			went = store.IsErased(err)
		}
		if went {
			g.line.Accepted++
			g.line.Erased++
		} else {
			g.line.Missing++
		}
	}
	return nil
}

// erased is the conversations of erased contacts, by the receipts.
func (l *ledger) erased(ctx context.Context, s *store.Store) (map[model.ConversationID]bool, error) {
	const page = 500
	out := map[model.ConversationID]bool{}
	for after, more := model.ErasureID(""), true; more; {
		var orders []store.Erasure
		var err error
		if orders, more, err = s.Erasures(ctx, after, page); err != nil {
			return nil, err
		}
		for _, e := range orders {
			after = e.ID
			if e.Client != l.client.ID {
				continue
			}
			for _, c := range e.Conversations {
				out[c.ID] = true
			}
		}
	}
	return out, nil
}

// removed is the accounts that were removed, or are being removed, and until
// when: an account may have come back since. The empty one is the client.
func (l *ledger) removed(ctx context.Context, s *store.Store) (map[model.AccountID]time.Time, error) {
	orders, err := s.Removals(ctx)
	if err != nil {
		return nil, err
	}
	out := map[model.AccountID]time.Time{}
	for _, m := range orders {
		if m.Client != l.client.ID {
			continue
		}
		out[m.Account] = m.Done
		if m.Step != store.RemovalDone {
			out[m.Account] = l.now
		}
	}
	return out, nil
}
