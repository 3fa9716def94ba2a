package outbound_test

import (
	"errors"
	"testing"
	"time"

	"github.com/channelhub/channelhub/hub/model"
)

// TestRefusalByTheKeysIsNotFinal has the root of keys refuse the hub for a
// while: nothing is accepted then, and what was accepted before is sent, once,
// when the hub may use its client's keys again (I2, I5).
func TestRefusalByTheKeysIsNotFinal(t *testing.T) {
	t.Run("before the attempt", func(t *testing.T) {
		w := newWorld(t)
		w.provider.set(func(p *provider) { p.away = true })
		out := w.pool(nil)
		m := w.submit(out, "ada", "hello")
		w.deny()
		w.provider.set(func(p *provider) { p.away = false })
		out.StateChanged()
		w.refusedOnce()
		if _, err := out.Submit(t.Context(), acme, request("bob", "not now"), keyed("", "")); !model.Is(err, model.Unavailable) {
			t.Errorf("submit: %v, want unavailable", err)
		}
		if n := w.provider.count("hello"); n != 0 {
			t.Errorf("%d attempts of a message that could not be read", n)
		}
		w.allow()
		if now := w.await(m, model.Sent); now.Attempts != 1 {
			t.Errorf("%d attempts are counted, want 1", now.Attempts)
		}
		w.told(m, model.Sent)
	})
	t.Run("during the attempt", func(t *testing.T) {
		w := newWorld(t)
		busy := newGate(sent)
		w.provider.script("hello", busy.answer)
		out := w.pool(nil)
		m := w.submit(out, "ada", "hello")
		busy.wait(t)
		w.deny()
		close(busy.leave)
		w.refusedOnce()
		w.allow()
		w.await(m, model.Sent)
		w.told(m, model.Sent)
		if n := w.provider.count("hello"); n != 1 {
			t.Errorf("I5: %d attempts: the outcome in hand was forgotten", n)
		}
	})
	t.Run("across a restart", func(t *testing.T) {
		w := newWorld(t)
		w.provider.set(func(p *provider) { p.away = true })
		first := w.pool(nil)
		m := w.submit(first, "ada", "hello")
		w.close(first)
		w.provider.set(func(p *provider) { p.away = false })
		w.rows.Root.Deny(true)
		w.pool(nil) // it holds no key yet
		w.refusedOnce()
		w.allow()
		w.await(m, model.Sent)
		w.told(m, model.Sent)
	})
}

// deny has the root refuse, and be asked: a keyset serves for five minutes.
func (w *world) deny() {
	w.rows.Root.Deny(true)
	w.pass(5 * time.Minute)
}

// allow ends the refusal, which stands for a second.
func (w *world) allow() {
	w.rows.Root.Deny(false)
	w.pass(time.Second)
}

// refusedOnce waits until a lane has met the refusal.
func (w *world) refusedOnce() {
	w.t.Helper()
	w.until("the root to refuse", func() error {
		if w.rows.Root.Refused() == 0 {
			return errors.New("nobody has asked it")
		}
		return nil
	})
}
