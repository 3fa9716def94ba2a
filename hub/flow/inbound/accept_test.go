package inbound_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/channelhub/channelhub/hub/flow/inbound"
	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/pluginhost"
	"github.com/channelhub/channelhub/hub/storage/table/driver"
)

func TestAccept(t *testing.T) {
	w := newWorld(t)
	in := w.hub()
	w.accept(in, says("ada", "1"))
	events := w.feed()
	if len(events) != 1 {
		t.Fatalf("%d events, want 1", len(events))
	}
	e := events[0].Event
	conv := w.conversation("ada")
	if e.Type != model.MessageReceived || e.ClientID != acme || e.AccountID != account || e.Channel != "echo" ||
		e.ConversationID != conv.ID || e.SessionID == "" || e.SessionID != conv.Session {
		t.Errorf("event %+v", e)
	}
	if e.Contact == nil || e.Contact.Address != "ada" || e.Contact.AddressKind != model.Phone || e.Contact.ID != conv.Contact || e.Contact.DisplayName != "ada" {
		t.Errorf("contact %+v", e.Contact)
	}
	if m := e.Message; m.Direction != model.Inbound || m.Author != model.Customer || m.Content.Text != "text of 1" || m.ID == "" {
		t.Errorf("message %+v", m)
	}
	if events[0].In != 1 || conv.In != 1 || !conv.Committed.Equal(events[0].Committed) {
		t.Errorf("numbers %d and %d, times %v and %v", events[0].In, conv.In, conv.Committed, events[0].Committed)
	}
	if w.told.Load() != 1 {
		t.Errorf("told %d times of the conversation", w.told.Load())
	}
}

// TestConnectorsCannotSpeakForUs: what only the hub says is not taken from an
// event.
func TestConnectorsCannotSpeakForUs(t *testing.T) {
	w := newWorld(t)
	ev := says("ada", "1")
	ev.Message.Author, ev.Message.Direction, ev.Message.Status, ev.Message.ID = model.CSR, model.Outbound, model.Read, "msg_forged"
	ev.Message.Attachments = []model.Attachment{{ID: "att_forged", URL: "https://example.org/x", State: model.AttachmentReady, Name: "a.jpg"}}
	w.accept(w.hub(), ev)
	m := w.feed()[0].Event.Message
	if m.Author != model.Customer || m.Direction != model.Inbound || m.Status != "" || m.ID == "msg_forged" {
		t.Errorf("message %+v", m)
	}
	if a := m.Attachments[0]; a.ID == "att_forged" || a.URL != "" || a.State != model.AttachmentPending || a.Name != "a.jpg" {
		t.Errorf("attachment %+v", a)
	}
}

func TestDuplicates(t *testing.T) {
	w := newWorld(t)
	in := w.hub()
	first := w.accept(in, says("ada", "1"))
	w.accept(in, says("ada", "2"))
	if again := w.accept(in, says("ada", "1")); again.Event != first.Event {
		t.Errorf("the repeat is event %s, the first was %s", again.Event, first.Event)
	}
	w.accept(w.hub(), says("ada", "1")) // by another process
	w.accept(in, says("bob", "1"))      // the key of another customer
	elsewhere := says("ada", "1")
	elsewhere.AccountID = "acme-two"
	w.accept(in, elsewhere)
	if diff := cmp.Diff([]string{"1", "2", "1", "1"}, w.texts()); diff != "" {
		t.Errorf("I3: feed (-want +got):\n%s", diff)
	}
}

// TestConcurrentDuplicates tells one event many times at once, to two hubs, at
// first contact.
func TestConcurrentDuplicates(t *testing.T) {
	w := newWorld(t)
	hubs := []*inbound.Inbound{w.hub(), w.hub()}
	results := make([]inbound.Result, 32)
	var wg sync.WaitGroup
	for i := range results {
		wg.Go(func() { results[i] = w.accept(hubs[i%2], says("ada", "1")) })
	}
	wg.Wait()
	if got := w.texts(); len(got) != 1 {
		t.Errorf("I3: %d events of one", len(got))
	}
	for _, r := range results {
		if r.Event != results[0].Event || r.Conversation != results[0].Conversation {
			t.Errorf("one caller was told of %+v, another of %+v", r, results[0])
		}
	}
}

// TestOrder: in a conversation the feed follows the order of commit numbers,
// however many tell at once (I4).
func TestOrder(t *testing.T) {
	w := newWorld(t)
	in := w.hub()
	const customers, each = 4, 25
	var wg sync.WaitGroup
	for c := range customers {
		for g := range 3 {
			wg.Go(func() {
				for n := range each {
					w.accept(in, says(numbered("customer", c), fmt.Sprintf("%d/%d/%d", c, g, n)))
				}
			})
		}
	}
	wg.Wait()
	last := map[model.ConversationID]struct {
		in uint64
		at time.Time
	}{}
	seen := 0
	next := map[string]int{}
	for _, e := range w.feed() {
		was := last[e.Conversation]
		if e.In <= was.in || !e.Committed.After(was.at) {
			t.Errorf("I4: number %d at %v follows %d at %v", e.In, e.Committed, was.in, was.at)
		}
		was.in, was.at = e.In, e.Committed
		last[e.Conversation] = was
		var c, g, n int
		if _, err := fmt.Sscanf(e.Event.Message.ProviderID, "%d/%d/%d", &c, &g, &n); err != nil {
			t.Fatal(err)
		}
		by := fmt.Sprintf("%d/%d", c, g)
		if n != next[by] {
			t.Errorf("I4: %s told %d before %d", by, n, next[by])
		}
		next[by] = n + 1
		seen++
	}
	if seen != customers*3*each {
		t.Errorf("%d events, want %d", seen, customers*3*each)
	}
}

// TestTwoHubsOneConversation: without a common lock nothing is lost or doubled.
func TestTwoHubsOneConversation(t *testing.T) {
	w := newWorld(t)
	var wg sync.WaitGroup
	for h := range 2 {
		in := w.hub()
		wg.Go(func() {
			for n := range 30 {
				w.accept(in, says("ada", fmt.Sprintf("%d/%d", h, n)))
			}
		})
	}
	wg.Wait()
	got := w.texts()
	slices.Sort(got)
	if n := len(got); n != 60 || len(slices.Compact(got)) != 60 {
		t.Errorf("%d events, want 60 different ones", n)
	}
}

// TestRepeatRepairs stops at each write in turn; the provider's repeat, to a
// process that remembers nothing, brings the event into the feed once.
func TestRepeatRepairs(t *testing.T) {
	for _, known := range []bool{false, true} {
		t.Run(fmt.Sprintf("known customer %v", known), func(t *testing.T) {
			steps := 0
			for n := 0; ; n++ {
				w := newWorld(t)
				first := w.hub()
				if known {
					w.accept(first, says("ada", "0"))
				}
				w.disk.fail(n, model.Internal, nil)
				err := first.Accept(t.Context(), from(account), []pluginhost.Item{{Event: says("ada", "1")}})[0]
				w.disk.heal()
				if err == nil {
					break
				}
				steps++
				if inbound.Worth([]error{err}) == nil || !errors.Is(err, errBroken) {
					t.Fatalf("write %d: %v is not worth a repeat", n, err)
				}
				if got := w.texts(); slices.Contains(got, "1") {
					t.Errorf("I1: refused behind write %d, and in the feed", n)
				}
				in := w.hub()
				w.accept(in, says("ada", "1"))
				w.accept(in, says("ada", "2"))
				want := []string{"1", "2"}
				if known {
					want = []string{"0", "1", "2"}
				}
				if diff := cmp.Diff(want, w.texts()); diff != "" {
					t.Errorf("I1, I3: behind write %d (-want +got):\n%s", n, diff)
				}
			}
			if least := map[bool]int{true: 3, false: 7}[known]; steps < least {
				t.Errorf("only %d writes were broken; the list has at least %d", steps, least)
			}
			if known && steps != 3 {
				t.Errorf("a known customer's event took %d writes, want T, E and L", steps)
			}
		})
	}
}

// TestRepeatTells: whoever watches the conversation learns of an event that
// only a repeat completed.
func TestRepeatTells(t *testing.T) {
	w := newWorld(t)
	in := w.hub()
	w.disk.fail(0, model.Internal, func(op driver.Op) bool { return strings.HasPrefix(op.PK, "c/acme/f/") })
	if err := in.Accept(t.Context(), from(account), []pluginhost.Item{{Event: says("ada", "1")}})[0]; err == nil {
		t.Fatal("accepted without a place in the feed")
	}
	if n := w.told.Load(); n != 0 {
		t.Errorf("told %d times of what is not in the feed", n)
	}
	w.disk.heal()
	w.accept(in, says("ada", "1"))
	if n := w.told.Load(); n == 0 {
		t.Error("nobody was told")
	}
}

// TestUnverified: an item counts only under a secret of the account it names.
func TestUnverified(t *testing.T) {
	w := newWorld(t)
	in := w.hub()
	ev := func(id model.AccountID) pluginhost.Item {
		e := says("ada", "1")
		e.AccountID = id
		return pluginhost.Item{Event: e}
	}
	for name, c := range map[string]struct {
		from inbound.Source
		item pluginhost.Item
	}{
		"not verified":        {from("acme-two"), ev(account)},
		"nothing verified":    {inbound.Source{Plugin: plugin, Verified: []model.AccountID{}}, ev(account)},
		"another connector's": {from("acme-sms"), ev("acme-sms")},
		"unknown":             {from("nowhere"), ev("nowhere")},
		"no account":          {from(account), ev("")},
		"status":              {from("acme-two"), pluginhost.Item{Status: &pluginhost.StatusReport{AccountID: account}}},
	} {
		err := in.Accept(t.Context(), c.from, []pluginhost.Item{c.item})[0]
		if !model.Is(err, model.NotFound) || inbound.Worth([]error{err}) != nil {
			t.Errorf("I8: %s: %v, want a final not_found", name, err)
		}
	}
	if got := w.records(); len(got) != 0 || len(w.receipts.got) != 0 {
		t.Errorf("I8: %d records, %d receipts", len(got), len(w.receipts.got))
	}
	// A connection of the connector's own speaks for all its accounts.
	if err := in.Accept(t.Context(), inbound.Source{Plugin: plugin}, []pluginhost.Item{ev("acme-two")})[0]; err != nil {
		t.Error(err)
	}
}

func TestReceipts(t *testing.T) {
	w := newWorld(t)
	w.receipts.errs = []error{nil, model.Errorf(model.NotFound, "report", "no such message"), model.Errorf(model.Unavailable, "report", "later")}
	status := func(id string) pluginhost.Item {
		return pluginhost.Item{Status: &pluginhost.StatusReport{AccountID: account, Status: model.Read, ProviderID: id}}
	}
	errs := w.hub().Accept(t.Context(), from(account), []pluginhost.Item{status("1"), status("2"), status("3"), {}})
	if errs[0] != nil || !model.Is(errs[1], model.NotFound) || !model.Is(errs[3], model.Invalid) {
		t.Errorf("errors %v", errs)
	}
	if err := inbound.Worth(errs); !errors.Is(err, errs[2]) {
		t.Errorf("worth a repeat: %v, want %v", err, errs[2])
	}
}

// TestRefusalByTheKeysIsNotFinal: an event whose client's keys the hub may not
// use just now is not acknowledged (I1), and comes in once it may.
func TestRefusalByTheKeysIsNotFinal(t *testing.T) {
	w := newWorld(t)
	in := w.hub()
	w.accept(in, says("ada", "0"))
	w.pass(5 * time.Minute) // a keyset serves that long before the root is asked again
	w.rows.Root.Deny(true)
	for range 2 {
		// The second copy meets the refusal that is remembered.
		errs := in.Accept(t.Context(), from(account), []pluginhost.Item{
			{Event: says("ada", "1")}, {Event: says("bob", "1")}, {Event: does("ada", "2", "no such type")},
		})
		for i, err := range errs {
			if !model.Is(err, model.Unavailable) || inbound.Worth(errs[i:i+1]) == nil {
				t.Errorf("item %d: %v, want unavailable", i, err)
			}
		}
	}
	w.rows.Root.Deny(false)
	w.pass(time.Second) // a refusal stands that long
	w.accept(in, says("ada", "1"))
	w.accept(in, says("ada", "1"))
	if diff := cmp.Diff([]string{"0", "1"}, w.texts()); diff != "" {
		t.Errorf("feed (-want +got):\n%s", diff)
	}
	if letters, err := w.client().DeadLetters(t.Context(), model.Random16{}, 10); err != nil || len(letters) != 0 {
		t.Errorf("dead letters %+v, %v", letters, err)
	}
}

// TestRefusalByTheTableIsNotFinal: the table says unavailable of it, since what
// is denied is the hub itself.
func TestRefusalByTheTableIsNotFinal(t *testing.T) {
	w := newWorld(t)
	in := w.hub()
	w.disk.fail(0, model.Denied, nil)
	errs := in.Accept(t.Context(), from(account), []pluginhost.Item{{Event: says("ada", "1")}})
	if errs[0] == nil || inbound.Worth(errs) == nil {
		t.Errorf("%v is not worth a repeat", errs[0])
	}
}

// TestStepsHaveADeadline: no write comes long after T.
func TestStepsHaveADeadline(t *testing.T) {
	w := newWorld(t)
	w.accept(w.hub(), says("ada", "0"))
	in := inbound.New(inbound.Options{
		Store: w.rows.Store(), Accounts: w.accounts, Receipts: w.receipts, Now: w.now, StepTimeout: 50 * time.Millisecond,
	})
	w.disk.stall()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	errs := in.Accept(ctx, from(account), []pluginhost.Item{{Event: says("ada", "1")}})
	w.disk.heal()
	if !model.Is(errs[0], model.Unavailable) || inbound.Worth(errs) == nil {
		t.Errorf("%v, want unavailable", errs[0])
	}
	if ctx.Err() != nil {
		t.Error("it waited for the caller's deadline")
	}
	w.accept(in, says("ada", "1"))
	if diff := cmp.Diff([]string{"0", "1"}, w.texts()); diff != "" {
		t.Errorf("feed (-want +got):\n%s", diff)
	}
}
