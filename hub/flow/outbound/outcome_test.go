package outbound_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/channelhub/channelhub/hub/accounts"
	"github.com/channelhub/channelhub/hub/flow/outbound"
	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/pluginhost"
	"github.com/channelhub/channelhub/hub/store"
)

func TestSent(t *testing.T) {
	w := newWorld(t)
	out := w.pool(nil)
	m := w.submit(out, "ada", "hello")
	if m.Status != model.Queued {
		t.Errorf("an accepted message is %s, want queued", m.Status)
	}
	now := w.await(m, model.Sent)
	w.told(m, model.Sent)
	if now.Attempts != 1 || !slices.Equal(now.ProviderIDs, []string{providerID(m.ID())}) {
		t.Errorf("attempts %d, provider ids %q", now.Attempts, now.ProviderIDs)
	}
	if now.View().ProviderID != providerID(m.ID()) {
		t.Errorf("the view shows provider id %q", now.View().ProviderID)
	}
}

func TestRejectedIsFinal(t *testing.T) {
	w := newWorld(t)
	w.provider.script("bad", says(pluginhost.Outcome{
		Kind: pluginhost.Rejected, Scope: pluginhost.ScopeRecipient, Code: "no_such_number", ProviderCode: "21211", Detail: "not a number",
	}))
	out := w.pool(nil)
	m := w.submit(out, "ada", "bad")
	next := w.submit(out, "ada", "next")
	now := w.await(m, model.Failed)
	w.await(next, model.Sent)
	w.told(m, model.Failed)
	want := model.Failure{Code: "no_such_number", ProviderCode: "21211", Detail: "not a number"}
	if now.Failure == nil || *now.Failure != want {
		t.Errorf("failure %+v, want %+v", now.Failure, want)
	}
	if n := w.provider.count("bad"); n != 1 {
		t.Errorf("a rejected message was tried %d times", n)
	}
	if letters, err := w.client.DeadLetters(t.Context(), model.Random16{}, 10); err != nil || len(letters) != 0 {
		t.Errorf("dead letters %v, %v: a rejected message is none", letters, err)
	}
}

func TestRetry(t *testing.T) {
	w := newWorld(t)
	w.provider.script("again", retry, retry)
	out := w.pool(nil)
	now := w.await(w.submit(out, "ada", "again"), model.Sent)
	if now.Attempts != 3 {
		t.Errorf("%d attempts, want 3", now.Attempts)
	}
	w.told(now, model.Sent)
}

func TestThrottledIsNoAttempt(t *testing.T) {
	w := newWorld(t)
	w.provider.script("slow", throttled, throttled)
	out := w.pool(nil)
	now := w.await(w.submit(out, "ada", "slow"), model.Sent)
	if now.Attempts != 1 {
		t.Errorf("%d attempts are counted, want 1", now.Attempts)
	}
	if n := w.provider.count("slow"); n != 3 {
		t.Errorf("the provider was asked %d times, want 3", n)
	}
}

// TestThrottledIsNotSending looks at a message between two attempts.
func TestThrottledIsNotSending(t *testing.T) {
	w := newWorld(t)
	w.provider.script("slow", says(pluginhost.Outcome{Kind: pluginhost.Throttled, Scope: pluginhost.ScopeRecipient, RetryAfter: time.Hour}))
	out := w.pool(nil)
	m := w.submit(out, "ada", "slow")
	w.until("the outcome to be written", func() error {
		if w.read(m).NextTry.IsZero() {
			return errors.New("no next try is set")
		}
		return nil
	})
	if out.Sending(t.Context(), w.client, w.read(m)) {
		t.Error("a throttled message shows as sending until its next attempt")
	}
}

// TestRestartBehindThrottled restarts the hub while a throttled message waits:
// nothing was sent, so nothing is unknown.
func TestRestartBehindThrottled(t *testing.T) {
	w := newWorld(t)
	w.provider.set(func(p *provider) { p.descriptor.IdempotentSend = false })
	w.provider.script("slow", says(pluginhost.Outcome{Kind: pluginhost.Throttled, Scope: pluginhost.ScopeRecipient, RetryAfter: time.Hour}))
	out := w.pool(nil)
	m := w.submit(out, "ada", "slow")
	w.until("the outcome to be written", func() error {
		if w.read(m).NextTry.IsZero() {
			return errors.New("no next try is set")
		}
		return nil
	})
	w.close(out)
	w.clock.Add(int64(2 * time.Hour))
	w.pool(nil)
	if now := w.await(m, model.Sent); now.Attempts != 1 {
		t.Errorf("%d attempts are counted, want 1", now.Attempts)
	}
	w.told(m, model.Sent)
}

// TestRetryAfter checks that the provider's delay counts when it is longer than
// ours, and ours when it is not.
func TestRetryAfter(t *testing.T) {
	for _, kind := range []pluginhost.OutcomeKind{pluginhost.Throttled, pluginhost.Retry} {
		t.Run(string(kind), func(t *testing.T) {
			w := newWorld(t)
			w.provider.script("later", says(pluginhost.Outcome{Kind: kind, Scope: pluginhost.ScopeRecipient, RetryAfter: time.Hour}))
			out := w.pool(nil)
			began := w.now()
			m := w.submit(out, "ada", "later")
			var next time.Time
			w.until("the outcome to be written", func() error {
				if next = w.read(m).NextTry; next.IsZero() {
					return errors.New("no next try is set")
				}
				return nil
			})
			if next.Before(began.Add(time.Hour).Truncate(time.Millisecond)) || next.After(w.now().Add(time.Hour)) {
				t.Errorf("next try in %v, want an hour", next.Sub(began))
			}
			if n := w.provider.count("later"); n != 1 {
				t.Errorf("it was tried %d times within the provider's delay", n)
			}
			w.clock.Add(int64(61 * time.Minute))
			out.StateChanged() // the test's clock jumped: timers do not know
			w.await(m, model.Sent)
		})
	}
}

func TestUnknownIsRetriedWhereThatIsHarmless(t *testing.T) {
	w := newWorld(t)
	w.provider.script("maybe", unknown)
	out := w.pool(nil)
	now := w.await(w.submit(out, "ada", "maybe"), model.Sent)
	if now.Attempts != 2 {
		t.Errorf("%d attempts, want 2", now.Attempts)
	}
}

// TestRejectedBehindADoubt: that the second attempt was refused says nothing of
// the first (I5).
func TestRejectedBehindADoubt(t *testing.T) {
	w := newWorld(t)
	w.provider.script("maybe", unknown, retry, says(pluginhost.Outcome{Kind: pluginhost.Rejected, Code: "no", ProviderCode: "7", Detail: "not now"}))
	out := w.pool(nil)
	now := w.await(w.submit(out, "ada", "maybe"), model.Failed)
	want := model.Failure{Code: "outcome_unknown", ProviderCode: "7", Detail: "not now; an earlier attempt may have reached the provider"}
	if now.Failure == nil || *now.Failure != want {
		t.Errorf("I5: failure %+v, want %+v", now.Failure, want)
	}
}

func TestUnknownIsHeldElsewhere(t *testing.T) {
	w := newWorld(t)
	w.provider.set(func(p *provider) { p.descriptor.IdempotentSend = false })
	w.provider.script("maybe", unknown)
	out := w.pool(nil)
	m := w.submit(out, "ada", "maybe")
	next := w.submit(out, "ada", "next")
	w.await(next, model.Sent) // the lane goes on behind it
	now := w.await(m, model.Held)
	if now.Failure == nil || now.Failure.Code != "outcome_unknown" {
		t.Errorf("failure %+v, want outcome_unknown", now.Failure)
	}
	w.report(out, "prov-elsewhere", model.Delivered) // some other message's
	if got := w.read(m).Status; got != model.Held {
		t.Errorf("a receipt of another message made it %s", got)
	}
	w.reportAs(out, pluginhost.StatusReport{Status: model.Delivered, MessageID: m.ID()})
	w.await(m, model.Delivered)
	w.told(m, model.Held, model.Delivered)
	w.idle()
	if n := w.provider.count("maybe"); n != 1 {
		t.Errorf("it was tried %d times", n)
	}
}

// TestHoldOver lets the wait for a receipt run out.
func TestHoldOver(t *testing.T) {
	for _, c := range []struct {
		setting string
		end     model.Status
		tried   int
		told    []model.Status
	}{
		{"fail", model.Failed, 1, []model.Status{model.Held, model.Failed}},
		{"", model.Failed, 1, []model.Status{model.Held, model.Failed}},
		{"retry", model.Sent, 2, []model.Status{model.Held, model.Queued, model.Sent}},
	} {
		t.Run("on_unknown_after="+c.setting, func(t *testing.T) {
			w := newWorld(t)
			w.configure(accounts.Account{OnUnknownAfter: c.setting})
			w.provider.set(func(p *provider) { p.descriptor.IdempotentSend = false })
			w.provider.script("maybe", unknown)
			out := w.pool(func(o *outbound.Options) { o.Hold = 50 * time.Millisecond })
			m := w.submit(out, "ada", "maybe")
			now := w.await(m, c.end)
			w.told(m, c.told...)
			if c.end == model.Failed && now.Failure.Code != "outcome_unknown" {
				t.Errorf("I5: failure %+v, want outcome_unknown", now.Failure)
			}
			if n := w.provider.count("maybe"); n != c.tried {
				t.Errorf("tried %d times, want %d", n, c.tried)
			}
			w.idle()
		})
	}
}

func TestResolve(t *testing.T) {
	for _, c := range []struct {
		as    outbound.Resolution
		end   model.Status
		tried int
	}{
		{outbound.ResolveRetry, model.Sent, 2},
		{outbound.ResolveSent, model.Sent, 1},
		{outbound.ResolveFailed, model.Failed, 1},
	} {
		t.Run(string(c.as), func(t *testing.T) {
			w := newWorld(t)
			w.provider.set(func(p *provider) { p.descriptor.IdempotentSend = false })
			w.provider.script("maybe", unknown)
			out := w.pool(nil)
			m := w.submit(out, "ada", "maybe")
			w.await(m, model.Held)
			// What cannot be recorded does not happen.
			full := model.Errorf(model.Unavailable, "record", "the log is away")
			refuse := func(context.Context, func(context.Context) error) error { return full }
			if _, err := out.ResolveRecorded(t.Context(), acme, m.ID(), c.as, refuse); !model.Is(err, model.Unavailable) {
				t.Errorf("unrecorded: %v, want the log's error", err)
			}
			if _, msg, err := out.Message(t.Context(), acme, m.ID()); err != nil || msg.Status != model.Held {
				t.Fatalf("unrecorded: the message is %s, %v; want it held", msg.Status, err)
			}
			recorded := 0
			record := func(ctx context.Context, do func(context.Context) error) error {
				recorded++
				return do(ctx)
			}
			if _, err := out.ResolveRecorded(t.Context(), acme, m.ID(), c.as, record); err != nil {
				t.Fatal(err)
			}
			w.await(m, c.end)
			w.idle()
			if n := w.provider.count("maybe"); n != c.tried {
				t.Errorf("tried %d times, want %d", n, c.tried)
			}
			if c.as == outbound.ResolveRetry {
				return
			}
			if _, err := out.ResolveRecorded(t.Context(), acme, m.ID(), c.as, record); err != nil || recorded != 1 {
				t.Errorf("a repeat: %v, recorded %d times; want once", err, recorded)
			}
			other := outbound.ResolveSent
			if c.as == other {
				other = outbound.ResolveFailed
			}
			if _, err := out.Resolve(t.Context(), acme, m.ID(), other); !model.Is(err, model.Conflicting) {
				t.Errorf("another resolution: %v, want a conflict", err)
			}
		})
	}
}

func TestResolveRefuses(t *testing.T) {
	w := newWorld(t)
	out := w.pool(nil)
	m := w.submit(out, "ada", "hello")
	w.await(m, model.Sent)
	for _, as := range []outbound.Resolution{outbound.ResolveSent, outbound.ResolveRetry, outbound.ResolveFailed} {
		if _, err := out.Resolve(t.Context(), acme, m.ID(), as); !model.Is(err, model.Conflicting) {
			t.Errorf("a message that was never held, as %s: %v, want a conflict", as, err)
		}
	}
	if _, err := out.Resolve(t.Context(), acme, m.ID(), "maybe"); !model.Is(err, model.Invalid) {
		t.Errorf("an unknown resolution: %v, want invalid", err)
	}
	missing := model.MessagePlace{Conversation: m.Conversation, Direction: model.Outbound, Key: model.NewRandom16()}.ID()
	_, absent := out.Resolve(t.Context(), acme, missing, outbound.ResolveSent)
	_, foreign := out.Resolve(t.Context(), "other", m.ID(), outbound.ResolveSent)
	if !model.Is(absent, model.NotFound) || foreign == nil || foreign.Error() != absent.Error() {
		t.Errorf("I8: a foreign id is answered %v, a missing one %v", foreign, absent)
	}
}

// TestExpiredWithoutAttempt lets a message expire that no attempt was made for.
func TestExpiredWithoutAttempt(t *testing.T) {
	w := newWorld(t)
	w.accounts.Move(account, accounts.Paused, "", time.Now())
	out := w.pool(nil)
	r := request("ada", "late")
	r.Expire, r.HasExpire = time.Hour, true
	m := w.submitRequest(out, r)
	w.clock.Add(int64(2 * time.Hour))
	out.StateChanged()
	now := w.await(m, model.Expired)
	w.told(m, model.Expired)
	if now.Failure == nil || now.Failure.Code != "expired" || len(w.provider.texts()) != 0 {
		t.Errorf("failure %+v after %d attempts", now.Failure, len(w.provider.texts()))
	}
	w.letters(0)
}

// TestExpiredWhileThrottled: what the provider had no time for was not tried.
func TestExpiredWhileThrottled(t *testing.T) {
	w := newWorld(t)
	w.provider.script("late", says(pluginhost.Outcome{Kind: pluginhost.Throttled, RetryAfter: time.Hour}))
	out := w.pool(nil)
	r := request("ada", "late")
	r.Expire, r.HasExpire = 30*time.Minute, true
	m := w.submitRequest(out, r)
	w.until("an attempt", func() error {
		if w.read(m).NextTry.IsZero() {
			return errors.New("no next try is set")
		}
		return nil
	})
	w.clock.Add(int64(31 * time.Minute))
	out.StateChanged()
	w.await(m, model.Expired)
	w.letters(0)
}

// TestExpiredWithAttempts lets a message expire behind attempts that certainly
// sent nothing, and one that may have.
func TestExpiredWithAttempts(t *testing.T) {
	for _, c := range []struct {
		name string
		last answer
		code string
	}{
		{"certainly not sent", says(pluginhost.Outcome{Kind: pluginhost.Retry, RetryAfter: time.Hour}), "retries_exhausted"},
		{"perhaps sent", says(pluginhost.Outcome{Kind: pluginhost.Unknown, RetryAfter: time.Hour}), "outcome_unknown"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			w.provider.script("late", retry, c.last)
			out := w.pool(nil)
			r := request("ada", "late")
			r.Expire, r.HasExpire = 30*time.Minute, true
			m := w.submitRequest(out, r)
			w.until("both attempts", func() error {
				if w.read(m).Attempts < 2 {
					return errors.New("not yet")
				}
				return nil
			})
			w.clock.Add(int64(31 * time.Minute))
			out.StateChanged()
			now := w.await(m, model.Failed)
			w.told(m, model.Failed)
			if now.Failure.Code != c.code {
				t.Errorf("failure %+v, want %s", now.Failure, c.code)
			}
			letter := w.letters(1)[0]
			if letter.UUID != m.UUID || letter.Reason != c.code || letter.Attempts != 2 {
				t.Errorf("dead letter %+v", letter)
			}
			// Rows expire at full seconds.
			if now.ContentUntil.Before(letter.Expires.Add(-time.Second)) {
				t.Error("the content ends before the dead letter that points at it")
			}
			w.idle()
			w.report(out, providerID(m.ID()), model.Delivered) // waits: nobody knows the id
			w.reportAs(out, pluginhost.StatusReport{Status: model.Delivered, MessageID: m.ID()})
			w.await(m, model.Delivered)
			w.told(m, model.Failed, model.Delivered)
			w.letters(1)
		})
	}
}

// letters returns the dead letters, which must be so many.
func (w *world) letters(want int) []store.DeadLetter {
	w.t.Helper()
	letters, err := w.client.DeadLetters(context.Background(), model.Random16{}, 10)
	if err != nil || len(letters) != want {
		w.t.Fatalf("dead letters %+v, %v; want %d", letters, err, want)
	}
	return letters
}
