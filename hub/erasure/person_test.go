package erasure_test

import (
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/channelhub/channelhub/hub/flow/inbound"
	"github.com/channelhub/channelhub/hub/flow/media"
	"github.com/channelhub/channelhub/hub/hubtest/storetest"
	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/store"
	"github.com/channelhub/channelhub/internal/canary"
)

// person is somebody who has something of every kind. It outlives a process.
type person struct {
	Who           string
	Contact       model.ContactID
	Shop, Desk    model.ConversationID
	Taken         model.AttachmentID // by a message of theirs
	Ahead         model.AttachmentID // sent ahead of a message that never came
	Letter        model.Random16
	Sent, Waiting store.Outbound
	Wrapped       []byte   // the key, as it lies in its slot
	Keys          []string // names in rows that only somebody who knows the person can make
}

// mark is a word of the person's that stands nowhere else.
func (p person) mark(what string) string { return "canary" + p.Who + what }

func (p person) phone() model.Address {
	return model.Address{Kind: model.Phone, Value: p.mark("phone")}
}

// later is an address that the person was not met under.
func (p person) later() model.Address {
	return model.Address{Kind: model.WaID, Value: p.mark("later")}
}

// marks is every word that tells of the person.
func (p person) marks() []string {
	var out []string
	for _, what := range []string{"phone", "later", "name", "hello", "again", "elsewhere", "sent", "waiting", "ended", "failed", "taken", "ahead", "browser", "reference"} {
		out = append(out, p.mark(what))
	}
	return out
}

// names is every name of the person's in rows.
func (p person) names() []string {
	return append([]string{string(p.Contact), string(p.Shop), string(p.Desk), string(p.Taken), string(p.Ahead)}, p.Keys...)
}

// meet fills in somebody who is in touch on both accounts, was answered, and
// has files.
func (w *world) meet(who string) person {
	w.t.Helper()
	ctx, s := w.t.Context(), w.scene()
	p := person{Who: who}
	met := s.Say(storetest.Said{Account: shop, Addresses: []model.Address{p.phone()}, Name: p.mark("name"), Text: p.mark("hello"), Key: who + "-1"})
	if r := w.writes(shop, who+"-2", p.mark("again"), p.phone(), p.later()); r.Err != nil || r.Conversation != met.Conversation {
		w.t.Fatalf("again: %+v", r)
	}
	there := s.Say(storetest.Said{Account: desk, Addresses: []model.Address{p.phone()}, Name: p.mark("name"), Text: p.mark("elsewhere"), Key: who + "-3"})
	p.Contact, p.Shop, p.Desk = met.Contact, met.Conversation, there.Conversation
	if there.Contact != met.Contact {
		w.t.Fatal("one address is two people")
	}

	answer := func(d store.Directory, account model.AccountID, what string, status model.Status, ended bool) store.Outbound {
		return s.Answer(storetest.Answer{To: d, Account: account, Text: p.mark(what), Key: who + "-" + what, Status: status, Ended: ended})
	}
	p.Sent = answer(met, shop, "sent", model.Sent, false)
	p.Waiting = answer(met, shop, "waiting", model.Queued, false)
	answer(met, shop, "ended", model.Delivered, true)
	failed := answer(there, desk, "failed", model.Failed, false)
	p.Letter = failed.UUID
	w.must(w.client.PutDeadLetter(ctx, store.DeadLetter{
		Conversation: p.Desk, UUID: failed.UUID, Account: desk, Reason: "rejected", At: w.now(), Expires: w.now().Add(14 * day),
	}))

	taken := w.file(p, "taken", media.File{})
	_, err := w.media.Claim(ctx, w.client, taken.ID, media.Taking{Account: shop, Conversation: p.Shop, Message: p.Sent.ID(), SealKey: met.Key()})
	w.must(err)
	owner, err := w.client.AttachmentOwner(ctx, shop, p.phone())
	w.must(err)
	p.Taken, p.Ahead = taken.ID, w.file(p, "ahead", media.File{Account: shop, Owner: owner, TakeBy: w.now().Add(media.TakeWithin)}).ID
	w.must(w.client.PutMediaTask(ctx, store.MediaTask{ID: model.NewAttachmentID(), Fetch: true, Conversation: p.Shop, Ends: w.now().Add(day)}, true))
	session, err := w.inbound.KeepContext(ctx, w.client, p.Shop, store.SessionContext{UserAgent: p.mark("browser")})
	w.must(err)
	if session == "" {
		w.t.Fatal("there is no session to keep a browser for")
	}
	p.Wrapped, err = w.slots.Load(acme, string(p.Contact))
	w.must(err)
	p.Keys = w.keys(p)
	return p
}

func (w *world) file(p person, what string, f media.File) store.Attachment {
	w.t.Helper()
	f.Name, f.Body, f.Rules = p.mark(what)+".txt", strings.NewReader(strings.Repeat(p.mark(what)+"\n", 99)), media.Rules{MaxSize: 1 << 20}
	a, err := w.media.Take(w.t.Context(), w.client, f)
	w.must(err)
	return a
}

// keys is the names of rows that are made of what is known of a person: its
// addresses, its events, what the provider called its messages.
func (w *world) keys(p person) []string {
	w.t.Helper()
	ctx := w.t.Context()
	row, err := w.table.For(acme).Get(ctx, "p/"+string(p.Contact), "c")
	w.must(err)
	length, n := binary.Uvarint(row.Value[1:])
	var header struct {
		Addresses [][]byte `json:"x"`
	}
	w.must(json.Unmarshal(row.Value[1+n:][:length], &header))
	if len(header.Addresses) != 2 {
		w.t.Fatalf("the contact's row lists %d addresses", len(header.Addresses))
	}
	var out []string
	for _, at := range header.Addresses {
		out = append(out, hex.EncodeToString(at))
	}
	for _, what := range []string{"sent", "ended", "failed"} {
		account := shop
		if what == "failed" {
			account = desk
		}
		at, err := w.client.ProviderKey(ctx, account, "wamid-"+p.Who+"-"+what)
		w.must(err)
		if _, err := w.client.ProviderRow(ctx, at); err != nil {
			w.t.Fatalf("the provider's id of %s leads nowhere: %v", what, err)
		}
		out = append(out, hex.EncodeToString(at[:]))
	}
	for _, what := range []string{"sent", "waiting", "ended", "failed"} {
		at, _, err := w.client.IntentKey(ctx, "POST /v1/messages", p.Who+"-"+what, nil)
		w.must(err)
		out = append(out, hex.EncodeToString(at[:]))
	}
	for i, account := range []model.AccountID{shop, shop, desk} {
		at, err := w.client.EventKey(ctx, account, fmt.Sprintf("%s-%d", p.Who, i+1))
		w.must(err)
		out = append(out, hex.EncodeToString(at[:]))
	}
	return out
}

// has is everything that the rooms find of a person, in words.
func (w *world) has(p person) []string {
	w.t.Helper()
	ctx, c := w.t.Context(), w.client
	var out []string
	say := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	for _, a := range []model.Address{p.phone(), p.later()} {
		contact, _, err := c.ContactOf(ctx, a)
		say("%s is %s %v", a.Kind, contact, model.CodeOf(err))
	}
	contact, err := c.Contact(ctx, p.Contact)
	say("contact %+v %v", contact, model.CodeOf(err))
	for _, conv := range []model.ConversationID{p.Shop, p.Desk} {
		h, err := c.History(ctx, conv)
		say("%d events, %d messages %v", len(h.Events), len(h.Outbound), model.CodeOf(err))
		for _, e := range h.Events {
			say("event %s", e.Event.Message.Content.Text)
		}
		for _, o := range h.Outbound {
			say("message %s %v %v", o.Status, o.Message.Content, o.ProviderIDs)
		}
		lane, err := c.Lane(conv).Tail(ctx)
		say("lane %d %v", lane, err)
	}
	at, err := c.ProviderKey(ctx, shop, "wamid-"+p.Who+"-sent")
	w.must(err)
	row, err := c.ProviderRow(ctx, at)
	say("provider's id %v %v", row.UUID, model.CodeOf(err))
	intent, err := c.Intent(ctx, p.Sent.Intent)
	say("intent %v %v", intent.UUID, model.CodeOf(err))
	letter, err := c.DeadLetter(ctx, p.Letter)
	say("letter %s %v", letter.Reason, model.CodeOf(err))
	for _, id := range []model.AttachmentID{p.Taken, p.Ahead} {
		say("file %s", w.content(id))
	}
	browser, err := w.inbound.SessionContext(ctx, c, p.Shop)
	say("browser %s %v", browser.UserAgent, model.CodeOf(err))
	tasks, _, err := c.MediaTasks(ctx, "", 99)
	w.must(err)
	say("tasks %v", slices.ContainsFunc(tasks, func(t store.MediaTask) bool { return t.Conversation == p.Shop }))
	active, err := w.store.ActiveLanes(ctx)
	w.must(err)
	say("active %v", slices.ContainsFunc(active, func(a store.ActiveLane) bool { return a.Conversation == p.Shop }))
	wrapped, err := w.slots.Load(acme, string(p.Contact))
	say("key %x %v", wrapped, model.CodeOf(err))
	return out
}

// content is the first line of a file, or why there is none.
func (w *world) content(id model.AttachmentID) string {
	w.t.Helper()
	a, err := w.client.Attachment(w.t.Context(), id)
	if err != nil {
		return string(model.CodeOf(err))
	}
	r, err := w.media.Open(w.t.Context(), acme, a, 0)
	if err != nil {
		return string(model.CodeOf(err))
	}
	all, err := io.ReadAll(r)
	w.must(err)
	w.must(r.Close())
	line, _, _ := strings.Cut(string(all), "\n")
	return a.Name + " " + line
}

// meant is the partitions where a person's ids may stay: the receipt, and the
// records of the feed until they are trimmed.
var meant = []string{"h/erasure\x00", "c/acme/f/"}

// gone asserts that nothing of a person is left in any row but those of the
// given partitions, and not its contact's id in a record of the feed. It closes
// the world.
func (w *world) gone(p person, but ...string) {
	w.t.Helper()
	w.close()
	dir := w.dir + "/table"
	left := storetest.RowsWith(w.t, dir, w.clock, append(but, meant...), append(p.names(), p.marks()...)...)
	left = append(left, storetest.RowsWith(w.t, dir, w.clock, meant[:1], append(p.marks(), string(p.Contact))...)...)
	if len(left) > 0 {
		w.t.Errorf("left behind:\n%s", strings.Join(left, "\n"))
	}
}

// hits is where below the data directory words of the person, or its key, lie.
func (w *world) hits(p person) []canary.Hit {
	w.t.Helper()
	hits, err := canary.ScanDir(w.dir, append(p.marks(), string(p.Wrapped))...)
	w.must(err)
	return hits
}

// led is whom an address leads to now; empty: to nobody.
func (w *world) led(a model.Address) model.ContactID {
	w.t.Helper()
	contact, _, err := w.client.ContactOf(w.t.Context(), a)
	if err != nil && !model.Is(err, model.NotFound) {
		w.t.Fatal(err)
	}
	return contact
}

// reads is what lies in a conversation, as its rows show it.
func (w *world) reads(r inbound.Result) []string {
	w.t.Helper()
	h, err := w.client.History(w.t.Context(), r.Conversation)
	w.must(err)
	var out []string
	for _, e := range h.Events {
		out = append(out, e.Event.Message.Content.Text)
	}
	return out
}
