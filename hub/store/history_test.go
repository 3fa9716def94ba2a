package store

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/storage/table"
)

func TestHistory(t *testing.T) {
	f := newFixture(t)
	c := f.client("acme")
	d, other := f.met(c, "1"), f.met(c, "2")
	// Keys sort otherwise than times: they are pseudonyms.
	order := []int{5, 2, 9, 1, 7}
	for i, n := range order {
		e := f.event(d, n)
		e.In, e.Committed = uint64(i)+1, f.Now().Add(time.Duration(i/2)*time.Second) // two share an instant
		if _, _, err := c.PutEvent(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
	if _, _, err := c.PutEvent(t.Context(), f.event(other, 3)); err != nil {
		t.Fatal(err)
	}
	for _, n := range []int{3, 1, 2} {
		if _, err := c.CreateOutbound(t.Context(), f.outbound(d, n)); err != nil {
			t.Fatal(err)
		}
	}
	f.flaky.CutPages(2)
	defer f.flaky.CutPages(0)
	texts := func(events []StoredEvent) (out []string) {
		for _, e := range events {
			out = append(out, e.Event.Message.Content.Text)
		}
		return out
	}
	h, err := c.History(t.Context(), d.Conversation)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"event 5", "event 2", "event 9", "event 1", "event 7"}, texts(h.Events)); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
	var answers []string
	for _, o := range h.Outbound {
		answers = append(answers, o.Message.Content.Text)
	}
	if diff := cmp.Diff([]string{"answer 1", "answer 2", "answer 3"}, answers); diff != "" {
		t.Errorf("answers (-want +got):\n%s", diff)
	}
	after, err := c.EventsAfter(t.Context(), d.Conversation, 3)
	if diff := cmp.Diff([]string{"event 1", "event 7"}, texts(after)); err != nil || diff != "" {
		t.Errorf("events after the third: %v (-want +got):\n%s", err, diff)
	}

	// Once the key is gone nothing opens, and that is no error.
	if err := c.seal.DestroyKey(t.Context(), d.Key()); err != nil {
		t.Fatal(err)
	}
	h, err = c.History(t.Context(), d.Conversation)
	if err != nil || len(h.Events) != 0 || len(h.Outbound) != 0 {
		t.Errorf("history of an erased contact: %d events, %d answers, %v", len(h.Events), len(h.Outbound), err)
	}
	if after, err = c.EventsAfter(t.Context(), d.Conversation, 0); err != nil || len(after) != 0 {
		t.Errorf("events of an erased contact: %d, %v", len(after), err)
	}
	// Damage is one.
	if _, err := f.table.For("acme").Commit(t.Context(), table.Put(conversationPK(other.Conversation), eventSK(key(4)), []byte("x"))); err != nil {
		t.Fatal(err)
	}
	if _, err = c.History(t.Context(), other.Conversation); !model.Is(err, model.Corrupt) {
		t.Errorf("history with a damaged row: %v, want corrupt", err)
	}
}

// A conversation may say more than a reader gets: the newest is what counts.
func TestLongHistories(t *testing.T) {
	f := newFixture(t)
	c := f.client("acme")
	d := f.met(c, "1")
	const extra = 30
	var ops []table.Op
	flush := func() {
		if _, err := f.table.For("acme").Commit(t.Context(), ops...); err != nil {
			t.Fatal(err)
		}
		ops = nil
	}
	for n := 1; n <= maxHistory+extra; n++ {
		e := f.event(d, (n*7919)%(1<<20)) // scattered, as pseudonyms are
		e.In, e.Committed = uint64(n), f.Now().Add(time.Duration(n)*time.Millisecond)
		value, err := c.encode(t.Context(), conversationPK(d.Conversation), eventSK(e.Key), eventSchema, d.Key(), eventHeader{
			Account: e.Account, Key: e.SealKey, Type: e.Type, In: e.In, Committed: Millis(e.Committed),
		}, eventBody{Event: lean(e.Event)})
		if err != nil {
			t.Fatal(err)
		}
		if ops = append(ops, table.Put(conversationPK(d.Conversation), eventSK(e.Key), value)); len(ops) == 100 {
			flush()
		}
	}
	flush()
	h, err := c.History(t.Context(), d.Conversation)
	if err != nil || len(h.Events) != maxHistory {
		t.Fatalf("%d events, %v; want %d", len(h.Events), err, maxHistory)
	}
	for i, e := range h.Events {
		if e.In != uint64(i+extra+1) {
			t.Fatalf("event %d of the history is number %d, want %d", i, e.In, i+extra+1)
		}
	}
	after, err := c.EventsAfter(t.Context(), d.Conversation, maxHistory+extra-3)
	if err != nil || len(after) != 3 {
		t.Errorf("%d new events, %v; want the newest 3", len(after), err)
	}
}
