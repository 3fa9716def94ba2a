package chat

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/channelhub/channelhub/hub/flow/media"
	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/pluginhost"
)

func TestConversation(t *testing.T) {
	h := startHub(t, newConnector(), nil)
	b := arrive(t, h, "", "")
	if b.resumed || b.token == "" || b.position != "" {
		t.Errorf("welcome of a new visitor: %+v", b)
	}
	if diff := cmp.Diff(welcomeLimit{Text: 4000, Frame: 32768, FramesPer10s: 40, Files: &welcomeFiles{Size: media.DefaultMaxSize}}, b.limits); diff != "" {
		t.Error(diff)
	}
	if b.state.Session != "none" {
		t.Errorf("state before the first message: %+v", b.state)
	}

	first := b.say("Hello")
	if b.thread[0].ClientID != first.ID || b.thread[0].At != first.At || first.At == "" {
		t.Errorf("the echo %+v does not fit its acknowledgement %+v", b.thread[0], first)
	}
	b.until(func() bool { return b.state.Session == "open" })

	conv := conversationOf(t, first.MessageID)
	said := h.say(t, conv, "Good morning")
	b.until(func() bool { return b.shows(said.ID()) })
	if got := h.status(t, said); got != model.Sent {
		t.Errorf("a message in the conversation is %s", got)
	}
	if diff := cmp.Diff([]string{"customer: Hello", "csr: Good morning"}, b.texts()); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(map[model.EventType]int{model.MessageReceived: 1, model.MessageStatus: 1}, h.events(t)); diff != "" {
		t.Error(diff)
	}
}

func TestReceipts(t *testing.T) {
	h := startHub(t, newConnector(), nil)
	b, other := arrive(t, h, "", ""), arrive(t, h, "", "")
	said := h.say(t, conversationOf(t, b.say("Hello").MessageID), "Good morning")
	foreign := h.say(t, conversationOf(t, other.say("Hi").MessageID), "Good evening")
	own := b.thread[0].ID

	for _, step := range []struct {
		frame string
		ids   []model.MessageID
		want  model.Status
	}{
		{"delivered", []model.MessageID{own, foreign.ID(), "msg_nonsense", said.ID()}, model.Delivered},
		{"read", []model.MessageID{said.ID()}, model.Read},
		{"delivered", []model.MessageID{said.ID()}, model.Read},
	} {
		answer := b.ask(map[string]any{"type": step.frame, "ids": step.ids})
		if answer.Type != "ack" || answer.MessageID != "" {
			t.Errorf("%s is answered %+v", step.frame, answer)
		}
		if got := h.status(t, said); got != step.want {
			t.Errorf("after %s the message is %s, not %s", step.frame, got, step.want)
		}
	}
	if got := h.status(t, foreign); got != model.Sent {
		t.Errorf("another visitor's message is %s", got)
	}
	for name, ids := range map[string]any{"none": []string{}, "no list": "msg_1", "too many": make([]string, maxReceipts+1)} {
		if answer := b.ask(map[string]any{"type": "read", "ids": ids}); answer.Code != nackMalformed || answer.Retry {
			t.Errorf("%s: answered %+v", name, answer)
		}
	}
}

func TestRepeatHasTheSameAnswer(t *testing.T) {
	h := startHub(t, newConnector(), nil)
	b := arrive(t, h, "", "")
	first := b.say("Hello")
	again := b.tab(h, "")
	for range 2 {
		again.send(map[string]any{"type": "message", "id": first.ID, "text": "Hello"})
		if got := again.answer(first.ID); got.MessageID != first.MessageID || got.At != first.At {
			t.Errorf("a repeat is answered %+v, the first was %+v", got, first)
		}
	}
	if got := arrive(t, h, b.token, "").texts(); len(got) != 1 {
		t.Errorf("the thread is %q", got)
	}
	if got := h.events(t)[model.MessageReceived]; got != 1 {
		t.Errorf("the client application reads %d events", got)
	}
}

func TestReconnectLosesAndRepeatsNothing(t *testing.T) {
	h := startHub(t, newConnector(), nil)
	b := arrive(t, h, "", "")
	conv := conversationOf(t, b.say("one").MessageID)
	h.say(t, conv, "two")
	b.until(func() bool { return len(b.thread) == 2 })
	if err := b.conn.CloseNow(); err != nil {
		t.Fatal(err)
	}

	other := arrive(t, h, b.token, "")
	other.say("three")
	h.say(t, conv, "four")
	h.say(t, conv, "five")

	back := arrive(t, h, b.token, b.position)
	if !back.resumed {
		t.Error("a position that was given out is not resumed from")
	}
	want := []string{"customer: three", "csr: four", "csr: five"}
	if diff := cmp.Diff(want, back.texts()); diff != "" {
		t.Errorf("behind the position (-want +got):\n%s", diff)
	}
	// The newest position has nothing behind it.
	if last := arrive(t, h, b.token, back.position); !last.resumed || len(last.thread) > 0 {
		t.Errorf("behind the newest position: %q", last.texts())
	}
	all := arrive(t, h, b.token, "")
	want = append([]string{"customer: one", "csr: two"}, want...)
	if diff := cmp.Diff(want, all.texts()); diff != "" || all.resumed {
		t.Errorf("without a position, resumed %v (-want +got):\n%s", all.resumed, diff)
	}
}

// TestErasedBeginsAnew: a browser that shows a conversation which is erased is
// told to drop it, and to begin anew, also while another tab of the visitor does
// not answer and holds on to its socket.
func TestErasedBeginsAnew(t *testing.T) {
	h := startHub(t, newConnector(), nil)
	b := arrive(t, h, "", "")
	conv := conversationOf(t, b.say("please forget me").MessageID)
	b.tab(h, "") // reads no more: its end waits for the peer
	h.erase(t, conv)
	h.Erased(demoClient, conv)
	if code := b.closeCode(); code != closeRestart {
		t.Errorf("the socket closes with %d", code)
	}
	back := arrive(t, h, b.token, b.position)
	if back.resumed || len(back.thread) > 0 || back.state.Session != "none" {
		t.Errorf("behind the erasure: resumed %v, %q, session %s", back.resumed, back.texts(), back.state.Session)
	}
	if again := conversationOf(t, back.say("good day").MessageID); again == conv {
		t.Error("what is said then goes into the conversation that was erased")
	}
	if got := back.texts(); len(got) != 1 || got[0] != "customer: good day" {
		t.Errorf("shown: %q", got)
	}
}

// erase does to a conversation's contact what erasure does first.
func (h *testHub) erase(t *testing.T, conv model.ConversationID) {
	t.Helper()
	client := h.client(t)
	row, err := client.ReadConversation(t.Context(), conv)
	if err != nil {
		t.Fatal(err)
	}
	erased, err := client.MarkErased(t.Context(), row.Contact, []model.AccountID{demoAccount}, model.Random16{})
	if err == nil {
		_, err = client.DropAddresses(t.Context(), erased)
	}
	if err == nil {
		_, err = client.EraseConversation(t.Context(), erased, demoAccount)
	}
	if err == nil {
		err = client.DestroyContactKey(t.Context(), erased)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func TestForeignPositionShowsAll(t *testing.T) {
	h := startHub(t, newConnector(), nil)
	b, other := arrive(t, h, "", ""), arrive(t, h, "", "")
	b.say("mine")
	other.say("theirs")
	ahead, ok := parsePosition(b.position, conversationOf(t, b.thread[0].ID))
	if !ok {
		t.Fatalf("%q is not a position", b.position)
	}
	ahead.lane += 7
	for name, position := range map[string]string{
		"another visitor's": other.position,
		"beyond the end":    ahead.token(conversationOf(t, b.thread[0].ID)),
		"not a position":    "p1",
	} {
		back := arrive(t, h, b.token, position)
		if diff := cmp.Diff([]string{"customer: mine"}, back.texts()); diff != "" || back.resumed {
			t.Errorf("%s, resumed %v (-want +got):\n%s", name, back.resumed, diff)
		}
	}
}

func TestReplayShowsTheNewest(t *testing.T) {
	h := startHub(t, newConnector(), func(o *Options) { o.Limits.Replay = 3 })
	b := arrive(t, h, "", "")
	conv := conversationOf(t, b.say("1").MessageID)
	for i := range 4 {
		h.say(t, conv, fmt.Sprint(i+2))
	}
	want := []string{"csr: 3", "csr: 4", "csr: 5"}
	if diff := cmp.Diff(want, arrive(t, h, b.token, "").texts()); diff != "" {
		t.Error(diff)
	}
}

func TestReplayMeetsWhatIsSaidMeanwhile(t *testing.T) {
	h := startHub(t, newConnector(), nil)
	b := arrive(t, h, "", "")
	first := b.say("Hello")
	conv := conversationOf(t, first.MessageID)
	want := []string{"customer: Hello"}
	for i := range 60 {
		want = append(want, fmt.Sprintf("csr: %d", i))
	}
	done := make(chan error, 1)
	go func() {
		for i := range 60 {
			_, err := h.submit(t.Context(), conv, fmt.Sprint(i))
			if err != nil {
				done <- err
				return
			}
		}
		done <- nil
	}()
	tabs := []*browser{b}
	for range 5 {
		tabs = append(tabs, b.tab(h, ""))
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	for _, tab := range tabs {
		tab.until(func() bool { return len(tab.thread) >= len(want) })
		if diff := cmp.Diff(want, tab.texts()); diff != "" {
			t.Error(diff)
		}
	}
}

func TestTabsStayInStep(t *testing.T) {
	h := startHub(t, newConnector(), nil)
	a := arrive(t, h, "", "")
	b := a.tab(h, "") // before there is a conversation
	first := a.say("Hello")
	b.until(func() bool { return b.shows(first.MessageID) })
	second := b.say("Anybody?")
	a.until(func() bool { return a.shows(second.MessageID) })
	said := h.say(t, conversationOf(t, first.MessageID), "Yes")
	for _, tab := range []*browser{a, b} {
		tab.until(func() bool { return tab.shows(said.ID()) })
		if diff := cmp.Diff([]string{"customer: Hello", "customer: Anybody?", "csr: Yes"}, tab.texts()); diff != "" {
			t.Error(diff)
		}
	}
	if first.MessageID == second.MessageID {
		t.Fatal("ids of two tabs collide")
	}
}

func TestTyping(t *testing.T) {
	h := startHub(t, newConnector(), nil)
	b := arrive(t, h, "", "")
	typing := func() {
		b.send(map[string]any{"type": "typing"})
		if f := b.ask(map[string]any{"type": "delivered", "ids": []string{"msg_none"}}); f.Type != "ack" {
			t.Errorf("answered %+v", f)
		}
	}
	typing()
	if got := h.events(t); len(got) > 0 {
		t.Errorf("somebody who only types leaves %v", got)
	}
	conv := conversationOf(t, b.say("Hello").MessageID)
	typing()
	typing()
	if got := h.events(t)[model.TypingStarted]; got < 1 || got > 2 {
		t.Errorf("typing twice within three seconds is %d records", got)
	}

	if err := h.Signal(t.Context(), demoClient, conv, pluginhost.SignalTyping, model.CSR, ""); err != nil {
		t.Fatal(err)
	}
	b.until(func() bool { return len(b.typing) == 1 })
	if b.typing[0] != model.CSR {
		t.Errorf("%s types", b.typing[0])
	}
	if err := h.Signal(t.Context(), "stranger", conv, pluginhost.SignalTyping, model.CSR, ""); err != nil {
		t.Error(err)
	}
	took, err := h.PushSocket(t.Context(), demoPlugin, demoAccount, b.visitor(h), []byte(`{"type":"typing","author":"bot"}`))
	if err != nil || took != 1 {
		t.Fatalf("pushed to %d sockets, %v", took, err)
	}
	b.until(func() bool { return len(b.typing) == 2 })
	if b.typing[1] != model.Bot {
		t.Errorf("%s types, so a signal of another client came through", b.typing[1])
	}
	if _, err := h.PushSocket(t.Context(), "other", demoAccount, b.visitor(h), []byte(`{}`)); !model.Is(err, model.NotFound) {
		t.Errorf("another plugin's push: %v", err)
	}
	for _, frame := range []string{"{", "{\"a\":\"\xff\"}"} {
		if _, err := h.PushSocket(t.Context(), demoPlugin, demoAccount, b.visitor(h), []byte(frame)); !model.Is(err, model.Invalid) {
			t.Errorf("a push of %q, which is no JSON: %v", frame, err)
		}
	}
}

// visitor returns who the hub takes the browser for.
func (b *browser) visitor(h *testHub) model.Address {
	b.t.Helper()
	a, err := h.client(b.t).ParseVisitorToken(b.t.Context(), demoAccount, b.token)
	if err != nil {
		b.t.Fatal(err)
	}
	return a
}

func TestSessionEnds(t *testing.T) {
	h := startHub(t, newConnector(), nil)
	b := arrive(t, h, "", "")
	if f := b.ask(map[string]any{"type": "end"}); f.Type != "ack" || len(h.events(t)) > 0 {
		t.Errorf("the end of nothing is answered %+v and leaves %v", f, h.events(t))
	}
	conv := conversationOf(t, b.say("Hello").MessageID)
	b.until(func() bool { return b.state.Session == "open" })
	end := b.ask(map[string]any{"type": "end"})
	if end.Type != "ack" || end.MessageID != "" {
		t.Errorf("the end is answered %+v", end)
	}
	b.until(func() bool { return b.state.Session == "ended" })
	if b.state.EndedBy != "customer" || b.state.EndedAt == nil {
		t.Errorf("state after the end: %+v", b.state)
	}
	b.send(map[string]any{"type": "end", "id": end.ID})
	if again := b.answer(end.ID); again.At != end.At || again.Type != "ack" {
		t.Errorf("the same end is answered %+v, first %+v", again, end)
	}
	b.ask(map[string]any{"type": "end"}) // from another tab, say
	if got := h.events(t)[model.ConversationEnded]; got != 1 {
		t.Errorf("one session ended %d times", got)
	}

	b.say("One more thing")
	b.until(func() bool { return b.state.Session == "open" })
	row, err := h.client(t).ReadConversation(t.Context(), conv)
	if err != nil {
		t.Fatal(err)
	}
	if err := h.inbound.EndSession(t.Context(), h.client(t), row, model.CSR, "csr"); err != nil {
		t.Fatal(err)
	}
	b.until(func() bool { return b.state.Session == "ended" })
	if b.state.EndedBy != "csr" {
		t.Errorf("state after the CSR left: %+v", b.state)
	}
	if back := b.tab(h, b.position); back.state.EndedBy != "csr" || len(back.thread) > 0 {
		t.Errorf("a tab that comes back sees %+v and %q", back.state, back.texts())
	}
}

func TestReadByCSRIsShown(t *testing.T) {
	h := startHub(t, newConnector(), nil)
	b := arrive(t, h, "", "")
	first := b.say("Hello")
	conv := conversationOf(t, first.MessageID)
	row, err := h.client(t).ReadConversation(t.Context(), conv)
	if err != nil {
		t.Fatal(err)
	}
	row.ReadByCSR = first.MessageID
	if _, ok, err := h.client(t).PutConversation(t.Context(), row); !ok || err != nil {
		t.Fatal(ok, err)
	}
	if err := h.Signal(t.Context(), demoClient, conv, pluginhost.SignalRead, model.CSR, first.MessageID); err != nil {
		t.Fatal(err)
	}
	b.until(func() bool { return b.state.ReadUpTo == first.MessageID })
}
