// Package erasure erases a contact of a client: everything that was said with
// it, and that it ever was.
//
// An order is a row, written together with its audit row, and is carried out
// whatever crashes. First nothing leads to the contact any more, so that
// whoever writes again is somebody new, and nothing is written into its
// conversations; what was to be sent to it is discarded. Then its key is
// destroyed: from here on nothing of it opens. What was under way is waited
// out, and then rows and files go. In the end the row is the receipt.
package erasure

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

// Action is what an erasure is called in the audit log and in metrics.
const Action = "contact.erase"

const (
	// grace is what every step of a message is bounded by: what was under way
	// when the key went has ended once it is over.
	grace = 10 * time.Second
	retry = 5 * time.Second
	page  = 200
)

// Options for New. What is not said to be optional is needed.
type Options struct {
	Store *store.Store
	// Discard ends a delivery to the contact, if it is not over.
	Discard func(ctx context.Context, client *store.Client, msg store.Outbound) error
	// RemoveFile removes a file for good, by its due row, which is of FileKind.
	RemoveFile func(ctx context.Context, client *store.Client, d store.Due) error
	FileKind   string
	// Undrained is what waits in journals of these accounts, or shared by all.
	Undrained func(accounts []model.AccountID) []store.ErasureJournal
	// Changed is told of a conversation that is no more. It must not block.
	// Nil: nobody is.
	Changed func(client model.ClientID, conv model.ConversationID)
	Keep    func() time.Duration // how long a receipt is kept
	Logger  hclog.Logger         // nil: none
	Metrics *telemetry.Metrics   // nil: none
	Now     func() time.Time     // nil: time.Now
	Grace   time.Duration        // 0: 10 s
}

// Eraser carries out erasures. It is safe for concurrent use.
type Eraser struct {
	o    Options
	loop errand.Loop
	pass sync.Mutex // one at a time
}

// New returns an Eraser; Run must be running for orders to be carried out.
func New(o Options) *Eraser {
	if o.Logger == nil {
		o.Logger = hclog.NewNullLogger()
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Grace <= 0 {
		o.Grace = grace
	}
	if o.Changed == nil {
		o.Changed = func(model.ClientID, model.ConversationID) {}
	}
	return &Eraser{o: o, loop: errand.New()}
}

// Who says whom to erase: by id, or by an address.
type Who struct {
	Client  model.ClientID
	Contact model.ContactID
	Address model.Address // without Contact
}

// Begin orders an erasure. One that was ordered before comes back as it is,
// and began is false.
func (e *Eraser) Begin(ctx context.Context, who Who, act store.Act) (order store.Erasure, began bool, err error) {
	const op = "order erasure"
	known, err := e.o.Store.Known(ctx)
	if err != nil {
		return order, false, err
	}
	if _, ok := known.Client(who.Client); !ok {
		return order, false, model.Errorf(model.NotFound, op, "There is no such client.")
	}
	client, err := e.o.Store.Client(ctx, who.Client)
	if err != nil {
		return order, false, err
	}
	contact, via := who.Contact, model.Random16{}
	if contact == "" {
		contact, via, err = client.ContactOf(ctx, who.Address)
		if model.Is(err, model.NotFound) {
			return order, false, model.Errorf(model.NotFound, op, "The client has no contact of this address.")
		}
		if err != nil {
			return order, false, err
		}
	}
	order = store.Erasure{Client: who.Client, Contact: contact, Via: via, By: act.Actor, Asked: e.o.Now(), Step: store.ErasureBegun}
	if order.ID, err = e.o.Store.ErasureID(ctx, who.Client, contact); err != nil {
		return order, false, err
	}
	if who.Contact != "" {
		switch there, err := client.KnowsContact(ctx, contact); {
		case err != nil:
			return order, false, err
		case !there:
			// The receipt of an erasure that is done is all there is of it.
			order, err = e.o.Store.Erasure(ctx, order.ID)
			if model.Is(err, model.NotFound) {
				err = model.Errorf(model.NotFound, op, "The client has no such contact.")
			}
			return order, false, err
		}
	}
	act.Action, act.Subject, act.Outcome = Action, order.Subject(), "begun"
	order, began, err = e.o.Store.BeginErasure(ctx, order, act)
	if err != nil {
		return order, false, err
	}
	failpoint.Hit("erasure.after_order")
	e.loop.Poke()
	return order, began, nil
}

// Run carries out what is ordered, and what an earlier process had begun, until
// ctx ends.
func (e *Eraser) Run(ctx context.Context) {
	e.loop.Run(ctx, e.Pass, func(err error) { e.o.Logger.Warn("an erasure could not go on and is tried again", "error", err) })
}

// Pass takes every erasure as far as it goes now, and returns when the next
// one can go on; 0 when nothing is left.
func (e *Eraser) Pass(ctx context.Context) (wait time.Duration, err error) {
	e.pass.Lock()
	defer e.pass.Unlock()
	var errs []error
	pending := 0
	for after, more := model.ErasureID(""), true; more; {
		var orders []store.Erasure
		if orders, more, err = e.o.Store.Erasures(ctx, after, page); err != nil {
			return 0, err
		}
		for _, order := range orders {
			after = order.ID
			if order.Step == store.ErasureDone {
				continue
			}
			left, err := e.one(ctx, order)
			if err != nil || left > 0 {
				pending++
			}
			if err != nil && !model.Is(err, model.Conflicting) {
				errs = append(errs, fmt.Errorf("%s: %w", order.ID, err))
			}
			if left > 0 && (wait == 0 || left < wait) {
				wait = left
			}
		}
	}
	e.o.Metrics.OrdersPending(Action, pending)
	return wait, errors.Join(errs...)
}
