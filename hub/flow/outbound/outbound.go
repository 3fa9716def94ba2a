// Package outbound takes what clients say and brings it to their customers: a
// message becomes a row and a lane entry (Submit), a runner for each lane with
// work makes the attempts, one at a time and in order, and receipts move the
// status forward (Report).
//
// An attempt is fenced: claiming the lane and starting the attempt are one
// conditional write that names the owner, its epoch and the instant after which
// the attempt may not reach the provider any more. A successor raises the
// epoch, waits that instant out, and first settles what the old owner left
// open. So an attempt that may have reached the provider is never reported as
// certainly not sent (I5), and a conversation's messages leave in the order of
// their submission (I4).
package outbound

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/channelhub/channelhub/hub/accounts"
	"github.com/channelhub/channelhub/hub/flow/media"
	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/pluginhost"
	"github.com/channelhub/channelhub/hub/store"
	"github.com/channelhub/channelhub/hub/telemetry"
)

// Connectors is the plugin host as this room uses it.
type Connectors interface {
	// Describe returns the descriptor that the connector gave last; false when
	// it never ran.
	Describe(id model.PluginID) (pluginhost.Descriptor, bool)
	// Ready reports whether the connector takes calls now.
	Ready(id model.PluginID) bool
	// Send makes one attempt. An error means that the connector was not asked.
	Send(ctx context.Context, id model.PluginID, d pluginhost.Delivery) (pluginhost.Outcome, error)
}

// Files keeps the attachments that messages take.
type Files interface {
	RulesOf(acct accounts.Account) media.Rules
	// Claim makes a file belong to a message. A repeat is harmless; a file that
	// another message has is model.Conflicting.
	Claim(ctx context.Context, client *store.Client, id model.AttachmentID, by media.Taking) (store.Attachment, error)
}

// Defaults of Options.
const (
	defaultSendTimeout = 15 * time.Second
	defaultLinger      = 2 * time.Second
	defaultHold        = 10 * time.Minute
	defaultBackoffMin  = time.Second
	defaultBackoffMax  = 5 * time.Minute
	// closeGrace is how long Close waits behind its context for calls that
	// were told to end.
	closeGrace = 2 * time.Second
)

// Options for New.
type Options struct {
	Store      *store.Store
	Accounts   *accounts.Registry
	Connectors Connectors
	Logger     hclog.Logger       // nil: none
	Metrics    *telemetry.Metrics // nil: none
	Now        func() time.Time   // nil: time.Now
	// Files keeps attachments. Nil: messages take none.
	Files Files

	// SendTimeout bounds an attempt, and so how long a successor waits for one
	// that was left open. 0: 15 s.
	SendTimeout time.Duration
	// Linger is how long a lane without work stays noted as active: the next
	// message of a lively conversation is spared two writes. 0: 2 s.
	Linger time.Duration
	// Hold is how long an unknown outcome waits for a receipt. 0: 10 min.
	Hold time.Duration
	// Backoff bounds the delay behind the first attempt, which then doubles,
	// and every delay. Zero: 1 s and 5 min.
	Backoff struct{ Min, Max time.Duration }

	// Committed is told of every conversation whose messages or statuses
	// changed. It must not block. Nil: nobody.
	Committed func(client model.ClientID, conv model.ConversationID)
	// Rejected is told when a provider refused an account rather than a
	// message. It must not block. Nil: nobody.
	Rejected func(account model.AccountID, detail string)
}

// Outbound runs the lanes of one hub process. It is safe for concurrent use.
type Outbound struct {
	Options
	owner string // this process, in claims

	mu      sync.Mutex
	lanes   map[laneKey]*lane
	closing bool
	running sync.WaitGroup
	// The runners work under ctx, which ends when Close has lost patience,
	// and wait under quit, which ends when Close begins.
	ctx, quit context.Context
	stop      context.CancelFunc
	stopWaits context.CancelFunc

	changedMu sync.Mutex
	changed   chan struct{} // closed when an account or connector changed state

	paces    paces
	inflight inflight
}

// New returns an Outbound that runs no lane yet.
func New(o Options) *Outbound {
	if o.Logger == nil {
		o.Logger = hclog.NewNullLogger()
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.SendTimeout == 0 {
		o.SendTimeout = defaultSendTimeout
	}
	if o.Linger == 0 {
		o.Linger = defaultLinger
	}
	if o.Hold == 0 {
		o.Hold = defaultHold
	}
	if o.Backoff.Min <= 0 {
		o.Backoff.Min = defaultBackoffMin
	}
	if o.Backoff.Max <= 0 {
		o.Backoff.Max = defaultBackoffMax
	}
	out := &Outbound{
		Options: o,
		owner:   processName(),
		lanes:   map[laneKey]*lane{},
		changed: make(chan struct{}),
		paces:   paces{now: o.Now},
	}
	out.ctx, out.stop = context.WithCancel(context.Background())
	out.quit, out.stopWaits = context.WithCancel(out.ctx)
	return out
}

// Start takes up every lane that had work when the last process ended. It
// returns once they are found; they run from then on.
func (o *Outbound) Start(ctx context.Context) error {
	active, err := o.Store.ActiveLanes(ctx)
	if err != nil {
		return err
	}
	for _, a := range active {
		o.resume(a)
	}
	return nil
}

// Close stops the lanes: no attempt is started any more, whatever waits stops
// waiting, and attempts under way end at their own deadline, so that their
// outcome is written. When ctx ends first, calls of the store are given up and
// Close returns an error unless that ends the lanes. What was not sent stays in
// its lane.
func (o *Outbound) Close(ctx context.Context) error {
	o.mu.Lock()
	o.closing = true
	o.mu.Unlock()
	o.stopWaits()
	done := make(chan struct{})
	go func() { o.running.Wait(); close(done) }()
	defer o.stop()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		o.stop()
	}
	timer := time.NewTimer(closeGrace)
	defer timer.Stop()
	select {
	case <-done:
		return nil
	case <-timer.C:
		return model.Wrap(model.Unavailable, "end deliveries", ctx.Err())
	}
}

// StateChanged tells the lanes that an account or a connector changed state,
// so that those that wait for it look again.
func (o *Outbound) StateChanged() {
	o.changedMu.Lock()
	defer o.changedMu.Unlock()
	close(o.changed)
	o.changed = make(chan struct{})
}

func (o *Outbound) stateChange() <-chan struct{} {
	o.changedMu.Lock()
	defer o.changedMu.Unlock()
	return o.changed
}

func (o *Outbound) tell(client model.ClientID, conv model.ConversationID) {
	if o.Committed != nil {
		o.Committed(client, conv)
	}
}

func (o *Outbound) retention(id model.ClientID) model.Retention {
	c, _ := o.Accounts.Client(id)
	return c.Retention
}

// processName is random: two starts of the same program are two owners.
func processName() string { return hex.EncodeToString(randomBytes(8)) }

func randomBytes(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b)
	return b
}
