package outbound_test

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/channelhub/channelhub/hub/accounts"
	"github.com/channelhub/channelhub/hub/flow/outbound"
	"github.com/channelhub/channelhub/hub/hubtest/storetest"
	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/pluginhost"
	"github.com/channelhub/channelhub/hub/storage/keys"
	"github.com/channelhub/channelhub/hub/storage/keys/localkeys"
	"github.com/channelhub/channelhub/hub/storage/table"
	"github.com/channelhub/channelhub/hub/storage/table/pebbletable"
	"github.com/channelhub/channelhub/hub/store"
	"github.com/channelhub/channelhub/internal/failpoint"
	"github.com/channelhub/channelhub/internal/killtest"
)

// deadLetter makes a message that is given up on behind one attempt.
func (w *world) deadLetter(out *outbound.Outbound, text string) (store.Outbound, store.DeadLetter) {
	w.t.Helper()
	w.provider.script(text, says(pluginhost.Outcome{Kind: pluginhost.Retry, RetryAfter: time.Hour}))
	r := request("ada", text)
	r.Expire, r.HasExpire = 30*time.Minute, true
	m := w.submitRequest(out, r)
	w.until("an attempt", func() error {
		if w.read(m).Attempts < 1 {
			return errors.New("not yet")
		}
		return nil
	})
	w.clock.Add(int64(31 * time.Minute))
	out.StateChanged()
	m = w.await(m, model.Failed)
	w.told(m, model.Failed)
	d, err := w.client.DeadLetter(context.Background(), m.UUID)
	if err != nil {
		w.t.Fatal(err)
	}
	return m, d
}

func (w *world) letter(m store.Outbound) store.DeadLetter {
	w.t.Helper()
	d, err := w.client.DeadLetter(context.Background(), m.UUID)
	if err != nil {
		w.t.Fatal(err)
	}
	return d
}

// TestReplayLetter: the message goes back on its lane and its attempts go on
// counting; a second replay finds that it is no dead letter any more.
func TestReplayLetter(t *testing.T) {
	w := newWorld(t)
	out := w.pool(nil)
	m, d := w.deadLetter(out, "late")
	if err := out.ReplayLetter(t.Context(), w.client, d); err != nil {
		t.Fatal(err)
	}
	now := w.await(m, model.Sent)
	w.told(m, model.Failed, model.Queued, model.Sent)
	if now.Attempts != 2 || now.DeadLettered || now.FinalSeq != 3 {
		t.Errorf("the message: %+v", now)
	}
	if got := w.letter(m).State; got != store.LetterReplayed {
		t.Errorf("the letter is %q", got)
	}
	if err := out.ReplayLetter(t.Context(), w.client, d); !model.Is(err, model.Conflicting) {
		t.Errorf("a second replay: %v", err)
	}
	if err := w.client.Due(t.Context(), w.now().Add(time.Hour), func(d store.Due) error {
		t.Errorf("a note was left: %+v", d)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
}

// TestReplayLetterTwiceInVain: a delivery that is given up on again leaves a
// letter that waits again.
func TestReplayLetterTwiceInVain(t *testing.T) {
	w := newWorld(t)
	out := w.pool(nil)
	m, d := w.deadLetter(out, "late")
	w.provider.script("late", says(pluginhost.Outcome{Kind: pluginhost.Retry, RetryAfter: time.Hour}))
	if err := out.ReplayLetter(t.Context(), w.client, d); err != nil {
		t.Fatal(err)
	}
	w.until("the second attempt", func() error {
		if w.read(m).Attempts < 2 {
			return errors.New("not yet")
		}
		return nil
	})
	w.clock.Add(int64(31 * time.Minute))
	out.StateChanged()
	w.told(m, model.Failed, model.Queued, model.Failed)
	if d := w.letter(m); d.State != store.LetterWaiting || d.Attempts != 2 || !w.read(m).DeadLettered {
		t.Errorf("the letter: %+v", d)
	}
}

// TestReplayLetterRefuses: what a receipt has corrected, and what is past its
// end, stays as it is.
func TestReplayLetterRefuses(t *testing.T) {
	w := newWorld(t)
	out := w.pool(nil)
	m, d := w.deadLetter(out, "late")
	w.reportAs(out, pluginhost.StatusReport{Status: model.Delivered, MessageID: m.ID()})
	if err := out.ReplayLetter(t.Context(), w.client, d); !model.Is(err, model.Conflicting) {
		t.Errorf("of a delivered message: %v", err)
	}
	m, d = w.deadLetter(out, "later")
	w.clock.Add(int64(14 * 24 * time.Hour))
	if err := out.ReplayLetter(t.Context(), w.client, d); !model.Is(err, model.Conflicting) {
		t.Errorf("I9: of content past its end: %v", err)
	}
	w.told(m, model.Failed)
}

// TestDiscardLetter ends a delivery for good, and twice does no harm.
func TestDiscardLetter(t *testing.T) {
	w := newWorld(t)
	out := w.pool(nil)
	m, _ := w.deadLetter(out, "late")
	for range 2 {
		if err := out.DiscardLetter(t.Context(), w.client, w.letter(m)); err != nil {
			t.Fatal(err)
		}
	}
	w.told(m, model.Failed, model.Discarded)
	if now := w.read(m); now.DeadLettered || now.FinalSeq != now.Seq || now.Failure == nil {
		t.Errorf("the message: %+v", now)
	}
	if err := out.ReplayLetter(t.Context(), w.client, w.letter(m)); !model.Is(err, model.Conflicting) {
		t.Errorf("a replay of what was discarded: %v", err)
	}
}

// newWorldIn is a world whose rows lie in a directory that outlives it.
func newWorldIn(t *testing.T, dir string) *world {
	t.Helper()
	w := &world{t: t, accounts: accounts.NewRegistry()}
	w.provider = newProvider(w.now)
	d, err := pebbletable.Open(filepath.Join(dir, "table"), nil)
	if err != nil {
		t.Fatal(err)
	}
	ring, err := localkeys.Open(filepath.Join(dir, "keyring.json"), nil)
	if err != nil {
		t.Fatal(err)
	}
	w.rows = storetest.With(t, table.New(d, &table.Options{Now: w.now}), keys.New(ring), w.now)
	w.configure(accounts.Account{})
	w.accounts.Move(account, accounts.Open, "", time.Now())
	w.client = w.clientOf(w.rows.Store())
	return w
}

// TestReplayLetterCrash kills a replay, and a discard, at each of its places.
// Behind a replay the message is sent once; behind a discard it is discarded.
func TestReplayLetterCrash(t *testing.T) {
	if child, ok := killtest.Child(); ok {
		w := newWorldIn(t, child.Dir)
		site := child.Site
		letters := w.letters(1)
		// Nothing may be sent here: what the next process finds is the point.
		w.accounts.Move(account, accounts.Paused, "", time.Now())
		out := w.pool(nil)
		child.Arm(t)
		act := out.ReplayLetter
		if site == "deadletter.after_discard" {
			act = out.DiscardLetter
		}
		t.Fatalf("it came through: %v", act(t.Context(), w.client, letters[0]))
	}
	tried := 0
	for _, site := range failpoint.Names() {
		if !strings.HasPrefix(site, "deadletter.") || site == "deadletter.after_take" {
			continue // the last is the journal's
		}
		tried++
		t.Run(site, func(t *testing.T) {
			dir := t.TempDir()
			var m store.Outbound
			t.Run("before", func(t *testing.T) {
				w := newWorldIn(t, dir)
				m = w.givenUp()
			})
			killtest.Kill(t, dir, site)
			w := newWorldIn(t, dir)
			out := w.pool(nil)
			if site == "deadletter.after_discard" {
				if err := out.DiscardLetter(t.Context(), w.client, w.letter(m)); err != nil {
					t.Fatal(err)
				}
				w.told(m, model.Failed, model.Discarded)
				return
			}
			resumed := 0
			for range 2 { // the second finds it done
				err := w.client.Due(t.Context(), w.now().Add(2*time.Minute), func(d store.Due) error {
					resumed++
					return out.ResumeReplay(t.Context(), w.client, d)
				})
				if err != nil {
					t.Fatal(err)
				}
			}
			if resumed != 2 {
				t.Errorf("%d notes were found in two looks", resumed)
			}
			if d := w.letter(m); d.State == store.LetterWaiting {
				if err := out.ReplayLetter(t.Context(), w.client, d); err != nil {
					t.Fatal(err)
				}
			}
			w.await(m, model.Sent)
			w.told(m, model.Failed, model.Queued, model.Sent)
			w.idle()
			if got := w.provider.texts(); len(got) != 1 || w.letter(m).State != store.LetterReplayed {
				t.Errorf("sent %q, the letter is %q", got, w.letter(m).State)
			}
			entries := 0
			rows, err := w.client.Lane(m.Conversation).Read(t.Context(), 0, 100)
			if err != nil {
				t.Fatal(err)
			}
			for _, row := range rows {
				entries += len(row.Records)
			}
			if entries != 1 {
				t.Errorf("%d lane entries", entries)
			}
		})
	}
	if tried < 5 {
		t.Fatalf("replay has lost its failpoints: %d are left", tried)
	}
}

// givenUp writes the rows of a delivery that was given up on.
func (w *world) givenUp() store.Outbound {
	w.t.Helper()
	ctx := context.Background()
	to := []model.Address{{Kind: model.Phone, Value: "1555"}}
	dir, err := w.client.Resolve(ctx, account, to, "")
	if err != nil {
		w.t.Fatal(err)
	}
	now := w.now()
	ends := now.Add(14 * 24 * time.Hour)
	m, err := w.client.CreateOutbound(ctx, store.Outbound{
		Conversation: dir.Conversation, UUID: model.Random16(uuid.Must(uuid.NewV7())), Account: account, SealKey: dir.Key(),
		Status: model.Failed, Was: model.Queued, Seq: 1, Created: now.Add(-time.Hour), Moved: now, ExpireAfter: now,
		Attempts: 1, DeadLettered: true, FinalSeq: 1, ContentUntil: ends, Expires: ends, To: to,
		Message: model.Message{Author: model.CSR, Content: &model.Content{Type: model.ContentText, Text: "late"}},
	})
	if err != nil {
		w.t.Fatal(err)
	}
	r, _ := m.Promise()
	if _, err := w.client.Feed(m.Conversation).Append(ctx, r, 0); err != nil {
		w.t.Fatal(err)
	}
	if err := w.client.PutDeadLetter(ctx, store.DeadLetter{Conversation: m.Conversation, UUID: m.UUID, Account: account, Reason: "retries_exhausted", Attempts: 1, At: now, Expires: ends}); err != nil {
		w.t.Fatal(err)
	}
	return m
}
