// Package removal removes what a client has in the hub: everything of one of
// its accounts, or all of it.
//
// An order is a row, written together with its audit row, for something that
// the configuration does not name any more; from then on it is carried out,
// whatever crashes. First whatever was under way is waited out. Then files,
// conversations, contacts that are known nowhere else, dead letters, state and
// what waits in journals go, in small steps that may be repeated; and of a
// client its tokens, its feed and its keys, the keysets last. In the end the
// row is the receipt.
package removal

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/store"
	"github.com/channelhub/channelhub/hub/telemetry"
	"github.com/channelhub/channelhub/internal/errand"
	"github.com/channelhub/channelhub/internal/failpoint"
)

// What a removal is called in the audit log and in metrics.
const (
	AccountAction = "account.remove"
	ClientAction  = "client.remove"
)

const (
	// grace is what every step of a message is bounded by, and longer than a
	// token that is gone is believed: what was under way when the order came
	// has ended once it is over.
	grace = 10 * time.Second
	retry = 5 * time.Second
	// noteEvery is how many contacts go between two notes of the counts.
	noteEvery = 50
)

// Options for New. What is not said to be optional is needed.
type Options struct {
	Store *store.Store
	// Configured reports whether the configuration in force names the account
	// or, when that is empty, the client.
	Configured func(client model.ClientID, account model.AccountID) bool
	// RemoveFile removes a file for good, by its due row, which is of FileKind.
	RemoveFile func(ctx context.Context, client *store.Client, d store.Due) error
	FileKind   string
	// DropJournal removes what waits for an account in a journal of its own,
	// and tells how much there was.
	DropJournal func(ctx context.Context, account model.AccountID) (int, error)
	// Undrained counts what waits in the journals that several accounts share.
	Undrained func() map[model.PluginID]int
	// RemovePlace removes where the client's files were, if that is the hub's
	// to do. Nil: it is not.
	RemovePlace func(client model.ClientID) error
	// Begun and Ended are told. They must not block. Nil: nobody is.
	Begun, Ended func(store.Removal)
	Keep         func() time.Duration // how long a receipt is kept
	Logger       hclog.Logger         // nil: none
	Metrics      *telemetry.Metrics   // nil: none
	Now          func() time.Time     // nil: time.Now
	Grace        time.Duration        // 0: 10 s
}

// Remover carries out removals. It is safe for concurrent use.
type Remover struct {
	o    Options
	loop errand.Loop
	pass sync.Mutex // one at a time
}

// New returns a Remover; Run must be running for orders to be carried out.
func New(o Options) *Remover {
	if o.Logger == nil {
		o.Logger = hclog.NewNullLogger()
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Grace <= 0 {
		o.Grace = grace
	}
	for _, f := range []*func(store.Removal){&o.Begun, &o.Ended} {
		if *f == nil {
			*f = func(store.Removal) {}
		}
	}
	return &Remover{o: o, loop: errand.New()}
}

// Begin orders the removal of an account, or of a whole client when the
// account is empty. An account whose client is not named is looked for. One
// that is under way already comes back as it is.
func (r *Remover) Begin(ctx context.Context, client model.ClientID, account model.AccountID, act store.Act) (store.Removal, error) {
	const op = "order removal"
	known, err := r.o.Store.Known(ctx)
	if err != nil {
		return store.Removal{}, err
	}
	target, err := find(known, client, account)
	if err != nil {
		return target, err
	}
	if r.o.Configured(target.Client, target.Account) {
		what := "account " + string(target.Account)
		if target.Account == "" {
			what = "client " + string(target.Client)
		}
		return target, model.Errorf(model.Conflicting, op, "The configuration names %s: take it out first.", what)
	}
	target.By, target.Asked, target.Step = act.Actor, r.o.Now(), store.RemovalWaiting
	act.Action, act.Subject, act.Outcome = actionOf(target), target.Subject(), "begun"
	began, err := r.o.Store.BeginRemoval(ctx, target, act)
	if err != nil {
		return began, err
	}
	failpoint.Hit("removal.after_order")
	r.o.Begun(began)
	r.loop.Poke()
	return began, nil
}

func actionOf(m store.Removal) string {
	if m.Account == "" {
		return ClientAction
	}
	return AccountAction
}

func find(known store.Known, client model.ClientID, account model.AccountID) (store.Removal, error) {
	const op = "find what to remove"
	if account == "" {
		if _, ok := known.Client(client); !ok {
			return store.Removal{}, model.Errorf(model.NotFound, op, "There is no such client.")
		}
		return store.Removal{Client: client}, nil
	}
	var found []store.KnownAccount
	for _, a := range known.Accounts {
		if a.ID == account && (client == "" || a.Client == client) {
			found = append(found, a)
		}
	}
	switch len(found) {
	case 0:
		return store.Removal{}, model.Errorf(model.NotFound, op, "There is no such account.")
	case 1:
		return store.Removal{Client: found[0].Client, Account: account}, nil
	}
	return store.Removal{}, &model.Error{
		Code: model.Invalid, Op: op, Detail: "Several clients have had an account of this id.",
		Faults: []model.Fault{{Field: "client", Detail: "say whose account it is"}},
	}
}

// Pending returns the removals that are not done.
func (r *Remover) Pending(ctx context.Context) ([]store.Removal, error) {
	all, err := r.o.Store.Removals(ctx)
	var out []store.Removal
	for _, m := range all {
		if m.Step != store.RemovalDone {
			out = append(out, m)
		}
	}
	return out, err
}

// Run carries out what is ordered, and what an earlier process had begun, until
// ctx ends.
func (r *Remover) Run(ctx context.Context) {
	r.loop.Run(ctx, r.Pass, func(err error) { r.o.Logger.Warn("a removal could not go on and is tried again", "error", err) })
}

// Pass carries out every removal whose time has come, and returns when the
// next one's will; 0 when nothing is left.
func (r *Remover) Pass(ctx context.Context) (wait time.Duration, err error) {
	r.pass.Lock()
	defer r.pass.Unlock()
	pending, err := r.Pending(ctx)
	if err != nil {
		return 0, err
	}
	count := map[string]int{AccountAction: 0, ClientAction: 0}
	for _, m := range pending {
		count[actionOf(m)]++
	}
	r.tell(count)
	var errs []error
	for _, m := range pending {
		left, done, err := r.one(ctx, m)
		if done {
			count[actionOf(m)]--
			r.o.Metrics.OrderDone(actionOf(m))
			r.tell(count)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("remove %s: %w", m.Subject(), err))
		}
		if left > 0 && (wait == 0 || left < wait) {
			wait = left
		}
	}
	return wait, errors.Join(errs...)
}

func (r *Remover) tell(pending map[string]int) {
	for kind, n := range pending {
		r.o.Metrics.OrdersPending(kind, n)
	}
}

// one takes a removal as far as it goes now, and reports whether it did all of
// it.
func (r *Remover) one(ctx context.Context, m store.Removal) (wait time.Duration, done bool, err error) {
	if r.o.Configured(m.Client, m.Account) {
		r.o.Logger.Warn("a removal waits: the configuration names what is to be removed", telemetry.FieldClient, m.Client, telemetry.FieldAccount, m.Account)
		return retry, false, nil
	}
	if m.Step == store.RemovalWaiting {
		if m.Account == "" {
			// At once: who holds a token must not come in between.
			n, err := r.o.Store.RemoveTokens(ctx, m.Client)
			if err != nil {
				return 0, false, err
			}
			m.Removed.Tokens += n
			failpoint.Hit("removal.after_tokens")
		}
		if left := m.Asked.Add(r.o.Grace).Sub(r.o.Now()); left > 0 {
			if m.Removed.Tokens > 0 {
				_, err = r.o.Store.PutRemoval(ctx, m)
			}
			return left, false, err
		}
		m.Step = store.RemovalRemoving
		if m, err = r.o.Store.PutRemoval(ctx, m); err != nil {
			return 0, false, ifNot(model.Conflicting, err)
		}
	}
	j := &job{Remover: r, m: m}
	err = j.run(ctx)
	return 0, err == nil, ifNot(model.Conflicting, err)
}

func ifNot(code model.Code, err error) error {
	if model.Is(err, code) {
		return nil
	}
	return err
}
