package chat

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/channelhub/channelhub/hub/flow/inbound"
	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/pluginhost"
	"github.com/channelhub/channelhub/hub/store"
)

// A message whose row is there before its lane entry is shown once, whichever
// of the two a browser meets first.
func TestMessageAheadOfItsLane(t *testing.T) {
	h := startHub(t, newConnector(), nil)
	b := arrive(t, h, "", "")
	conv := conversationOf(t, b.say("Hello").MessageID)
	first := h.say(t, conv, "first")
	b.until(func() bool { return b.shows(first.ID()) })

	client := h.client(t)
	second := first
	second.UUID = model.NewRandom16()
	second.UUID[0] = 0xff // behind the others, as a later one would be
	second.Message.Content = &model.Content{Type: model.ContentText, Text: "second"}
	second.Created = h.now()
	if _, err := client.CreateOutbound(t.Context(), second); err != nil {
		t.Fatal(err)
	}
	tab := b.tab(h, "")
	_, err := client.Lane(conv).Append(t.Context(), store.Record{
		Kind: store.DeliveryRecord, Conversation: conv, Key: second.UUID, Account: second.Account,
		Direction: model.Outbound, New: model.Queued, At: store.Millis(second.Created), Author: model.CSR,
	}, 0)
	if err != nil {
		t.Fatal(err)
	}
	third := h.say(t, conv, "third")
	want := []string{"customer: Hello", "csr: first", "csr: second", "csr: third"}
	for _, page := range []*browser{b, tab} {
		page.until(func() bool { return page.shows(third.ID()) })
		if diff := cmp.Diff(want, page.texts()); diff != "" {
			t.Error(diff)
		}
	}
}

// A process that dies behind its commit has told no socket. The repeat, which
// finds everything done, does.
func TestRepeatIsShownThoughItWasCommittedBefore(t *testing.T) {
	h := startHub(t, newConnector(), nil)
	b := arrive(t, h, "", "")
	b.say("Hello")
	id := newID()
	died := inbound.New(inbound.Options{Store: h.store, Accounts: h.accounts, Receipts: h.outbound, Now: h.now})
	frame := pluginhost.SocketFrame{
		AccountID: demoAccount, Visitor: b.visitor(h), ReceivedAt: h.now(),
		Frame: encode(map[string]string{"type": "message", "id": id, "text": "Anybody?"}),
	}
	if errs := died.Accept(t.Context(), sourceOf(frame), receive(frame).Items); errs[0] != nil {
		t.Fatal(errs[0])
	}
	b.send(map[string]any{"type": "message", "id": id, "text": "Anybody?"})
	f := b.answer(id)
	b.until(func() bool { return b.shows(f.MessageID) })
	if diff := cmp.Diff([]string{"customer: Hello", "customer: Anybody?"}, b.texts()); diff != "" {
		t.Error(diff)
	}
}

// A position may lie within a row of the lane, of messages that were submitted
// together.
func TestPositionWithinARow(t *testing.T) {
	h := startHub(t, newConnector(), nil)
	b := arrive(t, h, "", "")
	conv := conversationOf(t, b.say("Hello").MessageID)
	var row store.LogRow
	for said := 0; len(row.Records) < 2; said += 8 {
		errs := make(chan error, 8)
		for i := range 8 {
			go func() {
				_, err := h.submit(t.Context(), conv, fmt.Sprint(said+i))
				errs <- err
			}()
		}
		for range 8 {
			if err := <-errs; err != nil {
				t.Fatal(err)
			}
		}
		rows, err := h.client(t).Lane(conv).Read(t.Context(), row.N, 100)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range rows {
			if row = r; len(r.Records) > 1 {
				break
			}
		}
	}
	all := arrive(t, h, b.token, "")
	back := arrive(t, h, b.token, position{in: 1, lane: row.N - 1, index: 1}.token(conv))
	if !back.resumed || len(back.thread) == 0 {
		t.Fatalf("resumed %v with %q", back.resumed, back.texts())
	}
	id := model.MessagePlace{Conversation: conv, Direction: model.Outbound, Key: row.Records[1].Key}.ID()
	if back.thread[0].ID != id {
		t.Errorf("the first message shown is %+v, not the second of the row", back.thread[0])
	}
	if !all.shows(id) {
		t.Error("a replay lacks it")
	}
}
