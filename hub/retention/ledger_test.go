package retention_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/retention"
	"github.com/channelhub/channelhub/hub/store"
)

// TestLedger: everything that was accepted is in one state, and a row that is
// gone before its time is missed.
func TestLedger(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	look := func() []retention.Ledger {
		t.Helper()
		lines, err := w.sweeper().Ledger(ctx, acme)
		if err != nil {
			t.Fatal(err)
		}
		return lines
	}
	line := func(d model.Direction, l retention.Ledger) retention.Ledger {
		l.Client, l.Account, l.Direction = acme, account, d
		return l
	}
	if got := look(); len(got) > 0 {
		t.Fatalf("nothing was accepted: %+v", got)
	}
	w.hear("1")
	w.hear("2")
	w.ack("desk")
	unread := w.hear("3")
	for n, status := range []model.Status{model.Sent, model.Delivered, model.Read, model.Failed, model.Expired, model.Discarded, model.Held} {
		w.say(byte(n+1), status)
	}
	id, err := w.client.LetterID(ctx, w.now(), "refused")
	if err != nil {
		t.Fatal(err)
	}
	if err := w.client.PutDeadLetter(ctx, store.DeadLetter{UUID: id, Account: account, Reason: "refused", At: w.now(), Expires: w.now().Add(14 * day)}); err != nil {
		t.Fatal(err)
	}
	want := []retention.Ledger{
		line(model.Inbound, retention.Ledger{Accepted: 4, Delivered: 2, Pending: 1, DeadLettered: 1}),
		line(model.Outbound, retention.Ledger{Accepted: 7, Sent: 1, Delivered: 2, Failed: 1, Expired: 1, Discarded: 1, Held: 1}),
	}
	if diff := cmp.Diff(want, look()); diff != "" {
		t.Error(diff)
	}
	// A delivery on its way is known by its lane alone.
	if _, err := w.store.PutActive(ctx, acme, w.dir.Conversation); err != nil {
		t.Fatal(err)
	}
	lost := store.Record{Kind: store.DeliveryRecord, Conversation: w.dir.Conversation, Key: model.Random16{99}, Account: account, At: store.Millis(w.now())}
	if _, err := w.client.Lane(w.dir.Conversation).Append(ctx, lost, 0); err != nil {
		t.Fatal(err)
	}
	want[1].Missing = 1
	got := look()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if got[1].Balanced() || !got[0].Balanced() {
		t.Error("it does not tell which line does not add up")
	}
	// What nobody read until its end has expired; what is past the row's own
	// end is no longer accounted for.
	w.pass(7*day + time.Minute)
	if e := w.event(unread); e.Ended {
		t.Fatal("nobody has swept yet")
	}
	if got := look()[0]; got.Expired != 1 || got.Pending != 0 || got.Accepted != 4 {
		t.Errorf("after the end: %+v", got)
	}
	w.pass(8 * day)
	if got := look(); len(got) > 0 {
		t.Errorf("after the rows' end: %+v", got)
	}
}
