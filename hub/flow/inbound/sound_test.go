package inbound_test

import (
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/channelhub/channelhub/hub/flow/inbound"
	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/pluginhost"
	"github.com/channelhub/channelhub/hub/storage/table/driver"
)

// TestUnsupported: what does not fit, or lacks what it is about, is named and
// never dropped.
func TestUnsupported(t *testing.T) {
	large := says("ada", "1")
	large.Message.Content.Text = strings.Repeat("x", 200<<10)
	refs := says("ada", "1")
	refs.FetchRefs = [][]byte{make([]byte, 200<<10)}
	own := does("ada", "1", model.UnsupportedReceived)
	own.Kind = "story_mention"
	content := says("ada", "1")
	content.Message.Content = &model.Content{Type: model.ContentUnsupported, Kind: "poll_creation"}
	for name, c := range map[string]struct {
		ev           *pluginhost.Event
		kind, reason string
	}{
		"content of a message":    {content, "poll_creation", ""},
		"too large":               {large, "message.received", "too_large"},
		"references too large":    {refs, "message.received", "too_large"},
		"message without message": {does("ada", "1", model.MessageReceived), "message.received", "incomplete"},
		"reaction without one":    {does("ada", "1", model.MessageReaction), "message.reaction", "incomplete"},
		"deletion of nothing":     {does("ada", "1", model.MessageDeleted), "message.deleted", "incomplete"},
		"a status as event":       {does("ada", "1", model.MessageStatus), "message.status", "incomplete"},
		"no type":                 {does("ada", "1", ""), "unknown", "incomplete"},
		"named by the connector":  {own, "story_mention", ""},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			in := w.hub()
			w.accept(in, c.ev)
			again := *c.ev
			w.accept(in, &again)
			events := w.feed()
			if len(events) != 1 {
				t.Fatalf("%d events, want 1", len(events))
			}
			e := events[0].Event
			if e.Type != model.UnsupportedReceived || e.Message == nil || e.Message.Content == nil ||
				e.Message.Content.Type != model.ContentUnsupported || e.Message.Content.Kind != c.kind || e.Reason != c.reason {
				t.Errorf("event %+v, message %+v", e, e.Message)
			}
			if e.Contact.Address != "ada" {
				t.Errorf("contact %+v", e.Contact)
			}
			if want := map[bool]string{true: "1"}[c.ev == content]; e.Message.ProviderID != want {
				t.Errorf("the provider's id is %q, want %q", e.Message.ProviderID, want)
			}
		})
	}
}

// TestLongName: a name is cut between characters; the message is kept.
func TestLongName(t *testing.T) {
	w := newWorld(t)
	ev := says("ada", "1")
	ev.DisplayName = "x" + strings.Repeat("ß", 1<<20)
	ev.Traceparent = strings.Repeat("y", 1000)
	w.accept(w.hub(), ev)
	e := w.feed()[0]
	if n := e.Event.Contact.DisplayName; len(n) > 256 || len(n) < 250 || !utf8.ValidString(n) {
		t.Errorf("a name of %d bytes", len(n))
	}
	if e.Event.Message.Content.Text != "text of 1" || e.Traceparent != "" {
		t.Errorf("event %+v, traceparent of %d bytes", e.Event, len(e.Traceparent))
	}
}

// TestDeadLetters: an event that belongs to no conversation is refused for good
// and leaves a letter, one for all its repeats.
func TestDeadLetters(t *testing.T) {
	noKey, longKey, nobody, noValue, crowd := says("ada", ""), says("ada", strings.Repeat("k", 513)), says("ada", "1"), says("", "1"), says("ada", "1")
	nobody.Addresses = nil
	for range 17 {
		crowd.Addresses = append(crowd.Addresses, model.Address{Kind: model.Phone, Value: "x"})
	}
	for name, c := range map[string]struct {
		ev     *pluginhost.Event
		reason string
		again  int // letters behind a repeat
	}{
		"no key": {noKey, "no_dedupe_key", 2}, "long key": {longKey, "no_dedupe_key", 1},
		"no address": {nobody, "no_address", 1}, "empty address": {noValue, "no_address", 1}, "too many addresses": {crowd, "no_address", 1},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			in := w.hub()
			c.ev.OccurredAt = time.Now()
			for range 2 {
				errs := in.Accept(t.Context(), from(account), []pluginhost.Item{{Event: c.ev}})
				if !model.Is(errs[0], model.Invalid) || inbound.Worth(errs) != nil {
					t.Errorf("%v, want a final invalid", errs[0])
				}
				if strings.Contains(errs[0].Error(), "ada") {
					t.Errorf("the error names the customer: %v", errs[0])
				}
			}
			letters, err := w.client().DeadLetters(t.Context(), model.Random16{}, 10)
			if err != nil || len(letters) != c.again {
				t.Fatalf("letters %+v, %v; want %d", letters, err, c.again)
			}
			if l := letters[0]; l.Reason != c.reason || l.Account != account || l.Expires.Before(w.now().Add(13*24*time.Hour)) {
				t.Errorf("letter %+v", l)
			}
			if len(w.records()) != 0 {
				t.Error("a refused event is in the feed")
			}
		})
	}
}

// TestNotStorable: a row that the store will never take becomes a letter, not
// an endless repeat.
func TestNotStorable(t *testing.T) {
	w := newWorld(t)
	in := w.hub()
	isE := func(op driver.Op) bool { return strings.HasPrefix(op.SK, "e/") }
	w.disk.fail(0, model.TooLarge, isE)
	errs := in.Accept(t.Context(), from(account), []pluginhost.Item{{Event: says("ada", "1")}, {Event: says("bob", "2")}})
	w.disk.heal()
	if !model.Is(errs[0], model.Invalid) || inbound.Worth(errs) != nil {
		t.Errorf("%v, want final", errs)
	}
	letters, err := w.client().DeadLetters(t.Context(), model.Random16{}, 10)
	if err != nil || len(letters) != 2 || letters[0].Reason != "not_storable" {
		t.Errorf("letters %+v, %v", letters, err)
	}
}

// TestUnwrittenLetterIsNotFinal: without a trace the provider has to repeat.
func TestUnwrittenLetterIsNotFinal(t *testing.T) {
	w := newWorld(t)
	in := w.hub()
	w.accept(in, says("ada", "1")) // the client's rows are there
	w.disk.fail(0, model.Internal, func(op driver.Op) bool { return strings.HasSuffix(op.PK, "/dl") })
	if errs := in.Accept(t.Context(), from(account), []pluginhost.Item{{Event: says("ada", "")}}); inbound.Worth(errs) == nil {
		t.Errorf("%v is final", errs)
	}
}

// TestBadItemsFailAlone mixes items that cannot be taken with some that can.
func TestBadItemsFailAlone(t *testing.T) {
	w := newWorld(t)
	foreign := says("ada", "x")
	foreign.AccountID = "other-echo"
	large := says("ada", "3")
	large.Message.Content.Text = strings.Repeat("x", 1<<20)
	errs := w.hub().Accept(t.Context(), from(account), []pluginhost.Item{
		{Event: says("ada", "1")}, {}, {Event: says("ada", "")}, {Event: foreign}, {Event: says("ada", "2")}, {Event: large}, {Event: says("ada", "4")},
	})
	var ok []int
	for i, err := range errs {
		if err == nil {
			ok = append(ok, i)
		}
	}
	if !slices.Equal(ok, []int{0, 4, 5, 6}) || inbound.Worth(errs) != nil {
		t.Errorf("taken are %v of %v", ok, errs)
	}
	want := []model.EventType{model.MessageReceived, model.MessageReceived, model.UnsupportedReceived, model.MessageReceived}
	if got := w.types(); !slices.Equal(got, want) {
		t.Errorf("feed %v, want %v", got, want)
	}
}

func TestOccurredAt(t *testing.T) {
	for name, c := range map[string]struct {
		offset time.Duration
		zero   bool
		own    bool // the hub's time counts
	}{
		"none": {zero: true, own: true}, "past": {offset: -time.Hour}, "a little ahead": {offset: time.Minute}, "far ahead": {offset: time.Hour, own: true},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			ev := says("ada", "1")
			began := w.now().Truncate(time.Millisecond)
			if !c.zero {
				ev.OccurredAt = began.Add(c.offset)
			}
			w.accept(w.hub(), ev)
			got := w.feed()[0].Event.OccurredAt.Time
			if own := !got.Before(began) && !got.After(w.now()); own != c.own || !c.own && !got.Equal(model.At(ev.OccurredAt).Time) {
				t.Errorf("it occurred at %v, told was %v", got, ev.OccurredAt)
			}
		})
	}
}
