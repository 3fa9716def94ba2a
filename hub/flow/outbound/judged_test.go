package outbound_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/channelhub/channelhub/hub/accounts"
	"github.com/channelhub/channelhub/hub/flow/outbound"
	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/pluginhost"
	"github.com/channelhub/channelhub/hub/storage/table/driver"
	"github.com/channelhub/channelhub/hub/store"
)

// TestOptOutBeforeAttempt: consent counts as it is when the attempt starts.
func TestOptOutBeforeAttempt(t *testing.T) {
	w := newWorld(t)
	w.accounts.Move(account, accounts.Paused, "", time.Now())
	out := w.pool(nil)
	m := w.submit(out, "ada", "offer")
	w.optOut(m)
	w.accounts.Move(account, accounts.Closed, "", time.Now())
	w.accounts.Move(account, accounts.Open, "", time.Now())
	out.StateChanged()
	now := w.await(m, model.Failed)
	if now.Failure.Code != "opted_out" || len(w.provider.texts()) != 0 {
		t.Errorf("failure %+v after %d attempts", now.Failure, len(w.provider.texts()))
	}
	_, err := out.Submit(t.Context(), acme, request("ada", "offer"), keyed("", ""))
	if !model.Is(err, model.Invalid) {
		t.Errorf("submit to somebody who opted out: %v, want invalid", err)
	}
}

// TestOptOutWhileWaitingForATurn: others may hold the account's only place for
// long; consent counts when the attempt starts, not when the wait does.
func TestOptOutWhileWaitingForATurn(t *testing.T) {
	w := newWorld(t)
	w.configure(accounts.Account{Pace: model.Pace{Concurrency: 1}})
	busy := newGate(sent)
	w.provider.script("busy", busy.answer)
	out := w.pool(nil)
	w.submit(out, "bob", "busy")
	busy.wait(t)
	m := w.submit(out, "ada", "offer")
	w.optOut(m)
	close(busy.leave)
	now := w.await(m, model.Failed)
	if now.Failure.Code != "opted_out" || w.provider.count("offer") != 0 {
		t.Errorf("failure %+v after %d attempts", now.Failure, w.provider.count("offer"))
	}
}

// TestOptOutTakenElsewhere: another hub may take the customer's word, which
// counts although this one knows the conversation by heart.
func TestOptOutTakenElsewhere(t *testing.T) {
	w := newWorld(t)
	mine := w.rows.Store()
	out := w.pool(func(o *outbound.Options) { o.Store = mine })
	m := w.submit(out, "ada", "first")
	w.await(m, model.Sent)
	conv := store.Conversation{ID: m.Conversation, Account: account, Contact: model.ContactID(m.SealKey), Key: m.SealKey, Addresses: m.To}
	client, err := mine.Client(t.Context(), acme)
	if err != nil {
		t.Fatal(err)
	}
	if _, ok, err := client.PutConversation(t.Context(), conv); err != nil || !ok {
		t.Fatalf("the customer writes: %v, %v", ok, err)
	}
	w.accounts.Move(account, accounts.Paused, "", time.Now())
	m = w.submit(out, "ada", "offer")
	now, err := w.client.ReadConversation(t.Context(), m.Conversation)
	if err != nil {
		t.Fatal(err)
	}
	now.OptedOut = true
	if _, ok, err := w.client.PutConversation(t.Context(), now); err != nil || !ok {
		t.Fatalf("opt out: %v, %v", ok, err)
	}
	w.accounts.Move(account, accounts.Closed, "", time.Now())
	w.accounts.Move(account, accounts.Open, "", time.Now())
	out.StateChanged()
	if now := w.await(m, model.Failed); now.Failure.Code != "opted_out" || w.provider.count("offer") != 0 {
		t.Errorf("failure %+v after %d attempts", now.Failure, w.provider.count("offer"))
	}
}

// TestChangesWhileTheClaimIsWritten: the write may take long; what is judged
// counts as it is when the attempt starts.
func TestChangesWhileTheClaimIsWritten(t *testing.T) {
	tests := map[string]struct {
		change func(*world, *store.Client, store.Outbound)
		status model.Status
		code   string
	}{
		"paused": {func(w *world, _ *store.Client, _ store.Outbound) {
			w.accounts.Move(account, accounts.Paused, "", time.Now())
		}, model.Queued, ""},
		"removed": {func(w *world, _ *store.Client, _ store.Outbound) {
			w.accounts.Replace(accounts.Set{})
		}, model.Failed, "account_removed"},
		"another client's": {func(w *world, _ *store.Client, _ store.Outbound) {
			w.accounts.Replace(accounts.Set{Accounts: map[model.AccountID]accounts.Account{account: {ID: account, Client: "other", Plugin: plugin, Enabled: true}}})
		}, model.Failed, "account_removed"},
		"connector away": {func(w *world, _ *store.Client, _ store.Outbound) {
			w.provider.set(func(p *provider) { p.away = true })
		}, model.Queued, ""},
		"opted out": {func(w *world, c *store.Client, m store.Outbound) {
			w.optOutBy(c, m)
		}, model.Failed, "opted_out"},
		"expired": {func(w *world, _ *store.Client, _ store.Outbound) {
			w.pass(25 * time.Hour)
		}, model.Expired, "expired"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			mine := w.rows.Store()
			out := w.pool(func(o *outbound.Options) { o.Store = mine })
			claim, released := newGate(nil), newGate(nil)
			w.disk.hold(claim, isClaim)
			m := w.submit(out, "ada", "hello")
			claim.wait(t)
			client, err := mine.Client(t.Context(), acme)
			if err != nil {
				t.Fatal(err)
			}
			tc.change(w, client, m)
			// The claim that gives the attempt up is the next one.
			w.disk.hold(released, isClaim)
			close(claim.leave)
			released.wait(t)
			close(released.leave)
			now := w.await(m, tc.status)
			if tc.status != model.Queued && (now.Failure == nil || now.Failure.Code != tc.code) {
				t.Errorf("failure %+v, want %s", now.Failure, tc.code)
			}
			if n := w.provider.count("hello"); n != 0 || now.Attempts != 0 {
				t.Errorf("%d attempts, %d counted: want none", n, now.Attempts)
			}
			if tc.status != model.Queued {
				return
			}
			w.provider.set(func(p *provider) { p.away = false })
			w.accounts.Move(account, accounts.Closed, "", time.Now())
			w.accounts.Move(account, accounts.Open, "", time.Now())
			out.StateChanged()
			if now := w.await(m, model.Sent); now.Attempts != 1 || w.provider.count("hello") != 1 {
				t.Errorf("%d attempts, %d counted: want one", w.provider.count("hello"), now.Attempts)
			}
		})
	}
}

func isClaim(op driver.Op) bool { return strings.Contains(op.PK, "/l/") && op.SK == "\x02" }

// optOut writes what the inbound side would when a customer opts out.
func (w *world) optOut(m store.Outbound) {
	w.t.Helper()
	w.optOutBy(w.client, m)
}

func (w *world) optOutBy(c *store.Client, m store.Outbound) {
	w.t.Helper()
	_, ok, err := c.PutConversation(context.Background(), store.Conversation{
		ID: m.Conversation, Account: account, Contact: model.ContactID(m.SealKey), Key: m.SealKey,
		OptedOut: true, Addresses: m.To,
	})
	if err != nil || !ok {
		w.t.Fatalf("opt out: %v, %v", ok, err)
	}
}

// TestWaitsForAccount: deliveries wait while their account or its connector is
// away, and go on when told of the change.
func TestWaitsForAccount(t *testing.T) {
	for _, state := range []accounts.State{accounts.Paused, accounts.PluginAway, accounts.BadCredentials} {
		t.Run(string(state), func(t *testing.T) {
			w := newWorld(t)
			w.accounts.Move(account, state, "", time.Now())
			out := w.pool(nil)
			m := w.submit(out, "ada", "hello")
			w.accounts.Move(account, accounts.Closed, "", time.Now())
			w.accounts.Move(account, accounts.Open, "", time.Now())
			out.StateChanged()
			w.await(m, model.Sent)
		})
	}
	t.Run("connector not ready", func(t *testing.T) {
		w := newWorld(t)
		w.provider.set(func(p *provider) { p.away = true })
		out := w.pool(nil)
		m := w.submit(out, "ada", "hello")
		w.provider.set(func(p *provider) { p.away = false })
		out.StateChanged()
		w.await(m, model.Sent)
	})
	t.Run("connector gone between look and call", func(t *testing.T) {
		w := newWorld(t)
		w.provider.script("hello", func(context.Context, pluginhost.Delivery) (pluginhost.Outcome, error) {
			return pluginhost.Outcome{}, model.Errorf(model.Unavailable, "send", "not running")
		})
		out := w.pool(nil)
		now := w.await(w.submit(out, "ada", "hello"), model.Sent)
		if now.Attempts != 1 {
			t.Errorf("%d attempts are counted: who was not asked was not tried", now.Attempts)
		}
	})
	t.Run("account removed", func(t *testing.T) {
		w := newWorld(t)
		w.accounts.Move(account, accounts.Paused, "", time.Now())
		out := w.pool(nil)
		m := w.submit(out, "ada", "hello")
		w.accounts.Replace(accounts.Set{})
		out.StateChanged()
		if now := w.await(m, model.Failed); now.Failure.Code != "account_removed" {
			t.Errorf("failure %+v, want account_removed", now.Failure)
		}
	})
	t.Run("too large for the contract", func(t *testing.T) {
		w := newWorld(t)
		w.provider.script("hello", func(context.Context, pluginhost.Delivery) (pluginhost.Outcome, error) {
			return pluginhost.Outcome{}, model.Errorf(model.TooLarge, "send", "does not fit")
		})
		out := w.pool(nil)
		if now := w.await(w.submit(out, "ada", "hello"), model.Failed); now.Failure.Code != "too_large" {
			t.Errorf("failure %+v, want too_large", now.Failure)
		}
	})
}
