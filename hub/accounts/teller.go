package accounts

import (
	"context"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/store"
	"github.com/channelhub/channelhub/hub/telemetry"
	"github.com/channelhub/channelhub/internal/failpoint"
)

const (
	// tellSettle is how long a state must have stood before it is told: a
	// connector that is back within it was never away, as clients see it.
	tellSettle = 5 * time.Second
	// tellAgain is when a state that could not be told is tried again.
	tellAgain = 5 * time.Second
)

// TellerOptions for NewTeller.
type TellerOptions struct {
	Registry *Registry
	Store    *store.Store
	Logger   hclog.Logger     // nil: none
	Now      func() time.Time // nil: time.Now
	Settle   time.Duration    // how long a state must have stood; 0: 5 s
}

// Teller writes a record into a client's feed when one of its accounts changes
// state, so that a change is told at most once. An account counts as open
// until something else was told of it: who starts and finds everything well
// has no news. Run is meant for one goroutine; Changed is safe for concurrent
// use.
type Teller struct {
	TellerOptions
	changed chan struct{}
	told    map[model.AccountID]store.AccountTold // as far as this process knows
}

// NewTeller returns a Teller that has told nothing yet.
func NewTeller(o TellerOptions) *Teller {
	if o.Logger == nil {
		o.Logger = hclog.NewNullLogger()
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Settle <= 0 {
		o.Settle = tellSettle
	}
	return &Teller{TellerOptions: o, changed: make(chan struct{}, 1), told: map[model.AccountID]store.AccountTold{}}
}

// Changed says that an account may have changed state. It never blocks.
func (t *Teller) Changed() {
	select {
	case t.changed <- struct{}{}:
	default:
	}
}

// Run tells changes until ctx ends.
func (t *Teller) Run(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-t.changed:
		case <-timer.C:
		case <-ctx.Done():
			return
		}
		if wait := t.Pass(ctx); wait > 0 {
			timer.Reset(wait)
		}
	}
}

// Pass tells what has changed and stood long enough, and returns when to look
// again; 0 means when something changes.
func (t *Teller) Pass(ctx context.Context) (again time.Duration) {
	sooner := func(d time.Duration) {
		if again == 0 || d < again {
			again = d
		}
	}
	for _, acct := range t.Registry.Accounts("") {
		now := t.Registry.Status(acct.ID)
		if now.State == Closed {
			continue // on its way to another
		}
		if left := t.Settle - t.Now().Sub(now.Since); left > 0 {
			sooner(left)
			continue
		}
		if err := t.tell(ctx, acct, now); err != nil && ctx.Err() == nil {
			t.Logger.Warn("an account's change of state could not be told yet",
				telemetry.FieldClient, acct.Client, telemetry.FieldAccount, acct.ID, telemetry.FieldError, err)
			sooner(tellAgain)
		}
	}
	return again
}

// tell writes the row and then the record that it promises. A crash between
// the two is mended by the next process, which begins with the promise.
func (t *Teller) tell(ctx context.Context, acct Account, now Status) error {
	told, known := t.told[acct.ID]
	if known && stateOf(told) == now.State {
		return nil
	}
	client, err := t.Store.Client(ctx, acct.Client)
	if err != nil {
		return err
	}
	if !known {
		if told, err = client.AccountTold(ctx, acct.ID); err != nil {
			return err
		}
	}
	for {
		if err := client.TellAccount(ctx, told); err != nil {
			return err
		}
		if stateOf(told) == now.State {
			t.told[acct.ID] = told
			return nil
		}
		next := told
		next.Was, next.State, next.Seq, next.At = string(stateOf(told)), string(now.State), told.Seq+1, now.Since
		if next.Tail, err = client.AccountFeed().Tail(ctx); err != nil {
			return err
		}
		var ok bool
		if told, ok, err = client.PromiseAccount(ctx, next); err != nil {
			delete(t.told, acct.ID) // it may be there after all
			return err
		}
		if ok {
			failpoint.Hit("accounts.after_told")
		}
	}
}

func stateOf(a store.AccountTold) State {
	if a.State == "" {
		return Open
	}
	return State(a.State)
}
