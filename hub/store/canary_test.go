package store

import (
	"encoding/json"
	"os"
	"testing"
	"time"

	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/storage/table"
	"github.com/channelhub/channelhub/internal/canary"
)

// TestNoRowShowsAnything fills every kind of row with markers and searches the
// bytes on disk for them: I6.
func TestNoRowShowsAnything(t *testing.T) {
	f := newFixture(t)
	s := f.store()
	c := f.clientOf(s, "acme")
	ctx := t.Context()
	var markers []string
	mark := func(name string) string {
		m := canary.New(name)
		markers = append(markers, m)
		return m
	}
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}

	address, alias, name := mark("address"), mark("alias"), mark("name")
	d, err := c.Resolve(ctx, "acct", []model.Address{phone(address)}, name)
	check(err)
	_, err = c.Resolve(ctx, "acct", []model.Address{phone(address), bsuid(alias)}, name)
	check(err)

	v := f.conversation(d)
	v.Addresses, v.DisplayName = []model.Address{phone(address), bsuid(alias)}, name
	v, _, err = c.PutConversation(ctx, v)
	check(err)
	v.In++
	_, _, err = c.PutConversation(ctx, v)
	check(err)

	e := f.event(d, 1)
	contact := contactOf(d.Contact, []model.Address{phone(address)}, name)
	e.Key, err = c.EventKey(ctx, "acct", mark("dedupekey"))
	check(err)
	e.Event.Contact = &contact
	e.Event.Message.ProviderID = mark("providerid")
	e.Event.Message.Content.Text = mark("text")
	e.Event.Message.Attachments[0].Name = mark("filename")
	e.Event.Message.ReplyTo = &model.Reference{ProviderID: mark("replyto")}
	e.FetchRefs = [][]byte{[]byte(mark("fetchref"))}
	_, _, err = c.PutEvent(ctx, e)
	check(err)
	_, err = c.Feed(d.Conversation).Append(ctx, record(1), 0)
	check(err)

	k, mac, err := c.IntentKey(ctx, "POST /v1/messages", mark("idempotencykey"), []byte(mark("body")))
	check(err)
	_, _, err = c.PutIntent(ctx, Intent{Key: k, Body: mac, Conversation: d.Conversation, UUID: key(2)})
	check(err)

	o := f.outbound(d, 2)
	o.To = []model.Address{phone(address)}
	o.Message.Content.Text = mark("answer")
	o.Message.Context = json.RawMessage(`{"k":"` + mark("context") + `"}`)
	o, err = c.CreateOutbound(ctx, o)
	check(err)
	o.ProviderIDs = []string{mark("sentid")}
	o.Failure = &model.Failure{Code: "rejected", Detail: mark("failure")}
	o.Status, o.Was, o.Seq = model.Failed, model.Queued, 1
	o, _, err = c.PutOutbound(ctx, o)
	check(err)
	promise, _ := o.Promise()
	_, err = c.Feed(d.Conversation).Append(ctx, promise, 0)
	check(err)
	_, err = c.Lane(d.Conversation).Append(ctx, Record{Kind: DeliveryRecord, Conversation: d.Conversation, Key: o.UUID}, 0)
	check(err)

	k, err = c.ProviderKey(ctx, "acct", o.ProviderIDs[0])
	check(err)
	_, _, err = c.PutProvider(ctx, ProviderRow{Key: k, Conversation: d.Conversation, UUID: o.UUID, Expires: f.Now().Add(time.Hour)})
	check(err)
	_, _, err = c.PutClaim(ctx, Claim{Conversation: d.Conversation, Owner: "me", Message: o.UUID, Attempt: 1})
	check(err)
	check(c.PutDeadLetter(ctx, DeadLetter{Conversation: d.Conversation, UUID: o.UUID, Expires: f.Now().Add(time.Hour)}))
	_, err = c.PutState(ctx, "acct", State{Key: mark("statekey"), Value: []byte(mark("statevalue"))}, 0, 0)
	check(err)
	check(s.ClaimAccountAddress(ctx, "echo", mark("accountaddress"), AccountAddress{"acme", "acct"}, nil))
	_, err = s.PutActive(ctx, "acme", d.Conversation)
	check(err)
	cursor, err := c.Cursor(ctx, []Position{{N: 1}})
	check(err)
	at, err := c.ParseCursor(ctx, cursor)
	check(err)
	_, err = c.Acknowledge(ctx, "crm", at)
	check(err)

	// A row in clear shows that the search finds what this disk holds.
	control := canary.New("control")
	_, err = f.table.For("acme").Commit(ctx, table.Put("control", "c", []byte(control)))
	check(err)
	// What is damaged is told without showing what it was.
	if err := os.WriteFile(f.dir+"/errors", []byte(f.troubles(c, d, e)), 0o600); err != nil {
		t.Fatal(err)
	}

	hits, err := canary.ScanDir(f.dir, append(markers, control)...)
	check(err)
	controls := 0
	for _, h := range hits {
		if h.Marker == control {
			controls++
			continue
		}
		t.Errorf("found %s", h)
	}
	if controls == 0 {
		t.Error("the search does not find what lies in clear")
	}
}

// troubles returns the texts of errors that damage leads to.
func (f *fixture) troubles(c *Client, d Directory, e StoredEvent) string {
	text := ""
	row, err := f.table.For("acme").Get(f.t.Context(), conversationPK(d.Conversation), eventSK(e.Key))
	if err != nil {
		f.t.Fatal(err)
	}
	// A body that opens and is not what its schema says.
	value, err := c.encode(f.t.Context(), row.PK, row.SK, eventSchema, d.Key(), eventHeader{Key: d.Key()}, e.Event.Message.Content.Text)
	if err != nil {
		f.t.Fatal(err)
	}
	damaged := append([]byte(nil), row.Value...)
	damaged[len(damaged)-1] ^= 1
	for _, v := range [][]byte{value, damaged, row.Value} {
		if _, err := f.table.For("acme").Commit(f.t.Context(), table.Put(row.PK, row.SK, v)); err != nil {
			f.t.Fatal(err)
		}
		_, err := c.Event(f.t.Context(), d.Conversation, e.Key)
		_, histErr := c.History(f.t.Context(), d.Conversation)
		text += errText(err) + errText(histErr)
	}
	return text
}

func errText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error() + "\n"
}
