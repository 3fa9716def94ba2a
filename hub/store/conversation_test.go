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
var unversioned = cmpopts.IgnoreUnexported(Conversation{}, Outbound{}, Claim{}, ProviderRow{}, Consumer{}, Token{}, ActiveLane{}, DeadLetter{})

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
	if _, err := c.ReadConversation(t.Context(), v.ID); !model.Is(err, model.NotFound) || !IsErased(err) {
		t.Errorf("an erased row: %v, want erased", err)
	}
	// Whoever still has the old row in hand cannot write it either.
	v.Key = seal.ContactKey(v.Contact)
	if _, ok, err := c.PutConversation(t.Context(), v); ok || !IsErased(err) {
		t.Errorf("put of an old row: %v, %v, want erased", ok, err)
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
