package retention_test

import (
	"testing"
	"time"

	"github.com/channelhub/channelhub/hub/model"
)

// TestReadContentEnds: content is readable until a day behind its
// acknowledgement, and not from that instant (I9).
func TestReadContentEnds(t *testing.T) {
	w := newWorld(t)
	first := w.hear("1")
	w.pass(time.Hour)
	w.ack("desk")
	w.pass(time.Minute)
	second := w.hear("2")
	w.pass(day - time.Minute - time.Second)
	if w.ended(first) {
		t.Error("the content ended a second early")
	}
	w.pass(time.Second)
	if !w.ended(first) {
		t.Error("I9: the content is readable at its end")
	}
	if w.ended(second) {
		t.Error("what was not acknowledged ended")
	}
	w.ack("desk")
	w.pass(day - time.Second)
	if w.ended(second) {
		t.Error("the second ended a second early")
	}
	w.pass(time.Second)
	if !w.ended(second) {
		t.Error("I9: the second is readable at its end")
	}
}

func TestUnreadContentEnds(t *testing.T) {
	w := newWorld(t)
	key := w.hear("1")
	w.pass(7*day - time.Second)
	if w.ended(key) {
		t.Error("it ended a second early")
	}
	w.pass(time.Second)
	if !w.ended(key) {
		t.Error("I9: it is readable at its end")
	}
}

// TestSlowestConsumer: of those that ever acknowledged and are not revoked the
// slowest counts.
func TestSlowestConsumer(t *testing.T) {
	w := newWorld(t)
	w.policy.Consumers = []string{"desk", "copy", "never"}
	w.hear("0")
	w.ack("copy")
	key := w.hear("1")
	w.ack("desk")
	w.pass(2 * day)
	if w.ended(key) {
		t.Error("a slower consumer has not read it")
	}
	w.policy.Consumers = []string{"desk", "never"} // copy is revoked
	if !w.ended(key) {
		t.Error("a revoked consumer still counts")
	}
	w.policy.Consumers = []string{"never"}
	if w.ended(key) {
		t.Error("with nobody who reads it, it waits")
	}
}

// TestMessageEnds: an outbound message ends by its final status, whatever
// receipt comes later; on its way and as a dead letter it does not.
func TestMessageEnds(t *testing.T) {
	w := newWorld(t)
	sent := w.say(1, model.Sent)
	queued := w.say(2, model.Held)
	w.ack("desk")
	w.pass(day - time.Second)
	if w.messageEnded(sent) {
		t.Error("it ended a second early")
	}
	sent.Was, sent.Status, sent.Seq, sent.Moved = model.Sent, model.Delivered, 2, w.now()
	tail, err := w.client.Feed(sent.Conversation).Tail(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	sent.Tail = tail
	sent, ok, err := w.client.PutOutbound(t.Context(), sent)
	if err != nil || !ok {
		t.Fatal(ok, err)
	}
	w.record(sent)
	w.pass(time.Second)
	if !w.messageEnded(sent) {
		t.Error("I9: a late receipt made the content live on")
	}
	if w.messageEnded(queued) {
		t.Error("a message on its way ended")
	}
	letter := w.say(3, model.Failed)
	letter.DeadLettered = true
	if letter, ok, err = w.client.PutOutbound(t.Context(), letter); err != nil || !ok {
		t.Fatal(ok, err)
	}
	w.ack("desk")
	w.pass(2 * day)
	if w.messageEnded(letter) {
		t.Error("a dead letter ended before its time")
	}
}
