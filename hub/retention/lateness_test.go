package retention_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/retention"
	"github.com/channelhub/channelhub/hub/store"
)

// TestLatenessGrowsWhileTheTableRefuses: a sweeper that cannot look does not
// say that nothing is late.
func TestLatenessGrowsWhileTheTableRefuses(t *testing.T) {
	w := newWorld(t)
	w.hear("1")
	if err := w.client.PutDue(t.Context(), store.Due{ID: "att_1", Kind: retention.AttachmentKind, Ref: "r1", At: w.now().Add(time.Hour)}); err != nil {
		t.Fatal(err)
	}
	s := w.sweeper()
	want := func(messages, letters, attachments time.Duration) {
		t.Helper()
		late := map[retention.Class]time.Duration{retention.Messages: messages, retention.DeadLetters: letters, retention.Attachments: attachments}
		if diff := cmp.Diff(late, s.Lateness(acme)); diff != "" {
			t.Error(diff)
		}
	}
	if err := s.Pass(t.Context()); err != nil {
		t.Fatal(err)
	}
	want(0, 0, 0)

	w.rows.Flaky.Refuse(true)
	for n := range 3 {
		w.pass(4 * time.Minute)
		if n == 1 {
			w.policy.Consumers = nil // what is refused now is the walk's own reading
		}
		if err := s.Pass(t.Context()); !model.Is(err, model.Unavailable) {
			t.Fatalf("the table refuses, and the pass says %v", err)
		}
		since := time.Duration(n+1) * 4 * time.Minute
		want(since, since, since)
	}

	// It answers, and nobody removes the file yet: its own end counts.
	w.rows.Flaky.Refuse(false)
	w.pass(time.Hour)
	if err := s.Pass(t.Context()); err == nil {
		t.Fatal("nobody removes files, and the pass says nothing")
	}
	want(0, 0, 12*time.Minute)
	w.rows.Flaky.Refuse(true)
	w.pass(time.Hour)
	if err := s.Pass(t.Context()); !model.Is(err, model.Unavailable) {
		t.Fatalf("the table refuses, and the pass says %v", err)
	}
	want(time.Hour, time.Hour, time.Hour+12*time.Minute)
}

// TestLatenessWhileKeysRefuse: a client that cannot be opened is not in time.
func TestLatenessWhileKeysRefuse(t *testing.T) {
	w := newWorld(t)
	w.rows.Root.Deny(true)
	w.store = w.rows.Store() // a process that has not opened the client yet
	s := w.sweeper()
	for n := range 3 {
		if err := s.Pass(t.Context()); !model.Is(err, model.Unavailable) {
			t.Fatalf("the root key refuses, and the pass says %v", err)
		}
		late := time.Duration(n) * 5 * time.Minute
		if got := s.Lateness(acme); got[retention.Messages] != late || got[retention.Attachments] != late {
			t.Errorf("late by %v, want %v", got, late)
		}
		w.pass(5 * time.Minute)
	}
}
