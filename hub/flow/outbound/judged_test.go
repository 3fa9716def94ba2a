package outbound_test

import (
	"context"
	"testing"
	"time"

	"github.com/channelhub/channelhub/hub/accounts"
	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/pluginhost"
	"github.com/channelhub/channelhub/hub/store"
)

// TestOptOutBeforeAttempt: consent counts as it is when the attempt starts.
func TestOptOutBeforeAttempt(t *testing.T) {
	w := newWorld(t)
	w.accounts.Move(account, accounts.Paused, "", time.Now())
	out := w.pool(nil)
	m := w.submit(out, "ada", "offer")
	w.optOut(m)
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

// optOut writes what the inbound side would when a customer opts out.
func (w *world) optOut(m store.Outbound) {
	w.t.Helper()
	_, ok, err := w.client.PutConversation(context.Background(), store.Conversation{
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
