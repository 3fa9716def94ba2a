package outbound

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/store"
	"github.com/channelhub/channelhub/internal/failpoint"
)

// Idempotency is how a caller repeats a call without repeating its effect.
type Idempotency struct {
	Route string
	Key   string // empty: every call is a new one
	Body  []byte // the body as it came
}

// Accepted is a message that is on its way.
type Accepted struct {
	Message  store.Outbound
	Replayed bool // an earlier call had accepted it
}

// Judge returns the verdict on a request and stores nothing.
func (o *Outbound) Judge(ctx context.Context, id model.ClientID, r Request) error {
	client, err := o.Store.Client(ctx, id)
	if err != nil {
		return err
	}
	_, err = o.judge(ctx, client, r)
	return err
}

// Submit accepts a message: when it returns, the message is in its lane and
// will end in a visible state, whatever happens to this process (I1, I2). A
// repeat with the same idempotency key and body returns the same message;
// with another body it is model.Invalid, and while the first call is still
// running model.Conflicting.
func (o *Outbound) Submit(ctx context.Context, id model.ClientID, r Request, idem Idempotency) (Accepted, error) {
	client, err := o.Store.Client(ctx, id)
	if err != nil {
		return Accepted{}, err
	}
	key := idem.Key
	if key == "" {
		key = uuid.NewString()
	}
	name, body, err := client.IntentKey(ctx, idem.Route, key, idem.Body)
	if err != nil {
		return Accepted{}, err
	}
	if !o.inflight.enter(id, name) {
		return Accepted{}, model.Errorf(model.Conflicting, "accept message", "a call with this idempotency key is still running")
	}
	defer o.inflight.leave(id, name)

	intent, err := client.Intent(ctx, name)
	replayed := err == nil
	if err != nil && !model.Is(err, model.NotFound) {
		return Accepted{}, err
	}
	if replayed {
		if msg, done, err := o.replay(ctx, client, intent, body); err != nil || done {
			return Accepted{msg, true}, err
		}
		r.taker = model.MessagePlace{Conversation: intent.Conversation, Direction: model.Outbound, Key: intent.UUID}.ID()
	}
	t, err := o.target(ctx, client, r)
	if err != nil {
		return Accepted{}, err
	}
	if !replayed {
		var fresh bool
		if intent, fresh, err = o.decide(ctx, client, t, name, body); err != nil {
			return Accepted{}, err
		}
		replayed = !fresh
	}
	msg, err := o.commit(ctx, client, r, t, intent)
	return Accepted{msg, replayed}, err
}

// replay answers a repeat with the message of the first call, and goes on
// where that one may have stopped. The request is not judged again: what was
// sound then is not refused now. There is no message when the first call got
// no further than its intent.
func (o *Outbound) replay(ctx context.Context, client *store.Client, intent store.Intent, body model.Random16) (store.Outbound, bool, error) {
	if !intent.SameBody(body) {
		return store.Outbound{}, false, &model.Error{
			Code: model.Invalid, Op: "accept message", Detail: "the idempotency key was used with another body",
			Faults: []model.Fault{{Field: "Idempotency-Key", In: model.InHeader, Detail: "use a new key for a new message"}},
		}
	}
	msg, err := client.Outbound(ctx, intent.Conversation, intent.UUID)
	if model.Is(err, model.NotFound) {
		return msg, false, nil
	}
	if err != nil {
		return msg, true, err
	}
	return msg, true, o.complete(ctx, client, msg, intent)
}

// complete brings a message whose row is written into its lane, and its status
// into the feed. Both are there already unless the first call stopped between.
func (o *Outbound) complete(ctx context.Context, client *store.Client, msg store.Outbound, intent store.Intent) error {
	if msg.Status == model.Queued {
		done, err := o.begin(ctx, client.ID, msg.Conversation)
		if err != nil {
			return err
		}
		defer done()
	}
	if err := o.enter(ctx, client, msg, intent); err != nil {
		return err
	}
	return o.record(ctx, client, msg)
}

// target judges the request and meets the contact, if need be.
func (o *Outbound) target(ctx context.Context, client *store.Client, r Request) (target, error) {
	t, err := o.judge(ctx, client, r)
	if err != nil || !t.introduce {
		return t, err
	}
	t.directory, err = client.Resolve(ctx, t.account.ID, t.to, "")
	return t, err
}

// decide writes the intent: which conversation, which message id, and which
// lane tail was seen. Fresh is false when another hub decided first.
func (o *Outbound) decide(ctx context.Context, client *store.Client, t target, name, body model.Random16) (intent store.Intent, fresh bool, err error) {
	tail, err := client.Lane(t.directory.Conversation).Tail(ctx)
	if err != nil {
		return store.Intent{}, false, err
	}
	id, err := uuid.NewV7()
	if err != nil {
		return store.Intent{}, false, model.Wrap(model.Internal, "make message id", err)
	}
	now := o.Now()
	failpoint.Hit("outbound.before_intent")
	intent, fresh, err = client.PutIntent(ctx, store.Intent{
		Key: name, Body: body, Conversation: t.directory.Conversation, UUID: model.Random16(id),
		LaneTail: tail, Created: now, Expires: now.Add(o.retention(client.ID).Idempotency),
	})
	if err == nil && !intent.SameBody(body) {
		// Another hub took the key between our look and our write.
		return intent, false, model.Errorf(model.Conflicting, "accept message", "a call with this idempotency key is still running")
	}
	failpoint.Hit("outbound.after_intent")
	return intent, fresh, err
}

// commit writes what the intent decided: the note that the lane is active, the
// message row, the lane entry. Each step can be repeated.
func (o *Outbound) commit(ctx context.Context, client *store.Client, r Request, t target, intent store.Intent) (store.Outbound, error) {
	msg := o.compose(client, r, t, intent)
	if err := o.take(ctx, client, r, &msg); err != nil {
		return store.Outbound{}, err
	}
	if t.socket() {
		return o.commitToSocket(ctx, client, msg, intent)
	}
	done, err := o.begin(ctx, client.ID, intent.Conversation)
	if err != nil {
		return store.Outbound{}, err
	}
	defer done()
	failpoint.Hit("outbound.after_active")
	if msg, err = client.CreateOutbound(ctx, msg); err != nil {
		return store.Outbound{}, err
	}
	failpoint.Hit("outbound.after_message")
	if err := o.enter(ctx, client, msg, intent); err != nil {
		return store.Outbound{}, err
	}
	failpoint.Hit("outbound.after_lane")
	return msg, nil
}

// commitToSocket is the send itself where a browser holds the other end: the
// message is sent by being in the conversation.
func (o *Outbound) commitToSocket(ctx context.Context, client *store.Client, msg store.Outbound, intent store.Intent) (store.Outbound, error) {
	tail, err := client.Feed(msg.Conversation).Tail(ctx)
	if err != nil {
		return store.Outbound{}, err
	}
	msg.Status, msg.Was, msg.Seq, msg.Tail, msg.Moved = model.Sent, model.Queued, 1, tail, msg.Created
	msg.Note(store.Move{Status: model.Sent, At: model.At(msg.Created)})
	if msg, err = client.CreateOutbound(ctx, msg); err != nil {
		return store.Outbound{}, err
	}
	failpoint.Hit("outbound.after_message")
	if err := o.enter(ctx, client, msg, intent); err != nil {
		return store.Outbound{}, err
	}
	failpoint.Hit("outbound.after_lane")
	return msg, o.record(ctx, client, msg)
}

// enter puts the message into its lane, unless an earlier try did.
func (o *Outbound) enter(ctx context.Context, client *store.Client, msg store.Outbound, intent store.Intent) error {
	_, err := client.Lane(msg.Conversation).Append(ctx, store.Record{
		Kind: store.DeliveryRecord, Conversation: msg.Conversation, Key: msg.UUID,
		Account: msg.Account, Direction: model.Outbound, New: model.Queued,
		At: store.Millis(msg.Created), Author: msg.Message.Author,
	}, intent.LaneTail)
	if err != nil {
		return fmt.Errorf("append delivery to lane: %w", err)
	}
	return nil
}

func (o *Outbound) compose(client *store.Client, r Request, t target, intent store.Intent) store.Outbound {
	keep := o.retention(client.ID)
	author := r.Author
	if author == "" {
		author = model.CSR
	}
	// Not the intent's time: between the two a crash may lie, and what others
	// said meanwhile. The conversation is told in the order of commits.
	created := o.Now()
	msg := store.Outbound{
		Conversation: intent.Conversation, UUID: intent.UUID, Account: t.account.ID, SealKey: t.directory.Key(),
		Status: model.Queued, Created: created, Moved: created, ExpireAfter: created.Add(t.expire),
		ContentUntil: created.Add(keep.Undelivered), Expires: created.Add(max(keep.RowLife(), t.expire+time.Hour)),
		Traceparent: r.TraceID, To: t.to, Intent: intent.Key,
		Message: model.Message{Author: author, Content: &r.Content, ReplyTo: r.ReplyTo, Context: r.Context},
	}
	msg.Note(store.Move{Status: model.Queued, At: model.At(created)})
	return msg
}

// inflight knows the calls that are running, by idempotency key.
type inflight struct {
	mu  sync.Mutex
	now map[inflightKey]struct{}
}

type inflightKey struct {
	client model.ClientID
	name   model.Random16
}

func (f *inflight) enter(client model.ClientID, name model.Random16) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	k := inflightKey{client, name}
	if _, ok := f.now[k]; ok {
		return false
	}
	if f.now == nil {
		f.now = map[inflightKey]struct{}{}
	}
	f.now[k] = struct{}{}
	return true
}

func (f *inflight) leave(client model.ClientID, name model.Random16) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.now, inflightKey{client, name})
}
