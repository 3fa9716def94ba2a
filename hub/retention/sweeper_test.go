package retention_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/retention"
	"github.com/channelhub/channelhub/hub/store"
)

// TestSweepLeavesTombstones: what was read a day ago goes, its place stays for
// the dedupe key, and nothing else is touched.
func TestSweepLeavesTombstones(t *testing.T) {
	w := newWorld(t)
	read := w.hear("1")
	sent := w.say(1, model.Sent)
	w.ack("desk")
	fresh := w.hear("2")
	w.pass(day)
	w.sweep()
	e := w.event(read)
	if !e.Ended || e.Event.Message != nil || e.Event.SessionID != "ses_1" {
		t.Errorf("no tombstone: %+v", e)
	}
	if e := w.event(fresh); e.Ended || e.Event.Message == nil {
		t.Errorf("what was not read is gone: %+v", e)
	}
	o, err := w.client.Outbound(t.Context(), sent.Conversation, sent.UUID)
	if err != nil || !o.Ended || o.Message.Content != nil || len(o.To) > 0 || o.Status != model.Sent {
		t.Errorf("the message: %+v, %v", o, err)
	}
	if got := w.swept; got[retention.Messages] != 2 || got[retention.Undelivered] != 0 {
		t.Errorf("counted %v", got)
	}
	if again := w.hear("1"); again != read || len(w.summaries()) != 0 {
		t.Error("a repeat of the event made another")
	}
	w.sweep()
	if got := w.swept[retention.Messages]; got != 2 {
		t.Errorf("a second pass counted again: %d", got)
	}
}

// TestUnreadIsToldOnce: what nobody read is summed up in one event.
func TestUnreadIsToldOnce(t *testing.T) {
	w := newWorld(t)
	for n := range 5 {
		w.hear(name(n))
	}
	w.pass(7 * day)
	w.sweep()
	if diff := cmp.Diff([]int{5}, w.summaries()); diff != "" {
		t.Error(diff)
	}
	if w.swept[retention.Undelivered] != 5 {
		t.Errorf("counted %v", w.swept)
	}
	w.sweep()
	if diff := cmp.Diff([]int{5}, w.summaries()); diff != "" {
		t.Error(diff)
	}
}

// TestTrim: rows that nobody can use go, the newest stays, and a reader below
// the floor is told.
func TestTrim(t *testing.T) {
	w := newWorld(t)
	for n := range 8 {
		w.hear(name(n))
		w.ack("desk")
	}
	w.pass(8 * day)
	w.sweep()
	log := w.client.Feed(w.dir.Conversation)
	if floor, err := log.Floor(t.Context()); err != nil || floor != 7 {
		t.Fatalf("floor %d, %v; want 7: the newest row stays", floor, err)
	}
	if _, err := log.Read(t.Context(), 0, 10); !model.Is(err, model.NotFound) {
		t.Errorf("a place below the floor: %v", err)
	}
	w.restart()
	w.hear("next")
	if rows, err := w.client.Feed(w.dir.Conversation).Read(t.Context(), 7, 10); err != nil || len(rows) != 2 || rows[1].N != 9 {
		t.Errorf("behind the floor: %v, %v", rows, err)
	}
}

// TestDue: what lies elsewhere is removed from its time on, and offered again
// while that fails.
func TestDue(t *testing.T) {
	w := newWorld(t)
	at := w.now().Add(90 * time.Minute)
	if err := w.client.PutDue(t.Context(), store.Due{ID: "att_1", Kind: "attachment", Ref: "r1", At: at}); err != nil {
		t.Fatal(err)
	}
	var removed []string
	fail := errors.New("away")
	s := w.sweeper()
	s.Register("attachment", func(_ context.Context, _ *store.Client, d store.Due) error {
		if fail == nil {
			removed = append(removed, d.Ref)
		}
		return fail
	})
	w.pass(90*time.Minute - time.Second)
	if err := s.Pass(t.Context()); err != nil {
		t.Fatalf("before its time: %v", err)
	}
	w.pass(time.Second)
	if err := s.Pass(t.Context()); !errors.Is(err, fail) {
		t.Fatalf("got %v, want the fault", err)
	}
	w.pass(30 * time.Hour)
	if err := s.Pass(t.Context()); err == nil {
		t.Error("a day later it is forgotten")
	}
	if late := s.Lateness(acme)[retention.Attachments]; late != 30*time.Hour {
		t.Errorf("late by %v", late)
	}
	fail = nil
	for range 2 {
		if err := s.Pass(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff([]string{"r1"}, removed); diff != "" {
		t.Error(diff)
	}
	if late := s.Lateness(acme)[retention.Attachments]; late != 0 {
		t.Errorf("nothing is left and it is late by %v", late)
	}
}
