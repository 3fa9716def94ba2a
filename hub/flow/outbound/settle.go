package outbound

import (
	"context"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/pluginhost"
	"github.com/channelhub/channelhub/hub/store"
	"github.com/channelhub/channelhub/internal/failpoint"
)

// Failure codes the hub itself gives.
const (
	codeUnknown   = "outcome_unknown"
	codeExhausted = "retries_exhausted"
	codeExpired   = "expired"
	codeAway      = "connector_away"
)

// tried is an attempt that was made.
type tried struct {
	plugin  model.PluginID
	msg     store.Outbound // as it was before
	attempt int
	out     pluginhost.Outcome
	asked   bool // the connector was asked
}

// counts reports whether it was an attempt at all: a provider that had no time
// and a connector that was not there leave the message untried.
func (t *tried) counts() bool { return t.asked && t.out.Kind != pluginhost.Throttled }

// finish writes the outcome in hand. Until it succeeds the outcome stays in
// hand: who forgot it would send again what may have been sent (I5).
func (r *runner) finish(ctx context.Context) (store.Outbound, error) {
	// The outcome is written even while the hub closes.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleTimeout)
	defer cancel()
	t := r.open
	if !t.counts() {
		// The message row will not tell that this attempt is over, so the claim
		// has to, and first: a successor may then send, as nothing was sent.
		if err := r.disclaim(ctx); err != nil {
			return t.msg, err
		}
	}
	msg, err := r.settle(ctx, t)
	if model.Is(err, model.NotFound) {
		// The message is gone: its contact was erased while it was being sent.
		msg, err = t.msg, r.o.dropProviderIDs(ctx, r.client, t.msg, t.out.ProviderIDs)
		msg.Status = model.Discarded
	}
	if err != nil {
		return msg, err
	}
	r.open = nil
	return msg, nil
}

// disclaim takes the attempt out of the claim. A successor that fenced this
// process off settles the attempt by itself.
func (r *runner) disclaim(ctx context.Context) error {
	claim := r.claim
	claim.Message, claim.Attempt, claim.SendUntil = model.Random16{}, 0, time.Time{}
	now, ok, err := r.client.PutClaim(ctx, claim)
	if err == nil && (ok || now.Owner == r.o.owner) {
		r.claim = now
	}
	return err
}

// settle writes the outcome of an attempt: first the provider's ids, so that a
// receipt finds its message, then the message row, then its record in the
// feed. A late outcome of an owner that was fenced off takes the same way and
// merges with what the successor wrote: a Sent is never dropped.
func (r *runner) settle(ctx context.Context, t *tried) (store.Outbound, error) {
	var early []store.ProviderRow
	if t.out.Kind == pluginhost.Sent {
		var err error
		if early, err = r.o.claimProviderIDs(ctx, r.client, t.msg, t.out.ProviderIDs); err != nil {
			return t.msg, err
		}
		failpoint.Hit("outbound.after_provider_id")
	}
	descriptor, described := r.o.Connectors.Describe(t.plugin)
	return r.o.move(ctx, r.client, t.msg, func(m *store.Outbound) bool {
		known := m.Attempts >= t.attempt // somebody wrote an outcome of this attempt
		if t.counts() {
			m.Attempts = max(m.Attempts, t.attempt)
		}
		switch t.out.Kind {
		case pluginhost.Sent:
			return r.o.applySent(m, t.attempt, t.out, early)
		case pluginhost.Rejected:
			failure := model.Failure{Code: orElse(t.out.Code, "rejected"), ProviderCode: t.out.ProviderCode, Detail: t.out.Detail}
			if doubtful(*m, t.attempt) {
				failure = inDoubt(failure)
			}
			return r.o.change(m, model.Failed, t.attempt, &failure)
		case pluginhost.Throttled, pluginhost.Retry:
			return r.o.applyNotSent(m, t, known)
		case pluginhost.Unknown:
			if known || m.Status.Final() {
				return false
			}
			if described && descriptor.IdempotentSend {
				r.o.delay(m, t)
				return true
			}
			m.HeldUntil = r.o.Now().Add(r.o.Hold)
			return r.o.change(m, model.Held, t.attempt, &model.Failure{Code: codeUnknown, Detail: "it is not known whether the provider took the message"})
		}
		return false
	})
}

// applyNotSent writes that the attempt certainly sent nothing. When a successor
// had to call the attempt unknown meanwhile, that doubt ends here.
func (o *Outbound) applyNotSent(m *store.Outbound, t *tried, known bool) bool {
	switch {
	case m.Status == model.Held && m.Attempts <= t.attempt:
		m.HeldUntil = time.Time{}
		o.delay(m, t)
		return o.change(m, model.Queued, 0, nil)
	case known || m.Status != model.Queued:
		return false
	}
	o.delay(m, t)
	return true
}

// settleTimeout bounds the writing of an outcome.
const settleTimeout = 10 * time.Second

func orElse(s, def string) string {
	if s == "" {
		return def
	}
	return s
}

// settleUnknown ends an attempt that another process left open.
func (r *runner) settleUnknown(ctx context.Context, old store.Claim) error {
	msg, err := r.client.Outbound(ctx, r.lane.conv, old.Message)
	if model.Is(err, model.NotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	if msg.Attempts >= old.Attempt || msg.Status.Final() {
		return r.o.record(ctx, r.client, msg)
	}
	acct, _ := r.o.Accounts.Account(msg.Account)
	_, err = r.settle(ctx, &tried{plugin: acct.Plugin, msg: msg, attempt: old.Attempt, asked: true, out: pluginhost.Outcome{
		Kind: pluginhost.Unknown, Code: codeUnknown, Detail: "the hub stopped during the attempt",
	}})
	return err
}

// delay puts the next attempt off: own backoff with full jitter, or what the
// provider asked for if that is longer. What does not count as an attempt
// still makes the backoff grow.
func (o *Outbound) delay(m *store.Outbound, t *tried) {
	now := o.Now()
	m.Note(store.Move{Status: m.Status, At: model.At(now), Attempt: t.attempt, Outcome: string(t.out.Kind), Code: t.out.Code})
	n := m.Attempts
	for _, mv := range slices.Backward(m.Timeline) {
		if mv.Outcome != string(pluginhost.Throttled) && mv.Code != codeAway {
			break
		}
		n++
	}
	m.NextTry = now.Add(max(o.backoff(max(n, 1)), t.out.RetryAfter))
}

// backoff is the delay behind the nth attempt: uniform up to a bound that
// doubles, so that lanes that failed together do not come back together.
func (o *Outbound) backoff(n int) time.Duration {
	bound := min(o.Backoff.Min, o.Backoff.Max)
	for ; n > 1 && bound < o.Backoff.Max; n-- {
		bound = min(2*bound, o.Backoff.Max)
	}
	return time.Duration(rand.Int64N(int64(bound) + 1))
}

// applySent writes that the provider took the message, with whatever receipt
// came before.
func (o *Outbound) applySent(m *store.Outbound, attempt int, out pluginhost.Outcome, early []store.ProviderRow) bool {
	for _, id := range out.ProviderIDs {
		if !slices.Contains(m.ProviderIDs, id) {
			m.ProviderIDs = append(m.ProviderIDs, id)
		}
	}
	to, failure := model.Sent, (*model.Failure)(nil)
	for _, e := range early {
		if e.Early == model.Failed && to == model.Sent {
			failure = &model.Failure{Code: orElse(e.EarlyCode, "failed"), ProviderCode: e.ProviderCode}
			to = model.Failed
		} else if e.Early != model.Failed && to.CanMove(e.Early) {
			to, failure = e.Early, nil
		}
	}
	o.change(m, to, attempt, failure)
	return true
}

// expire ends a delivery whose time is over: expired when no attempt was ever
// made, failed and a dead letter when some were.
func (r *runner) expire(ctx context.Context, msg store.Outbound) error {
	if msg.Attempts == 0 {
		_, err := r.o.move(ctx, r.client, msg, func(m *store.Outbound) bool {
			return r.o.change(m, model.Expired, 0, &model.Failure{Code: codeExpired, Detail: "the message was not sent before it expired"})
		})
		return err
	}
	failure := sure(msg, model.Failure{Code: codeExhausted, Detail: "every attempt until the message expired was in vain"})
	now := r.o.Now()
	ends := now.Add(r.o.retention(r.lane.client).DeadLetters)
	err := r.client.PutDeadLetter(ctx, store.DeadLetter{
		Conversation: msg.Conversation, UUID: msg.UUID, Account: msg.Account,
		Reason: failure.Code, Attempts: msg.Attempts, At: now, Expires: ends,
	})
	if err != nil {
		return err
	}
	failpoint.Hit("outbound.after_dead_letter")
	lettered := false
	_, err = r.o.move(ctx, r.client, msg, func(m *store.Outbound) bool {
		m.ContentUntil, m.Expires = laterOf(m.ContentUntil, ends), laterOf(m.Expires, ends)
		lettered = r.o.change(m, model.Failed, 0, &failure)
		m.DeadLettered = m.DeadLettered || lettered
		return lettered
	})
	if err == nil && lettered {
		r.o.Metrics.DeadLettered()
	}
	return err
}

// sure returns the failure unless it would say too much: what may have reached
// the provider is never reported as certainly not sent (I5).
func sure(msg store.Outbound, f model.Failure) model.Failure {
	if doubtful(msg, 0) {
		return inDoubt(f)
	}
	return f
}

// inDoubt is the failure of a delivery of which an attempt may have got there.
func inDoubt(f model.Failure) model.Failure {
	if f.Code == codeUnknown {
		return f
	}
	text := "an earlier attempt may have reached the provider"
	if f.Detail != "" {
		text = f.Detail + "; " + text
	}
	return model.Failure{Code: codeUnknown, ProviderCode: f.ProviderCode, Detail: text}
}

// doubtful reports whether it is open if an attempt reached the provider. The
// one attempt that is given is not in doubt, nor is one whose outcome came late.
func doubtful(msg store.Outbound, certain int) bool {
	for i, m := range msg.Timeline {
		ended := func(later store.Move) bool {
			return later.Attempt == m.Attempt && later.Outcome != "" && !later.Doubtful()
		}
		if m.Doubtful() && m.Attempt != certain && !slices.ContainsFunc(msg.Timeline[i+1:], ended) {
			return true
		}
	}
	return false
}

func laterOf(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// fail ends a delivery that must not be attempted.
func (r *runner) fail(ctx context.Context, msg store.Outbound, code, detail string) error {
	failure := sure(msg, model.Failure{Code: code, Detail: detail})
	_, err := r.o.move(ctx, r.client, msg, func(m *store.Outbound) bool {
		return r.o.change(m, model.Failed, 0, &failure)
	})
	return err
}

// endHold ends the wait of a held delivery as its account says: it fails, or
// it is tried again, at the risk of a second copy. Where there is no such risk
// it is tried again in any case.
func (r *runner) endHold(ctx context.Context, msg store.Outbound, idempotent bool) (store.Outbound, error) {
	acct, _ := r.o.Accounts.Account(msg.Account)
	return r.o.move(ctx, r.client, msg, func(m *store.Outbound) bool {
		if m.Status != model.Held {
			return false
		}
		m.HeldUntil = time.Time{}
		if idempotent || acct.OnUnknownAfter == "retry" {
			m.NextTry = time.Time{}
			return r.o.change(m, model.Queued, 0, nil)
		}
		return r.o.change(m, model.Failed, 0, &model.Failure{Code: codeUnknown, Detail: "no receipt came while the delivery was held"})
	})
}

// idempotent reports whether a second copy of a message does no harm, as far
// as the account's connector has said.
func (o *Outbound) idempotent(id model.AccountID) bool {
	acct, ok := o.Accounts.Account(id)
	if !ok {
		return false
	}
	d, ok := o.Connectors.Describe(acct.Plugin)
	return ok && d.IdempotentSend
}
