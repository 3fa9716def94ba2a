// Package inbound takes what connectors tell and makes it durable: the contact,
// the conversation (step T), the event (step E) and its place in the feed (step
// L), in that order. When Accept returns nil for an item, the item is in the
// feed and the provider may be answered.
package inbound

import (
	"context"
	"errors"
	"hash/maphash"
	"slices"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/maypok86/otter/v2"

	"github.com/channelhub/channelhub/hub/accounts"
	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/pluginhost"
	"github.com/channelhub/channelhub/hub/store"
	"github.com/channelhub/channelhub/hub/telemetry"
)

const (
	// stepDeadline is the longest that E may be written after its T. Erasing a
	// contact waits it out.
	stepDeadline = 10 * time.Second
	// stripes is how many conversations can be in T, E, L side by side without
	// chance meetings.
	stripes = 1024
	// sessionIdle closes a session.
	sessionIdle = 30 * time.Minute
	// futureSlack is how far a provider's clock may run ahead of ours.
	futureSlack = 5 * time.Minute
)

// Receipts takes what a provider says of outbound messages.
type Receipts interface {
	// Report returns once the report is durable. model.Invalid means that it
	// never can be.
	Report(ctx context.Context, account accounts.Account, report pluginhost.StatusReport) error
}

// Files knows the files that visitors sent ahead of their messages.
type Files interface {
	// Adopt returns the files as they are known. One that is not this
	// visitor's on this account is returned as refused.
	Adopt(ctx context.Context, client *store.Client, account model.AccountID, visitor model.Address, files []model.Attachment) ([]model.Attachment, error)
}

// Options for New.
type Options struct {
	Store    *store.Store
	Accounts *accounts.Registry
	Receipts Receipts
	Logger   hclog.Logger       // nil: none
	Metrics  *telemetry.Metrics // nil: none
	Now      func() time.Time   // nil: time.Now
	// Files finds the files that were sent ahead of a message. Nil: none are.
	Files Files
	// StepTimeout bounds T, E and L together. 0: 10 s, which is what erasing a
	// contact waits out: it must not be longer.
	StepTimeout time.Duration
	// Committed is told of every conversation that got an event, new or
	// repeated. It must not block. Nil: nobody.
	Committed func(client model.ClientID, conv model.ConversationID)
}

// Inbound is safe for concurrent use.
type Inbound struct {
	Options
	// locks keep the events of one conversation in one order through T, E and
	// L, so that the feed has them in the order of their numbers (I4), and
	// spare T's compare-and-set needless conflicts.
	locks [stripes]chan struct{}
	seed  maphash.Seed
	// typed is when a conversation's last typing signal was recorded.
	typed *otter.Cache[model.ConversationID, time.Time]
}

// New returns an Inbound.
func New(o Options) *Inbound {
	if o.Logger == nil {
		o.Logger = hclog.NewNullLogger()
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.StepTimeout <= 0 {
		o.StepTimeout = stepDeadline
	}
	in := &Inbound{Options: o, seed: maphash.MakeSeed()}
	in.typed = otter.Must(&otter.Options[model.ConversationID, time.Time]{MaximumSize: typedCache})
	for i := range in.locks {
		in.locks[i] = make(chan struct{}, 1)
	}
	return in
}

// Source says where items came from.
type Source struct {
	Plugin model.PluginID
	// Verified holds the accounts that items may speak for: those whose secret
	// verified the request. Nil means every account of the plugin, for
	// connections of the connector's own.
	Verified []model.AccountID
	Received time.Time // zero: now
}

// Accept makes the items durable, in order, and returns one error for each:
// nil when it is durable, now or already before. An item that can never be
// taken is model.Invalid or model.NotFound; any other error is worth a repeat.
// One bad item never fails the others: an event whose content does not fit
// becomes unsupported.received, and one that no conversation can be found for
// is refused and leaves a dead letter.
func (in *Inbound) Accept(ctx context.Context, from Source, items []pluginhost.Item) []error {
	errs := make([]error, len(items))
	for i, r := range in.AcceptResults(ctx, from, items) {
		errs[i] = r.Err
	}
	return errs
}

// Worth reports whether any of the errors is worth a repeat, and which.
func Worth(errs []error) error {
	for _, err := range errs {
		if err != nil && !final(err) {
			return err
		}
	}
	return nil
}

// final reports whether a repeat would meet the same error. A refusal by the
// root of keys is not final: the event waits, with its provider or in the
// journal, until the hub may open the client's rows again.
func final(err error) bool {
	return model.Is(err, model.Invalid) || model.Is(err, model.NotFound)
}

func (in *Inbound) accept(ctx context.Context, from Source, item pluginhost.Item) Result {
	switch {
	case item.Event != nil:
		acct, err := in.account(from, item.Event.AccountID)
		if err != nil {
			return Result{Err: err}
		}
		stored, err := in.event(ctx, acct, *item.Event, from.Received)
		return resultOf(stored, err)
	case item.Status != nil:
		acct, err := in.account(from, item.Status.AccountID)
		if err == nil {
			err = in.Receipts.Report(ctx, acct, *item.Status)
		}
		return Result{Err: err}
	}
	return Result{Err: model.Errorf(model.Invalid, "accept item", "an item holds an event or a status")}
}

// account returns the account an item speaks for, if it may. An account that
// the request was not verified for is answered like one that is not there
// (I8).
func (in *Inbound) account(from Source, id model.AccountID) (accounts.Account, error) {
	acct, ok := in.Accounts.Account(id)
	if ok && acct.Plugin == from.Plugin && from.allows(id) {
		return acct, nil
	}
	return accounts.Account{}, model.Errorf(model.NotFound, "accept item", "the connector has no such account, or the request was not verified for it")
}

func (s Source) allows(id model.AccountID) bool {
	if s.Verified == nil {
		return true
	}
	for _, v := range s.Verified {
		if v == id {
			return true
		}
	}
	return false
}

// event takes one event and returns its row; the zero row for one that leaves
// none.
func (in *Inbound) event(ctx context.Context, acct accounts.Account, ev pluginhost.Event, received time.Time) (store.StoredEvent, error) {
	client, err := in.Store.Client(ctx, acct.Client)
	if err != nil {
		return store.StoredEvent{}, err
	}
	if reason, err := misplaced(ev); err != nil {
		return store.StoredEvent{}, in.refuse(ctx, client, acct, ev, received, reason, err)
	}
	ev = sound(ev)
	if ev, err = in.adopt(ctx, client, acct, ev); err != nil {
		return store.StoredEvent{}, err
	}
	stored, fresh, err := in.take(ctx, client, acct, ev, received)
	if model.Is(err, model.TooLarge) || model.Is(err, model.Invalid) {
		return stored, in.refuse(ctx, client, acct, ev, received, reasonNotStorable, err)
	}
	if err != nil || stored.Conversation == "" {
		return stored, err
	}
	if fresh {
		in.Metrics.Inbound(string(acct.Plugin), telemetry.InboundAccepted)
		in.Metrics.InboundCommitted(string(acct.Plugin), in.Now().Sub(received))
	} else {
		in.Metrics.Inbound(string(acct.Plugin), telemetry.InboundDuplicate)
	}
	// A repeat may have completed what a crash left half done.
	in.tell(acct.Client, stored.Conversation)
	return stored, nil
}

// take finds the conversation and takes the event into it. Where the contact
// was erased meanwhile, whoever wrote is somebody new.
func (in *Inbound) take(ctx context.Context, client *store.Client, acct accounts.Account, ev pluginhost.Event, received time.Time) (stored store.StoredEvent, fresh bool, err error) {
	for range maxErased {
		var dir store.Directory
		dir, err = in.whose(ctx, client, acct, ev)
		if err == nil && dir.Conversation == "" {
			return stored, false, nil
		}
		if err == nil {
			stored, fresh, err = in.takeInto(ctx, client, acct, dir, ev, received)
		}
		if !model.Is(err, model.NotFound) {
			return stored, fresh, err
		}
		if err := client.Forget(ctx, acct.ID, ev.Addresses, dir.Conversation); err != nil {
			return stored, false, err
		}
	}
	return stored, false, model.Wrap(model.Unavailable, "take event", err)
}

// maxErased is how often an event meets an erasure before its sender has to
// come again.
const maxErased = 3

// takeInto takes the event into a conversation. A signal leaves no row.
func (in *Inbound) takeInto(ctx context.Context, client *store.Client, acct accounts.Account, dir store.Directory, ev pluginhost.Event, received time.Time) (store.StoredEvent, bool, error) {
	if ev.Type == model.TypingStarted {
		return store.StoredEvent{}, false, in.signal(ctx, client, acct, dir)
	}
	unlock, err := in.lock(ctx, dir.Conversation)
	if err != nil {
		return store.StoredEvent{}, false, err
	}
	defer unlock()
	return in.commit(ctx, client, acct, dir, ev, received)
}

// adopt fills in the files that the event names by the hub's own ids.
func (in *Inbound) adopt(ctx context.Context, client *store.Client, acct accounts.Account, ev pluginhost.Event) (pluginhost.Event, error) {
	if ev.Message == nil || !slices.ContainsFunc(ev.Message.Attachments, func(a model.Attachment) bool { return a.ID != "" }) {
		return ev, nil
	}
	m := *ev.Message
	if in.Files == nil {
		m.Attachments = slices.Clone(m.Attachments)
		for i := range m.Attachments {
			m.Attachments[i].ID = ""
		}
		ev.Message = &m
		return ev, nil
	}
	var err error
	m.Attachments, err = in.Files.Adopt(ctx, client, acct.ID, ev.Addresses[0], m.Attachments)
	ev.Message = &m
	return ev, err
}

func (in *Inbound) tell(client model.ClientID, conv model.ConversationID) {
	if in.Committed != nil {
		in.Committed(client, conv)
	}
}

// whose returns the conversation an event belongs to. Somebody who types, or
// leaves, without ever having said anything is not in touch yet: then there is
// none, and nothing is written.
func (in *Inbound) whose(ctx context.Context, client *store.Client, acct accounts.Account, ev pluginhost.Event) (store.Directory, error) {
	if ev.Type != model.TypingStarted && ev.Type != model.ConversationEnded {
		return client.Resolve(ctx, acct.ID, ev.Addresses, ev.DisplayName)
	}
	dir, err := client.Find(ctx, acct.ID, ev.Addresses[0])
	if model.Is(err, model.NotFound) {
		return store.Directory{}, nil
	}
	return dir, err
}

func (in *Inbound) lock(ctx context.Context, conv model.ConversationID) (func(), error) {
	l := in.locks[maphash.String(in.seed, string(conv))%stripes]
	select {
	case l <- struct{}{}:
		return func() { <-l }, nil
	case <-ctx.Done():
		return nil, model.Wrap(model.Unavailable, "wait for conversation", context.Cause(ctx))
	}
}

var errNoProgress = errors.New("the conversation keeps changing")
