package retention_test

import (
	"testing"
	"time"

	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/store"
)

// TestMarksMerge: of a consumer that never rests the row keeps so many marks;
// what they forget makes things end a little early, and never late.
func TestMarksMerge(t *testing.T) {
	w := newWorld(t)
	type read struct {
		behind store.Position
		at     time.Time
	}
	var all []read
	for n := uint64(1); n <= 280; n++ {
		w.pass(5 * time.Minute)
		behind := store.Position{N: n + 1}
		if _, err := w.client.Acknowledge(t.Context(), "desk", []store.Position{behind}); err != nil {
			t.Fatal(err)
		}
		all = append(all, read{behind, w.now()})
	}
	k, err := w.client.Consumer(t.Context(), "desk")
	if err != nil {
		t.Fatal(err)
	}
	if n := len(k.History); n > 96 || n < 48 {
		t.Errorf("%d marks are kept", n)
	}
	for _, r := range all {
		at, ok := k.ReadAt(0, r.behind)
		if !ok || at.After(r.at) {
			t.Fatalf("I9: what was read at %v counts as read at %v, %v", r.at, at, ok)
		}
		if early := r.at.Sub(at); early > time.Hour {
			t.Errorf("what was read at %v ends %v early", r.at, early)
		}
	}
}

// TestTrimLane: entries whose deliveries are over and old go, up to the one
// that the runner stands at.
func TestTrimLane(t *testing.T) {
	w := newWorld(t)
	lane := w.client.Lane(w.dir.Conversation)
	for n := byte(1); n <= 4; n++ {
		o := w.say(n, model.Sent)
		tail, err := lane.Tail(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := lane.Append(t.Context(), store.Record{
			Kind: store.DeliveryRecord, Conversation: o.Conversation, Key: o.UUID, Account: account, At: store.Millis(w.now()),
		}, tail); err != nil {
			t.Fatal(err)
		}
	}
	claim, err := w.client.Claim(t.Context(), w.dir.Conversation)
	if err != nil {
		t.Fatal(err)
	}
	claim.Owner, claim.Open = "runner", store.Position{N: 3, Index: 1}
	if _, ok, err := w.client.PutClaim(t.Context(), claim); err != nil || !ok {
		t.Fatalf("claim: %v, %v", ok, err)
	}
	w.pass(7*day - time.Hour)
	w.sweep()
	if floor, err := lane.Floor(t.Context()); err != nil || floor != 0 {
		t.Errorf("before its time the floor is %d, %v", floor, err)
	}
	w.pass(2 * time.Hour)
	w.sweep()
	w.restart()
	lane = w.client.Lane(w.dir.Conversation)
	if floor, err := lane.Floor(t.Context()); err != nil || floor != 2 {
		t.Errorf("the floor is %d, %v; want 2: the runner stands at 3", floor, err)
	}
	if _, err := lane.Read(t.Context(), 0, 10); !model.Is(err, model.NotFound) {
		t.Errorf("a place below the floor: %v", err)
	}
	if rows, err := lane.Read(t.Context(), 2, 10); err != nil || len(rows) != 2 {
		t.Errorf("what is left: %v, %v", rows, err)
	}
}
