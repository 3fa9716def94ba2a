package retention_test

import (
	"bytes"
	"testing"
	"time"

	"github.com/channelhub/channelhub/hub/hubtest/storetest"
	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/retention"
	"github.com/channelhub/channelhub/hub/storage/table"
	"github.com/channelhub/channelhub/hub/storage/table/driver"
	"github.com/channelhub/channelhub/hub/store"
)

// lettered is a world with a view of the driver below its table, which is not
// told to sweep.
type lettered struct {
	*world
	disk driver.Driver
}

func newLettered(t *testing.T, disk driver.Driver) lettered {
	t.Helper()
	w := &world{t: t, clock: time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC), swept: map[retention.Class]int{}}
	// Without the methods of what is inside: nobody sweeps it.
	w.rows = storetest.Over(t, table.New(struct{ driver.Driver }{disk}, &table.Options{Now: w.now}), w.now)
	w.begin()
	return lettered{w, disk}
}

// giveUp makes a message a dead letter whose row lasts a while longer than its
// content.
func (w lettered) giveUp(n byte, longer time.Duration) store.Outbound {
	w.t.Helper()
	o := w.say(n, model.Failed)
	ends := w.now().Add(w.policy.Keep.DeadLetters)
	err := w.client.PutDeadLetter(w.t.Context(), store.DeadLetter{
		Conversation: o.Conversation, UUID: o.UUID, Account: account, Reason: "retries_exhausted", At: w.now(), Expires: ends,
	})
	if err != nil {
		w.t.Fatal(err)
	}
	o.DeadLettered, o.ContentUntil, o.Expires = true, ends, ends.Add(longer)
	o, ok, err := w.client.PutOutbound(w.t.Context(), o)
	if err != nil || !ok {
		w.t.Fatal(ok, err)
	}
	return o
}

// keepRequest leaves the letter of a request that no connector took, of two
// rows.
func (w lettered) keepRequest() {
	w.t.Helper()
	d := store.DeadLetter{UUID: model.Random16{99}, Account: account, Reason: "refused", At: w.now(), Expires: w.now().Add(w.policy.Keep.DeadLetters)}
	var err error
	if d.Parts, err = w.client.PutLetterContent(w.t.Context(), d, bytes.Repeat([]byte("secret "), 50<<10)); err != nil {
		w.t.Fatal(err)
	}
	if err := w.client.PutDeadLetter(w.t.Context(), d); err != nil || d.Parts != 2 {
		w.t.Fatalf("%d parts, %v", d.Parts, err)
	}
}

// lies is how many rows of a partition lie on the disk, whoever may see them.
func (w lettered) lies(pk, from, to string) int {
	w.t.Helper()
	page, _, err := w.disk.Query(w.t.Context(), driver.Query{PK: "c/acme/" + pk, From: from, To: to, Limit: 100})
	if err != nil {
		w.t.Fatal(err)
	}
	return len(page.Rows)
}

// kept are the rows that hold what was given up on, and the notes of its end.
func (w lettered) kept() (letters, parts, messages, notes int) {
	w.t.Helper()
	end := w.clock.UTC().Format("2006010215")
	return w.lies("dl", "", ""), w.lies("dl/63000000000000000000000000000000", "", ""),
		w.lies("v/"+string(w.dir.Conversation), "m/", "m0"), w.lies("due/"+end, "", "")
}

// TestDeadLettersAreGoneAtTheirEnd: what dead letters kept is removed by the
// hub itself, not by a table that takes days about what has expired.
func TestDeadLettersAreGoneAtTheirEnd(t *testing.T) {
	t.Run("pebble", func(t *testing.T) { testLetterEnds(t, storetest.Pebble(t)) })
	t.Run("dynamodb", func(t *testing.T) { testLetterEnds(t, storetest.DynamoDB(t)) })
}

func testLetterEnds(t *testing.T, disk driver.Driver) {
	w := newLettered(t, disk)
	w.giveUp(1, 0)
	longer := w.giveUp(2, day)
	w.keepRequest()
	w.ack("desk")
	w.pass(14*day - time.Second)
	w.sweep() // the feed is done with them
	if letters, parts, messages, _ := w.kept(); letters != 3 || parts != 2 || messages != 2 {
		t.Fatalf("a second early: %d letters, %d parts, %d messages", letters, parts, messages)
	}
	w.pass(time.Second)
	w.sweep()
	if letters, parts, messages, notes := w.kept(); letters != 0 || parts != 0 || messages != 1 || notes != 0 {
		t.Errorf("at the end: %d letters, %d parts, %d messages, %d notes", letters, parts, messages, notes)
	}
	if o, err := w.client.Outbound(t.Context(), longer.Conversation, longer.UUID); err != nil || !o.Ended || o.Message.Content != nil || len(o.To) > 0 {
		t.Errorf("the message whose row lasts longer still says something: %v", err)
	}
	w.sweep()
	if n := w.swept[retention.DeadLetters]; n != 3 {
		t.Errorf("%d letters were counted, want 3", n)
	}
}

// TestEndOfAnEarlierLetter: a message that is given up on again has a letter
// anew, which the end of the first leaves alone.
func TestEndOfAnEarlierLetter(t *testing.T) {
	w := newLettered(t, storetest.Pebble(t))
	o := w.giveUp(1, 0)
	d, err := w.client.DeadLetter(t.Context(), o.UUID)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.client.MarkDeadLetter(t.Context(), d, store.LetterReplayed); err != nil {
		t.Fatal(err)
	}
	w.pass(14*day - time.Minute)
	d.At, d.Expires = w.now(), w.now().Add(14*day)
	if err := w.client.PutDeadLetter(t.Context(), d); err != nil {
		t.Fatal(err)
	}
	o.ContentUntil, o.Expires = d.Expires, d.Expires
	if _, ok, err := w.client.PutOutbound(t.Context(), o); err != nil || !ok {
		t.Fatal(ok, err)
	}
	w.pass(time.Minute)
	w.sweep()
	if letters, _, messages, _ := w.kept(); letters != 1 || messages != 1 || w.messageEnded(o) {
		t.Errorf("the later failure: %d letters, %d messages", letters, messages)
	}
	w.pass(14 * day)
	w.sweep()
	if letters, _, messages, _ := w.kept(); letters != 0 || messages != 0 {
		t.Errorf("at its end: %d letters, %d messages", letters, messages)
	}
}

// TestEndOfALetterBeforeItsContent: where messages are kept longer than dead
// letters, the content of one ends at its own time.
func TestEndOfALetterBeforeItsContent(t *testing.T) {
	w := newLettered(t, storetest.Pebble(t))
	w.policy.Keep.DeadLetters = day
	o := w.giveUp(1, 0)
	o.ContentUntil, o.Expires = w.now().Add(7*day), w.now().Add(7*day)
	if _, ok, err := w.client.PutOutbound(t.Context(), o); err != nil || !ok {
		t.Fatal(ok, err)
	}
	w.pass(day)
	w.sweep()
	if letters, _, messages, _ := w.kept(); letters != 0 || messages != 1 || w.messageEnded(o) {
		t.Errorf("at the letter's end: %d letters, %d messages", letters, messages)
	}
	w.pass(6 * day)
	w.sweep()
	if _, _, messages, notes := w.kept(); messages != 0 || notes != 0 {
		t.Errorf("at the content's end: %d messages, %d notes", messages, notes)
	}
}
