// Package inbound takes what connectors tell and makes it durable: the contact,
// the conversation (step T), the event (step E) and its place in the feed (step
// L), in that order. When Accept returns nil for an item, the item is in the
// feed and the provider may be answered.
package inbound

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"time"

	"github.com/hashicorp/go-hclog"

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
	futureSlack  = 5 * time.Minute
	maxAddresses = 16
	maxAddress   = 256
	maxDedupeKey = 512
)

// Receipts takes what a provider says of outbound messages.
type Receipts interface {
	// Report returns once the report is durable. model.Invalid means that it
	// never can be.
	Report(ctx context.Context, account accounts.Account, report pluginhost.StatusReport) error
}

// Options for New.
type Options struct {
	Store    *store.Store
	Accounts *accounts.Registry
	Receipts Receipts
	Logger   hclog.Logger       // nil: none
	Metrics  *telemetry.Metrics // nil: none
	Now      func() time.Time   // nil: time.Now
	// Committed is told of every conversation that got a new event. It must
	// not block. Nil: nobody.
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
}

// New returns an Inbound.
func New(o Options) *Inbound {
	if o.Logger == nil {
		o.Logger = hclog.NewNullLogger()
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	in := &Inbound{Options: o, seed: maphash.MakeSeed()}
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
	Received time.Time
}

// Accept makes the items durable, in order, and returns one error for each:
// nil when it is durable, now or already before. An item that can never be
// taken is model.Invalid or model.NotFound; any other error is worth a repeat.
// One bad item never fails the others.
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

// final reports whether a repeat would meet the same error.
func final(err error) bool {
	switch model.CodeOf(err) {
	case model.Invalid, model.NotFound, model.TooLarge, model.Denied:
		return true
	case model.Conflicting, model.Precondition, model.Throttled, model.Unavailable, model.Corrupt, model.Internal:
		return false
	}
	return false
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
	if err := check(ev); err != nil {
		in.Metrics.Inbound(string(acct.Plugin), telemetry.InboundRefused)
		return store.StoredEvent{}, err
	}
	client, err := in.Store.Client(ctx, acct.Client)
	if err != nil {
		return store.StoredEvent{}, err
	}
	dir, err := in.whose(ctx, client, acct, ev)
	if err != nil || dir.Conversation == "" {
		return store.StoredEvent{}, err
	}
	if ev.Type == model.TypingStarted {
		return store.StoredEvent{}, in.signal(ctx, client, acct, dir)
	}
	unlock, err := in.lock(ctx, dir.Conversation)
	if err != nil {
		return store.StoredEvent{}, err
	}
	defer unlock()
	stored, fresh, err := in.commit(ctx, client, acct, dir, ev, received)
	if err != nil || stored.Conversation == "" {
		return stored, err
	}
	if !fresh {
		in.Metrics.Inbound(string(acct.Plugin), telemetry.InboundDuplicate)
		return stored, nil
	}
	in.Metrics.Inbound(string(acct.Plugin), telemetry.InboundAccepted)
	in.Metrics.InboundCommitted(string(acct.Plugin), in.Now().Sub(received))
	if in.Committed != nil {
		in.Committed(acct.Client, dir.Conversation)
	}
	return stored, nil
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

// check refuses what no row can be made of. Details name no values: they could
// identify the customer.
func check(ev pluginhost.Event) error {
	const op = "accept event"
	switch {
	case ev.DedupeKey == "" || len(ev.DedupeKey) > maxDedupeKey:
		return model.Errorf(model.Invalid, op, "a dedupe key has 1 to %d bytes", maxDedupeKey)
	case len(ev.Addresses) == 0 || len(ev.Addresses) > maxAddresses:
		return model.Errorf(model.Invalid, op, "an event has 1 to %d contact addresses", maxAddresses)
	}
	for _, a := range ev.Addresses {
		if a.Kind == "" || a.Value == "" || len(a.Value) > maxAddress {
			return model.Errorf(model.Invalid, op, "a contact address has a kind and 1 to %d bytes", maxAddress)
		}
	}
	return nil
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

// signal records that the customer is typing: one feed record at most, no
// event row. It is a hint, so an error is not worth the connector's while.
func (in *Inbound) signal(ctx context.Context, client *store.Client, acct accounts.Account, dir store.Directory) error {
	feed := client.Feed(dir.Conversation)
	tail, err := feed.Tail(ctx)
	if err != nil {
		return err
	}
	now := in.Now()
	_, err = feed.Append(ctx, store.Record{
		Kind: store.SignalRecord, Conversation: dir.Conversation, Type: model.TypingStarted,
		// One record for each conversation and three seconds: the same key is
		// the same record.
		Key:     signalKey(now),
		Account: acct.ID, Direction: model.Inbound, At: store.Millis(now), Author: model.Customer,
	}, tail)
	if err != nil {
		return fmt.Errorf("record signal: %w", err)
	}
	return nil
}

const signalEvery = 3 * time.Second

func signalKey(now time.Time) model.Random16 {
	var k model.Random16
	n := uint64(now.UnixNano() / int64(signalEvery))
	for i := range 8 {
		k[i] = byte(n >> (8 * i))
	}
	return k
}

var errNoProgress = errors.New("the conversation keeps changing")
