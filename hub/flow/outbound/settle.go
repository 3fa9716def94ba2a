package outbound

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/channelhub/channelhub/hub/accounts"
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
)

// settle writes the outcome of an attempt: first the provider's ids, so that a
// receipt finds its message, then the message row, then its record in the
// feed. A late outcome of an owner that was fenced off takes the same way and
// merges with what the successor wrote: a Sent is never dropped.
func (r *runner) settle(ctx context.Context, acct accounts.Account, msg store.Outbound, attempt int, out pluginhost.Outcome) (store.Outbound, error) {
	// An outcome in hand is written even while the hub closes.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleTimeout)
	defer cancel()
	var early []store.ProviderRow
	if out.Kind == pluginhost.Sent {
		var err error
		if early, err = r.o.claimProviderIDs(ctx, r.client, msg, out.ProviderIDs); err != nil {
			return msg, err
		}
		failpoint.Hit("outbound.after_provider_id")
	}
	descriptor, _ := r.o.Connectors.Describe(acct.Plugin)
	return r.o.move(ctx, r.client, msg, func(m *store.Outbound) bool {
		if out.Kind != pluginhost.Throttled {
			m.Attempts = max(m.Attempts, attempt)
		}
		switch out.Kind {
		case pluginhost.Sent:
			return r.o.applySent(m, attempt, out, early)
		case pluginhost.Rejected:
			return r.o.change(m, model.Failed, attempt, &model.Failure{Code: orElse(out.Code, "rejected"), ProviderCode: out.ProviderCode, Detail: out.Detail})
		case pluginhost.Throttled, pluginhost.Retry:
			r.o.delay(m, attempt, out)
			return true
		case pluginhost.Unknown:
			if descriptor.IdempotentSend {
				r.o.delay(m, attempt, out)
				return true
			}
			m.HeldUntil = r.o.Now().Add(r.o.Hold)
			return r.o.change(m, model.Held, attempt, &model.Failure{Code: codeUnknown, Detail: "it is not known whether the provider took the message"})
		}
		return false
	})
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
	acct, ok := r.o.Accounts.Account(msg.Account)
	if !ok {
		return nil // deliver fails it
	}
	_, err = r.settle(ctx, acct, msg, old.Attempt, pluginhost.Outcome{
		Kind: pluginhost.Unknown, Code: codeUnknown, Detail: "the hub stopped during the attempt",
	})
	return err
}

// delay puts the next attempt off: own backoff with full jitter, or what the
// provider asked for if that is longer.
func (o *Outbound) delay(m *store.Outbound, attempt int, out pluginhost.Outcome) {
	now := o.Now()
	m.NextTry = now.Add(max(o.backoff(max(m.Attempts, 1)), out.RetryAfter))
	m.Note(store.Move{Status: m.Status, At: model.At(now), Attempt: attempt, Outcome: string(out.Kind), Code: out.Code})
}

// backoff is the delay behind the nth attempt: uniform up to a bound that
// doubles, so that lanes that failed together do not come back together.
func (o *Outbound) backoff(n int) time.Duration {
	bound := o.Backoff.Max
	if n < 30 {
		bound = min(bound, o.Backoff.Min<<(n-1))
	}
	return time.Duration(rand.Int64N(int64(bound) + 1))
}

// applySent writes that the provider took the message, with whatever receipt
// came before.
func (o *Outbound) applySent(m *store.Outbound, attempt int, out pluginhost.Outcome, early []store.ProviderRow) bool {
	for _, id := range out.ProviderIDs {
		if !contains(m.ProviderIDs, id) {
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

func contains(list []string, s string) bool {
	for _, x := range list {
		if x == s {
			return true
		}
	}
	return false
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
	now := r.o.Now()
	ends := now.Add(r.o.retention(r.lane.client).DeadLetters)
	err := r.client.PutDeadLetter(ctx, store.DeadLetter{
		Conversation: msg.Conversation, UUID: msg.UUID, Account: msg.Account,
		Reason: codeExhausted, Attempts: msg.Attempts, At: now, Expires: ends,
	})
	if err != nil {
		return err
	}
	failpoint.Hit("outbound.after_dead_letter")
	_, err = r.o.move(ctx, r.client, msg, func(m *store.Outbound) bool {
		m.ContentUntil, m.Expires = laterOf(m.ContentUntil, ends), laterOf(m.Expires, ends)
		return r.o.change(m, model.Failed, 0, &model.Failure{Code: codeExhausted, Detail: "every attempt until the message expired was in vain"})
	})
	return err
}

func laterOf(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// fail ends a delivery that must not be attempted.
func (r *runner) fail(ctx context.Context, msg store.Outbound, code, detail string) error {
	_, err := r.o.move(ctx, r.client, msg, func(m *store.Outbound) bool {
		return r.o.change(m, model.Failed, 0, &model.Failure{Code: code, Detail: detail})
	})
	return err
}

// endHold ends the wait of a held delivery as its account says: it fails, or
// it is tried again, at the risk of a second copy.
func (r *runner) endHold(ctx context.Context, msg store.Outbound) (store.Outbound, error) {
	acct, _ := r.o.Accounts.Account(msg.Account)
	return r.o.move(ctx, r.client, msg, func(m *store.Outbound) bool {
		if m.Status != model.Held {
			return false
		}
		if acct.OnUnknownAfter == "retry" {
			m.NextTry = time.Time{}
			return r.o.change(m, model.Queued, 0, nil)
		}
		return r.o.change(m, model.Failed, 0, &model.Failure{Code: codeUnknown, Detail: "no receipt came while the delivery was held"})
	})
}
