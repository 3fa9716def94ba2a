package store

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/seal"
	"github.com/channelhub/channelhub/hub/storage/table"
)

// unversioned compares rows without the stamp of their commit.
var unversioned = cmpopts.IgnoreUnexported(Conversation{}, Outbound{}, Claim{}, ProviderRow{}, Consumer{}, Token{}, ActiveLane{})

func (f *fixture) conversation(d Directory) Conversation {
	return Conversation{
		ID: d.Conversation, Account: "acct", Contact: d.Contact, Key: d.Key(), In: 7,
		Committed: f.Now(), LastInbound: f.Now().Add(-time.Second),
		Session: "ses_1", SessionSince: f.Now(), SessionLast: f.Now(), SessionEnded: true, EndedBy: "csr", EndedAt: f.Now(),
		OptedOut: true, ReadByCSR: "msg_1", ReadByCustomer: "msg_2",
		Addresses: []model.Address{phone("1"), bsuid("b")}, DisplayName: "Ada",
	}
}

func TestConversationsRoundTrip(t *testing.T) {
	f := newFixture(t)
	c := f.client("acme")
	want := f.conversation(f.met(c, "1"))
	if _, err := c.Conversation(t.Context(), want.ID); !model.Is(err, model.NotFound) {
		t.Errorf("before the first event: %v, want not_found", err)
	}
	if want.Exists() {
		t.Error("a row that was never written exists")
	}
	got, ok, err := c.PutConversation(t.Context(), want)
	if err != nil || !ok || !got.Exists() {
		t.Fatalf("put: %v, %v", ok, err)
	}
	for name, c := range map[string]*Client{"same process": c, "another process": f.client("acme")} {
		got, err := c.Conversation(t.Context(), want.ID)
		if diff := cmp.Diff(want, got, unversioned); err != nil || diff != "" {
			t.Errorf("%s: %v (-want +got):\n%s", name, err, diff)
		}
	}
	k := got.ContactValue()
	if k.ID != want.Contact || k.Address != "1" || k.AddressKind != model.Phone || k.DisplayName != "Ada" {
		t.Errorf("contact %+v", k)
	}
	if _, err := f.client("beta").Conversation(t.Context(), want.ID); !model.Is(err, model.NotFound) {
		t.Errorf("another client reads it: %v, want not_found", err)
	}
}

// No change of the row is lost, whichever hub makes it.
func TestConversationsAreComparedAndSet(t *testing.T) {
	f := newFixture(t)
	hubs := []*Client{f.client("acme"), f.client("acme")}
	d := f.met(hubs[0], "1")
	const writers, each = 16, 10
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			c := hubs[w%2]
			for range each {
				v, err := c.Conversation(t.Context(), d.Conversation)
				if model.Is(err, model.NotFound) {
					v, err = Conversation{ID: d.Conversation, Contact: d.Contact, Key: d.Key()}, nil
				}
				for ok := false; !ok; {
					if err != nil {
						t.Error(err)
						return
					}
					v.In++
					v, ok, err = c.PutConversation(t.Context(), v)
				}
			}
		})
	}
	wg.Wait()
	v, err := hubs[0].ReadConversation(t.Context(), d.Conversation)
	if err != nil || v.In != writers*each {
		t.Errorf("the row counts %d, %v; want %d", v.In, err, writers*each)
	}
}

func TestErasedConversations(t *testing.T) {
	f := newFixture(t)
	c := f.client("acme")
	v := f.conversation(f.met(c, "1"))
	v, _, err := c.PutConversation(t.Context(), v)
	if err != nil {
		t.Fatal(err)
	}
	v.Key = seal.ErasedKey
	if _, _, err := c.PutConversation(t.Context(), v); !model.Is(err, model.NotFound) {
		t.Errorf("put under the erased key: %v, want not_found", err)
	}
	// What an erasure leaves is a header without a body.
	value, err := encodePlain(conversationSchema, conversationHeader{Account: v.Account, Contact: v.Contact, Key: seal.ErasedKey, In: v.In})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.table.For("acme").Commit(t.Context(), table.Put(conversationPK(v.ID), conversationSK, value)); err != nil {
		t.Fatal(err)
	}
	got, err := c.ReadConversation(t.Context(), v.ID)
	if err != nil || got.Key != seal.ErasedKey || got.In != v.In || got.Addresses != nil || got.DisplayName != "" {
		t.Errorf("an erased row: %+v, %v", got, err)
	}
	if _, _, err := c.PutConversation(t.Context(), got); !model.Is(err, model.NotFound) {
		t.Errorf("put over an erased row: %v, want not_found", err)
	}
	// Whoever still has the old row in hand cannot write it either.
	v.Key = seal.ContactKey(v.Contact)
	if now, ok, err := c.PutConversation(t.Context(), v); err != nil || ok || now.Key != seal.ErasedKey {
		t.Errorf("put of an old row: %v, %v, key %q", ok, err, now.Key)
	}
}

func (f *fixture) event(d Directory, n int) StoredEvent {
	text := fmt.Sprintf("event %d", n)
	contact := contactOf(d.Contact, []model.Address{phone("1")}, "Ada")
	return StoredEvent{
		Conversation: d.Conversation, Key: key(n), Account: "acct", SealKey: d.Key(), Type: model.MessageReceived,
		In: uint64(n), Committed: f.Now().Add(time.Duration(n) * time.Millisecond), Tail: 5, Received: f.Now(),
		ContentUntil: f.Now().Add(time.Hour), Expires: f.Now().Add(2 * time.Hour), Traceparent: "00-1-2-03",
		Event: model.Event{
			Channel: "echo", SessionID: "ses_1", OccurredAt: model.At(f.Now()), Contact: &contact,
			Message: &model.Message{
				ProviderID: "p1", Direction: model.Inbound, Author: model.Customer,
				Content:     &model.Content{Type: model.ContentText, Text: text},
				Attachments: []model.Attachment{{ID: "att_1", Kind: model.Image, State: model.AttachmentPending}},
			},
		},
		FetchRefs: [][]byte{[]byte("ref")},
	}
}

func TestEventsArePutIfAbsent(t *testing.T) {
	f := newFixture(t)
	c := f.client("acme")
	d := f.met(c, "1")
	first := f.event(d, 1)
	made, created, err := c.PutEvent(t.Context(), first)
	if err != nil || !created {
		t.Fatalf("put: %v, %v", created, err)
	}
	want := f.event(d, 1)
	want.Event.ID = model.EventPlace{Conversation: d.Conversation, Key: key(1)}.ID()
	want.Event.ClientID, want.Event.AccountID, want.Event.ConversationID = "acme", "acct", d.Conversation
	want.Event.Type, want.Event.ReceivedAt = model.MessageReceived, model.At(f.Now())
	want.Event.Message.ID = model.MessagePlace{Conversation: d.Conversation, Direction: model.Inbound, Key: key(1)}.ID()
	if diff := cmp.Diff(want, made); diff != "" {
		t.Errorf("what the writer gets (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(f.event(d, 1), first); diff != "" {
		t.Errorf("the writer's own event was changed (-want +got):\n%s", diff)
	}
	later := f.event(d, 1)
	later.In, later.Event.Message.Content.Text = 9, "another text"
	for name, c := range map[string]*Client{"same process": c, "another process": f.client("acme")} {
		got, created, err := c.PutEvent(t.Context(), later)
		if diff := cmp.Diff(want, got); err != nil || created || diff != "" {
			t.Errorf("%s: a repeat: %v, %v (-want +got):\n%s", name, created, err, diff)
		}
		got, err = c.Event(t.Context(), d.Conversation, key(1))
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("%s: read: %v (-want +got):\n%s", name, err, diff)
		}
	}
	f.pass(2 * time.Hour)
	if _, err := c.Event(t.Context(), d.Conversation, key(1)); !model.Is(err, model.NotFound) {
		t.Errorf("past its end: %v, want not_found", err)
	}
}

func TestOneEventFromManyCallers(t *testing.T) {
	f := newFixture(t)
	hubs := []*Client{f.client("acme"), f.client("acme")}
	d := f.met(hubs[0], "1")
	made, numbers := make([]bool, 32), make([]uint64, 32)
	var wg sync.WaitGroup
	for i := range made {
		wg.Go(func() {
			e := f.event(d, 1)
			e.In = uint64(i) + 100
			got, created, err := hubs[i%2].PutEvent(t.Context(), e)
			if err != nil {
				t.Error(err)
			}
			made[i], numbers[i] = created, got.In
		})
	}
	wg.Wait()
	winners := 0
	for i := range made {
		if made[i] {
			winners++
		}
		if numbers[i] != numbers[0] {
			t.Errorf("caller %d has number %d, caller 0 has %d", i, numbers[i], numbers[0])
		}
	}
	if winners != 1 {
		t.Errorf("%d callers wrote the row", winners)
	}
}

func TestKeysOfEventsAndIntents(t *testing.T) {
	f := newFixture(t)
	c, beta := f.client("acme"), f.client("beta")
	seen := map[model.Random16]string{}
	note := func(what string, k model.Random16, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		if other, ok := seen[k]; ok {
			t.Errorf("%s and %s have one key", what, other)
		}
		seen[k] = what
	}
	for _, in := range [][2]string{{"a", "k"}, {"a", "k2"}, {"ak", ""}, {"", "ak"}} {
		k, err := c.EventKey(t.Context(), model.AccountID(in[0]), in[1])
		note(fmt.Sprint("event ", in), k, err)
		k, err = c.ProviderKey(t.Context(), model.AccountID(in[0]), in[1])
		note(fmt.Sprint("provider id ", in), k, err)
		k, mac, err := c.IntentKey(t.Context(), in[0], in[1], []byte("body"+in[0]+in[1]+"/"+in[1]))
		note(fmt.Sprint("intent ", in), k, err)
		note(fmt.Sprint("body ", in), mac, err)
		k, err = beta.EventKey(t.Context(), model.AccountID(in[0]), in[1])
		note(fmt.Sprint("another client's event ", in), k, err)
	}
}

func (f *fixture) outbound(d Directory, n int) Outbound {
	return Outbound{
		Conversation: d.Conversation, UUID: key(n), Account: "acct", SealKey: d.Key(), Status: model.Queued,
		Tail: 4, Moved: f.Now(), NextTry: f.Now(), HeldUntil: f.Now(), Created: f.Now(), ExpireAfter: f.Now().Add(time.Hour),
		ContentUntil: f.Now().Add(2 * time.Hour), Expires: f.Now().Add(3 * time.Hour), Traceparent: "00-1-2-03",
		Message:  model.Message{Author: model.CSR, Content: &model.Content{Type: model.ContentText, Text: fmt.Sprintf("answer %d", n)}},
		To:       []model.Address{phone("1")},
		Timeline: []Move{{Status: model.Queued, At: model.At(f.Now())}},
	}
}

func TestOutboundMessages(t *testing.T) {
	f := newFixture(t)
	c := f.client("acme")
	d := f.met(c, "1")
	want := f.outbound(d, 1)
	made, err := c.CreateOutbound(t.Context(), want)
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := made.Promise(); ok {
		t.Error("a message that never moved promises a record")
	}
	again := f.outbound(d, 1)
	again.Message.Content.Text = "another text"
	found, err := c.CreateOutbound(t.Context(), again)
	if diff := cmp.Diff(want, found, unversioned); err != nil || diff != "" {
		t.Errorf("a repeat: %v (-want +got):\n%s", err, diff)
	}

	next := made
	next.Was, next.Status, next.Seq, next.Tail = next.Status, model.Sent, 1, 9
	next.Moved, next.Attempts = f.Now().Add(time.Second), 1
	next.ProviderIDs = []string{"p1", "p2"}
	next.Failure = &model.Failure{Code: "x"}
	next.Note(Move{Status: model.Sent, At: model.At(next.Moved), Attempt: 1})
	written, ok, err := c.PutOutbound(t.Context(), next)
	if err != nil || !ok {
		t.Fatalf("put: %v, %v", ok, err)
	}
	read, err := f.client("acme").Outbound(t.Context(), d.Conversation, key(1))
	if diff := cmp.Diff(written, read, unversioned); err != nil || diff != "" {
		t.Errorf("read back: %v (-want +got):\n%s", err, diff)
	}
	if _, ok, err := c.PutOutbound(t.Context(), read); err != nil || !ok {
		t.Errorf("put from a read: %v, %v", ok, err)
	}
	now, ok, err := c.PutOutbound(t.Context(), made)
	if err != nil || ok || now.Status != model.Sent {
		t.Errorf("put from an old version: %v, %v, status %s", ok, err, now.Status)
	}

	promise, ok := read.Promise()
	wantRecord := Record{
		Kind: StatusRecord, Conversation: d.Conversation, Key: key(1), Seq: 1, Type: model.MessageStatus, Account: "acct",
		Direction: model.Outbound, Old: model.Queued, New: model.Sent, At: Millis(next.Moved), Author: model.CSR,
	}
	if diff := cmp.Diff(wantRecord, promise); !ok || diff != "" {
		t.Errorf("promise (-want +got):\n%s", diff)
	}
	view := read.View()
	if view.ID != read.ID() || view.ProviderID != "p1" || view.Direction != model.Outbound || view.Status != model.Sent || !view.CreatedAt.Equal(read.Created) {
		t.Errorf("view %+v", view)
	}
	f.pass(3 * time.Hour)
	if _, err := c.Outbound(t.Context(), d.Conversation, key(1)); !model.Is(err, model.NotFound) {
		t.Errorf("past its end: %v, want not_found", err)
	}
	f.pass(table.ExpiryGrace)
	if _, _, err := c.PutOutbound(t.Context(), read); !model.Is(err, model.NotFound) {
		t.Errorf("put past its end: %v, want not_found", err)
	}
}

func TestTimelinesKeepTheirEnds(t *testing.T) {
	var o Outbound
	for n := range 100 {
		before := o.Timeline
		o.Note(Move{Attempt: n})
		for i, m := range before {
			if i < maxTimeline/2 && m.Attempt != i {
				t.Fatalf("noting move %d changed the slice that others hold", n)
			}
		}
	}
	if len(o.Timeline) != maxTimeline {
		t.Fatalf("%d moves, want %d", len(o.Timeline), maxTimeline)
	}
	for i, m := range o.Timeline {
		want := i
		if i >= maxTimeline/2 {
			want = 100 - maxTimeline + i
		}
		if m.Attempt != want {
			t.Errorf("move %d is attempt %d, want %d", i, m.Attempt, want)
		}
	}
}

func TestClaims(t *testing.T) {
	f := newFixture(t)
	c := f.client("acme")
	none, err := c.Claim(t.Context(), "cnv_1")
	if diff := cmp.Diff(Claim{Conversation: "cnv_1"}, none, unversioned); err != nil || diff != "" {
		t.Errorf("nobody's lane: %v\n%s", err, diff)
	}
	want := Claim{
		Conversation: "cnv_1", Owner: "me", Epoch: 1, Open: Position{N: 3, Index: 2}, Message: key(1), Attempt: 2,
		SendUntil: f.Now(), Held: []model.Random16{key(2), key(3)},
	}
	mine, ok, err := c.PutClaim(t.Context(), want)
	if err != nil || !ok {
		t.Fatalf("claim: %v, %v", ok, err)
	}
	got, err := f.client("acme").Claim(t.Context(), "cnv_1")
	if diff := cmp.Diff(want, got, unversioned); err != nil || diff != "" {
		t.Errorf("read back: %v (-want +got):\n%s", err, diff)
	}
	// Who read nothing, or an older claim, is told what is there.
	for name, k := range map[string]Claim{"none": none, "older": mine} {
		if name == "older" {
			if _, ok, err := c.PutClaim(t.Context(), got); err != nil || !ok {
				t.Fatalf("renew: %v, %v", ok, err)
			}
		}
		k.Owner = "thief"
		now, ok, err := c.PutClaim(t.Context(), k)
		if err != nil || ok || now.Owner != "me" {
			t.Errorf("claim made from %s: %v, %v, owner %q", name, ok, err, now.Owner)
		}
	}
	// One of many wins.
	var wg sync.WaitGroup
	won := make([]bool, 32)
	for i := range won {
		wg.Go(func() {
			var err error
			if _, won[i], err = c.PutClaim(t.Context(), Claim{Conversation: "cnv_2", Owner: fmt.Sprint(i), Epoch: 1}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	winners := 0
	for _, w := range won {
		if w {
			winners++
		}
	}
	if winners != 1 {
		t.Errorf("%d claims on one lane succeeded", winners)
	}
}

func TestProviderRows(t *testing.T) {
	f := newFixture(t)
	c := f.client("acme")
	if _, err := c.ProviderRow(t.Context(), key(1)); !model.Is(err, model.NotFound) {
		t.Errorf("unknown: %v, want not_found", err)
	}
	early := ProviderRow{Key: key(1), Early: model.Delivered, EarlyAt: f.Now(), EarlyCode: "c", ProviderCode: "pc"}
	if early.Known() {
		t.Error("an early receipt knows its message")
	}
	if _, ok, err := c.PutProvider(t.Context(), early); err != nil || !ok {
		t.Fatalf("put: %v, %v", ok, err)
	}
	// The outcome comes second and is handed the receipt.
	outcome := ProviderRow{Key: key(1), Conversation: "cnv_1", UUID: key(9), Expires: f.Now().Add(48 * time.Hour)}
	met, ok, err := c.PutProvider(t.Context(), outcome)
	want := early
	want.Expires = f.Now().Add(earlyWait)
	if diff := cmp.Diff(want, met, unversioned); err != nil || ok || diff != "" {
		t.Errorf("the second: %v, %v (-want +got):\n%s", ok, err, diff)
	}
	met.Conversation, met.UUID, met.Expires = outcome.Conversation, outcome.UUID, outcome.Expires
	if _, ok, err := c.PutProvider(t.Context(), met); err != nil || !ok {
		t.Fatalf("merge: %v, %v", ok, err)
	}
	got, err := f.client("acme").ProviderRow(t.Context(), key(1))
	if diff := cmp.Diff(met, got, unversioned); err != nil || !got.Known() || diff != "" {
		t.Errorf("read back: %v (-want +got):\n%s", err, diff)
	}
	f.pass(earlyWait + table.ExpiryGrace)
	if _, err := c.ProviderRow(t.Context(), key(1)); err != nil {
		t.Errorf("after an hour, known: %v", err)
	}
	// A receipt that nobody claims is gone after an hour.
	if _, ok, err := c.PutProvider(t.Context(), ProviderRow{Key: key(2), Early: model.Read}); err != nil || !ok {
		t.Fatalf("put: %v, %v", ok, err)
	}
	waiting, err := c.ProviderRow(t.Context(), key(2))
	if err != nil {
		t.Fatal(err)
	}
	f.pass(earlyWait)
	if _, err := c.ProviderRow(t.Context(), key(2)); !model.Is(err, model.NotFound) {
		t.Errorf("after an hour, waiting: %v, want not_found", err)
	}
	f.pass(table.ExpiryGrace)
	now, ok, err := c.PutProvider(t.Context(), waiting)
	if err != nil || ok || now.Early != "" {
		t.Errorf("put over a row that is gone: %+v, %v, %v; want nothing found", now, ok, err)
	}
	if _, ok, err := c.PutProvider(t.Context(), now); err != nil || !ok {
		t.Errorf("and once more: %v, %v", ok, err)
	}
}

func TestIntents(t *testing.T) {
	f := newFixture(t)
	c := f.client("acme")
	want := Intent{
		Key: key(1), Body: key(2), Conversation: "cnv_1", UUID: key(3), LaneTail: 4, Created: f.Now(), Expires: f.Now().Add(time.Hour),
	}
	if _, err := c.Intent(t.Context(), key(1)); !model.Is(err, model.NotFound) {
		t.Errorf("unknown: %v, want not_found", err)
	}
	if got, made, err := c.PutIntent(t.Context(), want); err != nil || !made || got != want {
		t.Fatalf("put: %+v, %v, %v", got, made, err)
	}
	other := want
	other.Body, other.UUID = key(7), key(8)
	got, made, err := f.client("acme").PutIntent(t.Context(), other)
	if diff := cmp.Diff(want, got); err != nil || made || diff != "" {
		t.Errorf("a second: %v, %v (-want +got):\n%s", made, err, diff)
	}
	if !got.SameBody(key(2)) || got.SameBody(key(7)) {
		t.Error("bodies are told apart wrongly")
	}
	if got, err := c.Intent(t.Context(), key(1)); err != nil || got != want {
		t.Errorf("read: %+v, %v", got, err)
	}
	f.pass(time.Hour)
	if _, err := c.Intent(t.Context(), key(1)); !model.Is(err, model.NotFound) {
		t.Errorf("past its end: %v, want not_found", err)
	}
}

func TestDeadLetters(t *testing.T) {
	f := newFixture(t)
	c := f.client("acme")
	var want []DeadLetter
	for n := range 5 {
		d := DeadLetter{
			Conversation: "cnv_1", UUID: key(n + 1), Account: "acct", Reason: "retries_exhausted",
			Attempts: n, At: f.Now(), Expires: f.Now().Add(time.Duration(n+1) * time.Hour),
		}
		want = append(want, d)
		for range 2 {
			if err := c.PutDeadLetter(t.Context(), d); err != nil {
				t.Fatal(err)
			}
			d.Reason = "another" // a repeat changes nothing
		}
	}
	got, err := c.DeadLetters(t.Context(), model.Random16{}, 10)
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("letters: %v (-want +got):\n%s", err, diff)
	}
	got, err = c.DeadLetters(t.Context(), key(2), 2)
	if diff := cmp.Diff(want[2:4], got); err != nil || diff != "" {
		t.Errorf("a page: %v (-want +got):\n%s", err, diff)
	}
	f.pass(3 * time.Hour)
	if got, err = c.DeadLetters(t.Context(), model.Random16{}, 10); err != nil || len(got) != 2 {
		t.Errorf("after three hours: %d letters, %v; want 2", len(got), err)
	}
	if got, err = f.client("beta").DeadLetters(t.Context(), model.Random16{}, 10); err != nil || len(got) != 0 {
		t.Errorf("another client has %d letters, %v", len(got), err)
	}
}

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
