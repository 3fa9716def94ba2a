package inbound_test

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/channelhub/channelhub/hub/flow/inbound"
	"github.com/channelhub/channelhub/hub/hubtest/storetest"
	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/storage/keys"
	"github.com/channelhub/channelhub/hub/storage/keys/localkeys"
	"github.com/channelhub/channelhub/hub/storage/table"
	"github.com/channelhub/channelhub/hub/storage/table/pebbletable"
	"github.com/channelhub/channelhub/hub/store"
	"github.com/channelhub/channelhub/internal/killtest"
)

const cookie = "cookie-value-of-ada"

// still is a clock that only the test moves.
type still struct{ at time.Time }

func (s *still) now() time.Time { return s.at }

// worldAt is a world by that clock, whose rows lie in a directory.
func worldAt(t *testing.T, dir string, clock *still) (*world, *inbound.Inbound) {
	t.Helper()
	w := newWorld(t)
	d, err := pebbletable.Open(filepath.Join(dir, "table"), nil)
	if err != nil {
		t.Fatal(err)
	}
	ring, err := localkeys.Open(filepath.Join(dir, "keyring.json"), nil)
	if err != nil {
		t.Fatal(err)
	}
	w.rows = storetest.With(t, table.New(d, &table.Options{Now: clock.now}), keys.New(ring), clock.now)
	return w, inbound.New(inbound.Options{Store: w.rows.Store(), Accounts: w.accounts, Receipts: w.receipts, Now: clock.now})
}

// met has Ada say something and her browser be known.
func met(t *testing.T, w *world, in *inbound.Inbound) model.ConversationID {
	t.Helper()
	conv := w.accept(in, says("ada", "1")).Conversation
	session, err := in.KeepContext(t.Context(), w.client(), conv, store.SessionContext{IP: "192.0.2.7", UserAgent: "Browser/1", Cookies: map[string]string{"cart": cookie}})
	if err != nil || session == "" {
		t.Fatalf("session %q, %v", session, err)
	}
	return conv
}

func readable(t *testing.T, w *world, in *inbound.Inbound, conv model.ConversationID) bool {
	t.Helper()
	s, err := in.SessionContext(t.Context(), w.client(), conv)
	if err != nil && !model.Is(err, model.NotFound) {
		t.Fatal(err)
	}
	if err == nil && (s.IP != "192.0.2.7" || s.Cookies["cart"] != cookie) {
		t.Fatalf("it reads %+v", s)
	}
	return err == nil
}

// TestSessionContext: what is known of a browser is readable while the session
// lasts, and from the instant of its end on it is not.
func TestSessionContext(t *testing.T) {
	for _, c := range []struct {
		name  string
		then  func(w *world, in *inbound.Inbound, clock *still, conv model.ConversationID)
		alive bool
	}{
		{name: "at once", then: func(*world, *inbound.Inbound, *still, model.ConversationID) {}, alive: true},
		{name: "a moment before the idle end", alive: true, then: func(_ *world, _ *inbound.Inbound, clock *still, _ model.ConversationID) {
			clock.at = clock.at.Add(30*time.Minute - time.Millisecond)
		}},
		{name: "at the idle end", then: func(_ *world, _ *inbound.Inbound, clock *still, _ model.ConversationID) {
			clock.at = clock.at.Add(30 * time.Minute)
		}},
		{name: "kept alive by the customer", alive: true, then: func(w *world, in *inbound.Inbound, clock *still, _ model.ConversationID) {
			clock.at = clock.at.Add(29 * time.Minute)
			w.accept(in, says("ada", "2"))
			clock.at = clock.at.Add(29 * time.Minute)
		}},
		{name: "the customer ends it", then: func(w *world, in *inbound.Inbound, _ *still, _ model.ConversationID) {
			w.accept(in, does("ada", "bye", model.ConversationEnded))
		}},
		{name: "a CSR ends it", then: func(w *world, in *inbound.Inbound, _ *still, id model.ConversationID) {
			conv, err := w.client().ReadConversation(w.t.Context(), id)
			if err != nil {
				w.t.Fatal(err)
			}
			if err := in.EndSession(w.t.Context(), w.client(), conv, model.CSR, "csr"); err != nil {
				w.t.Fatal(err)
			}
		}},
		{name: "another session", then: func(w *world, in *inbound.Inbound, clock *still, _ model.ConversationID) {
			clock.at = clock.at.Add(time.Hour)
			w.accept(in, says("ada", "2"))
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			clock := &still{time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)}
			w, in := worldAt(t, t.TempDir(), clock)
			conv := met(t, w, in)
			c.then(w, in, clock, conv)
			if got := readable(t, w, in, conv); got != c.alive {
				t.Errorf("I9: readable: %t, want %t", got, c.alive)
			}
			for _, e := range w.feed() {
				if raw, err := json.Marshal(e.Event); err != nil || strings.Contains(string(raw), cookie) || strings.Contains(string(raw), "192.0.2.7") {
					t.Errorf("an event tells it: %s %v", raw, err)
				}
			}
			sweep(t, w, in, clock, c.alive, conv)
		})
	}
}

// sweep removes what is due until nothing is, and finds nothing of a session
// that is over.
func sweep(t *testing.T, w *world, in *inbound.Inbound, clock *still, alive bool, conv model.ConversationID) {
	t.Helper()
	client := w.client()
	pass := func() {
		err := client.Due(t.Context(), clock.at, func(d store.Due) error {
			if err := in.SweepContext(t.Context(), client, d); err != nil {
				return err
			}
			return client.DoneDue(t.Context(), d)
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	there := func() bool {
		_, err := client.SessionContext(t.Context(), conv)
		return err == nil
	}
	pass()
	if alive {
		if !there() {
			t.Error("the sweeper took what is alive")
		}
		clock.at = clock.at.Add(31 * time.Minute)
		pass()
	} else {
		clock.at = clock.at.Add(30 * time.Minute)
		pass()
	}
	for n := 0; there(); n++ {
		if n == 3 {
			t.Fatal("the row is still there")
		}
		clock.at = clock.at.Add(30 * time.Minute)
		pass()
	}
	if left, _, err := client.DueBetween(t.Context(), clock.at.Add(-24*time.Hour), clock.at.Add(time.Hour), inbound.DueContext, 100); err != nil || left > 0 {
		t.Errorf("%d notes are left, %v", left, err)
	}
}

// TestSessionContextCrash: a process dies between the end of a session and the
// removal of its context, or before it has written it: the next one shows
// nothing, and the sweeper removes what is there.
func TestSessionContextCrash(t *testing.T) {
	clock := &still{time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)}
	if child, ok := killtest.Child(); ok {
		child.Arm(t)
		w, in := worldAt(t, child.Dir, clock)
		met(t, w, in)
		w.accept(in, does("ada", "bye", model.ConversationEnded))
		t.Fatal("it came through")
	}
	for _, site := range []string{"session.after_end", "session.after_due"} {
		t.Run(site, func(t *testing.T) {
			dir := t.TempDir()
			killtest.Kill(t, dir, site)
			w, in := worldAt(t, dir, clock)
			d, err := w.client().Find(t.Context(), account, model.Address{Kind: model.Phone, Value: "ada"})
			if err != nil {
				t.Fatal(err)
			}
			if site == "session.after_end" {
				if _, err := w.client().SessionContext(t.Context(), d.Conversation); err != nil {
					t.Fatalf("the test tests nothing: %v", err)
				}
			}
			if readable(t, w, in, d.Conversation) {
				t.Error("I9: it is readable after the end")
			}
			sweep(t, w, in, clock, false, d.Conversation)
		})
	}
}
