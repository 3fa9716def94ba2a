package store

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/seal"
	"github.com/channelhub/channelhub/hub/storage/table"
)

const messageSchema = 1

// Outbound is the row of an outbound message: what is said, to whom, and how
// far it has come. Its own version guards every change. An Outbound is a
// value.
type Outbound struct {
	Conversation model.ConversationID
	UUID         model.Random16 // a UUIDv7: rows sort by creation
	Account      model.AccountID
	SealKey      seal.KeyID

	Status model.Status
	// Seq counts the moves made; Was is the status before the last of them and
	// Tail the feed tail seen when it was written. Together they are the
	// promise of a status record in the feed.
	Seq  int
	Was  model.Status
	Tail uint64
	// Moved is when the status last changed; it never goes back.
	Moved time.Time

	// FinalSeq is the move that made the delivery final, and FinalTail the feed
	// tail seen then: retention counts from when that move was read, whatever
	// receipt comes later. Zero while the delivery is on its way.
	FinalSeq  int
	FinalTail uint64
	// DeadLettered keeps the content until ContentUntil, whoever has read what
	// became of it: a replay needs it.
	DeadLettered bool
	// Ended says that the content is gone: what became of the message is left.
	Ended bool

	Attempts  int       // attempts whose outcome is written here
	NextTry   time.Time // not before; zero when nothing delays it
	HeldUntil time.Time // a held delivery waits for a receipt until then

	Created      time.Time
	ExpireAfter  time.Time // no attempt starts at or after this
	ContentUntil time.Time
	Expires      time.Time // when the row goes
	Traceparent  string

	// Sealed from here on.
	Message     model.Message
	To          []model.Address
	Intent      model.Random16 // key of the call that it came by; zero: unknown
	ProviderIDs []string
	Failure     *model.Failure
	Timeline    []Move

	// providerKeys name the rows of the provider ids once these are gone.
	providerKeys []model.Random16
	version      table.Version
}

// Move is one entry of a message's timeline.
type Move struct {
	Status  model.Status `json:"s"`
	At      model.Time   `json:"at"`
	Attempt int          `json:"n,omitempty"`
	Outcome string       `json:"o,omitempty"` // of an attempt that did not end the delivery
	Code    string       `json:"c,omitempty"`
}

// Doubtful reports whether the move left it open if the attempt reached the
// provider.
func (m Move) Doubtful() bool {
	return m.Outcome == "unknown" || m.Status == model.Held && m.Outcome == ""
}

// maxTimeline bounds the row: a delivery that is retried for a day keeps its
// first and its newest moves, and of those between the ones that left a doubt.
const maxTimeline = 40

// ID is the message's id.
func (o Outbound) ID() model.MessageID {
	return model.MessagePlace{Conversation: o.Conversation, Direction: model.Outbound, Key: o.UUID}.ID()
}

// Promise is the status record that the row promises; false before the first
// move.
func (o Outbound) Promise() (Record, bool) {
	if o.Seq == 0 {
		return Record{}, false
	}
	return Record{
		Kind: StatusRecord, Conversation: o.Conversation, Key: o.UUID, Seq: o.Seq,
		Type: model.MessageStatus, Account: o.Account, Direction: model.Outbound,
		Old: o.Was, New: o.Status, At: Millis(o.Moved), Author: o.Message.Author,
	}, true
}

// Note adds a move to the timeline.
func (o *Outbound) Note(m Move) {
	if len(o.Timeline) >= maxTimeline {
		const middle = maxTimeline / 2
		drop := middle + max(0, slices.IndexFunc(o.Timeline[middle:], func(m Move) bool { return !m.Doubtful() }))
		o.Timeline = append(o.Timeline[:drop:drop], o.Timeline[drop+1:]...)
	}
	o.Timeline = append(o.Timeline, m)
}

// noteFinal keeps the first final move; a delivery that is on its way again
// has none.
func (o *Outbound) noteFinal() {
	switch {
	case !o.Status.Final():
		o.FinalSeq, o.FinalTail, o.DeadLettered = 0, 0, false
	case o.FinalSeq == 0:
		o.FinalSeq, o.FinalTail = o.Seq, o.Tail
	case o.DeadLettered && o.Status != model.Failed:
		// A receipt, or an operator, ended the wait for a replay: it counts
		// from here, where the sweeper will meet it.
		o.FinalSeq, o.FinalTail, o.DeadLettered = o.Seq, o.Tail, false
	}
}

type messageHeader struct {
	Account      model.AccountID `json:"a"`
	Key          seal.KeyID      `json:"k"`
	Status       model.Status    `json:"s"`
	Seq          int             `json:"q,omitempty"`
	Was          model.Status    `json:"o,omitempty"`
	Tail         uint64          `json:"f,omitempty"`
	Moved        Milli           `json:"m,omitempty"`
	Attempts     int             `json:"n,omitempty"`
	NextTry      Milli           `json:"nt,omitempty"`
	HeldUntil    Milli           `json:"h,omitempty"`
	Created      Milli           `json:"c"`
	ExpireAfter  Milli           `json:"x"`
	ContentUntil Milli           `json:"u"`
	Traceparent  string          `json:"p,omitempty"`
	FinalSeq     int             `json:"fq,omitempty"`
	FinalTail    uint64          `json:"ff,omitempty"`
	DeadLettered bool            `json:"dl,omitempty"`
	Ended        bool            `json:"z,omitempty"`
}

type messageBody struct {
	Message     model.Message   `json:"m"`
	To          []model.Address `json:"to"`
	ProviderIDs []string        `json:"p,omitempty"`
	Failure     *model.Failure  `json:"f,omitempty"`
	Timeline    []Move          `json:"t,omitempty"`
	Intent      []byte          `json:"i,omitempty"`
	Providers   [][]byte        `json:"r,omitempty"` // with Ended: keys of rows
}

func messageSK(id model.Random16) string { return "m/" + hexKey(id) }

// Outbound returns the row of an outbound message, or model.NotFound.
func (c *Client) Outbound(ctx context.Context, conv model.ConversationID, id model.Random16) (Outbound, error) {
	row, err := c.rows.Get(ctx, conversationPK(conv), messageSK(id))
	if err != nil {
		return Outbound{}, fmt.Errorf("read message: %w", err)
	}
	return c.decodeOutbound(ctx, conv, id, row)
}

// CreateOutbound writes the row unless it is there, and returns the row that
// is there now. The lane entry that follows makes it durable.
func (c *Client) CreateOutbound(ctx context.Context, o Outbound) (Outbound, error) {
	o.noteFinal()
	pk, sk := conversationPK(o.Conversation), messageSK(o.UUID)
	value, err := c.encodeOutbound(ctx, o)
	if err != nil {
		return Outbound{}, err
	}
	row, created, err := stepOrFound(ctx, c.rows, pk, sk, value, o.Expires)
	switch {
	case err != nil:
		return Outbound{}, fmt.Errorf("write message: %w", err)
	case created:
		o.version = row.Version
		return o, nil
	}
	return c.decodeOutbound(ctx, o.Conversation, o.UUID, row)
}

// PutOutbound writes the row if it still is the version that o was made from.
// When it is not, ok is false and the row that is there comes back.
func (c *Client) PutOutbound(ctx context.Context, o Outbound) (now Outbound, ok bool, err error) {
	o.noteFinal()
	value, err := c.encodeOutbound(ctx, o)
	if err != nil {
		return o, false, err
	}
	pk, sk := conversationPK(o.Conversation), messageSK(o.UUID)
	version, err := c.rows.Commit(ctx, table.Put(pk, sk, value).IfVersion(o.version).ExpireAt(o.Expires))
	if err == nil {
		o.version = version
		return o, true, nil
	}
	found, conflict := conflictOf(err)
	if !conflict {
		return o, false, fmt.Errorf("write message: %w", err)
	}
	if found == nil {
		return o, false, model.Errorf(model.NotFound, "write message", "the message is past its retention")
	}
	now, err = c.decodeOutbound(ctx, o.Conversation, o.UUID, *found)
	return now, false, err
}

func (c *Client) encodeOutbound(ctx context.Context, o Outbound) ([]byte, error) {
	m := o.Message
	var intent []byte
	if o.Intent != (model.Random16{}) {
		intent = o.Intent[:]
	}
	var providers [][]byte
	for _, key := range o.providerKeys {
		providers = append(providers, key[:])
	}
	m.ID, m.Status, m.Failure, m.CreatedAt, m.ExpiresAt, m.Direction = "", "", nil, nil, nil, ""
	value, err := c.encode(ctx, conversationPK(o.Conversation), messageSK(o.UUID), messageSchema, o.SealKey, messageHeader{
		Account: o.Account, Key: o.SealKey,
		Status: o.Status, Seq: o.Seq, Was: o.Was, Tail: o.Tail, Moved: Millis(o.Moved),
		Attempts: o.Attempts, NextTry: Millis(o.NextTry), HeldUntil: Millis(o.HeldUntil),
		Created: Millis(o.Created), ExpireAfter: Millis(o.ExpireAfter), ContentUntil: Millis(o.ContentUntil),
		Traceparent: o.Traceparent, FinalSeq: o.FinalSeq, FinalTail: o.FinalTail,
		DeadLettered: o.DeadLettered, Ended: o.Ended,
	}, messageBody{Message: m, To: o.To, ProviderIDs: o.ProviderIDs, Failure: o.Failure, Timeline: o.Timeline, Intent: intent, Providers: providers})
	if err != nil {
		return nil, fmt.Errorf("write message: %w", err)
	}
	return value, nil
}

func (c *Client) decodeOutbound(ctx context.Context, conv model.ConversationID, id model.Random16, row table.Row) (Outbound, error) {
	var h messageHeader
	sealed, err := decodeHeader(row.Value, messageSchema, &h)
	if err != nil {
		return Outbound{}, fmt.Errorf("read message: %w", err)
	}
	row.PK, row.SK = conversationPK(conv), messageSK(id)
	var b messageBody
	if err := c.openBody(ctx, row, messageSchema, h.Key, sealed, &b); err != nil {
		return Outbound{}, fmt.Errorf("read message: %w", err)
	}
	o := Outbound{
		Conversation: conv, UUID: id, Account: h.Account, SealKey: h.Key,
		Status: h.Status, Seq: h.Seq, Was: h.Was, Tail: h.Tail, Moved: h.Moved.Time(),
		Attempts: h.Attempts, NextTry: h.NextTry.Time(), HeldUntil: h.HeldUntil.Time(),
		Created: h.Created.Time(), ExpireAfter: h.ExpireAfter.Time(), ContentUntil: h.ContentUntil.Time(),
		Expires: row.Expires, Traceparent: h.Traceparent,
		FinalSeq: h.FinalSeq, FinalTail: h.FinalTail, DeadLettered: h.DeadLettered, Ended: h.Ended,
		Message: b.Message, To: b.To, ProviderIDs: b.ProviderIDs, Failure: b.Failure, Timeline: b.Timeline,
		version: row.Version,
	}
	if len(b.Intent) == 16 {
		o.Intent = model.Random16(b.Intent)
	}
	for _, key := range b.Providers {
		if len(key) == 16 {
			o.providerKeys = append(o.providerKeys, model.Random16(key))
		}
	}
	return o, nil
}

// View is the message as the client application reads it.
func (o Outbound) View() model.Message {
	m := o.Message
	created, expires := model.At(o.Created), model.At(o.ExpireAfter)
	m.ID, m.Direction, m.Status, m.Failure = o.ID(), model.Outbound, o.Status, o.Failure
	m.CreatedAt, m.ExpiresAt = &created, &expires
	if len(o.ProviderIDs) > 0 {
		m.ProviderID = o.ProviderIDs[0]
	}
	return m
}
