package chat

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/pluginhost"
)

// fakeJournal keeps frames in memory.
type fakeJournal struct {
	mu     sync.Mutex
	frames []pluginhost.SocketFrame
	full   bool
}

func (j *fakeJournal) Keep(_ context.Context, _ model.PluginID, f pluginhost.SocketFrame, away bool) (bool, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	switch {
	case !away && len(j.frames) == 0:
		return false, nil
	case j.full:
		return false, model.Errorf(model.Throttled, "keep frame", "the journal is full")
	}
	j.frames = append(j.frames, f)
	return true, nil
}

func TestConnectorAway(t *testing.T) {
	plugins := newConnector()
	h := startHub(t, plugins, nil)
	b := arrive(t, h, "", "")
	conv := conversationOf(t, b.say("Hello").MessageID)
	plugins.away.Store(true)
	id := newID()
	b.send(map[string]any{"type": "message", "id": id, "text": "Anybody?"})
	if f := b.answer(id); f.Code != nackUnavailable || !f.Retry {
		t.Errorf("without a connector: answered %+v", f)
	}
	said := h.say(t, conv, "We are here")

	// A tab that opens now waits for its thread, and has a welcome.
	late := connect(t, h)
	late.hello(b.token, "")

	plugins.away.Store(false)
	h.StateChanged()
	b.until(func() bool { return b.shows(said.ID()) })
	late.until(func() bool { return late.states > 0 })
	if diff := cmp.Diff([]string{"customer: Hello", "csr: We are here"}, late.texts()); diff != "" {
		t.Error(diff)
	}
	b.send(map[string]any{"type": "message", "id": id, "text": "Anybody?"})
	if f := b.answer(id); f.Type != "ack" {
		t.Errorf("the same frame later: answered %+v", f)
	}
	b.until(func() bool { return len(b.thread) == 3 })
	if diff := cmp.Diff([]string{"customer: Hello", "csr: We are here", "customer: Anybody?"}, b.texts()); diff != "" {
		t.Error(diff)
	}
}

func TestJournalTakesWhatNobodyCan(t *testing.T) {
	plugins, journal := newConnector(), &fakeJournal{}
	h := startHub(t, plugins, func(o *Options) { o.Journal = journal })
	b := arrive(t, h, "", "")
	plugins.away.Store(true)
	b.send(map[string]any{"type": "typing"})
	if f := b.ask(map[string]any{"type": "message", "text": "one"}); f.Type != "ack" || f.MessageID != "" || f.At != "" {
		t.Errorf("a journaled frame is answered %+v", f)
	}
	plugins.away.Store(false)
	// Not before what waits.
	if f := b.ask(map[string]any{"type": "message", "text": "two"}); f.Type != "ack" || f.MessageID != "" {
		t.Errorf("a frame behind a journaled one is answered %+v", f)
	}
	journal.mu.Lock()
	journal.full = true
	waiting := journal.frames
	journal.mu.Unlock()
	if f := b.ask(map[string]any{"type": "message", "text": "three"}); f.Code != nackUnavailable || !f.Retry {
		t.Errorf("a full journal: answered %+v", f)
	}

	// The replay is the journal's business; the browser sees it nevertheless,
	// though it was a stranger until then.
	if len(waiting) != 2 {
		t.Fatalf("%d frames were kept", len(waiting))
	}
	for _, f := range waiting {
		errs := h.inbound.Accept(t.Context(), sourceOf(f), receive(f).Items)
		if errs[0] != nil {
			t.Fatal(errs[0])
		}
	}
	b.until(func() bool { return len(b.thread) == 2 })
	if diff := cmp.Diff([]string{"customer: one", "customer: two"}, b.texts()); diff != "" {
		t.Error(diff)
	}
}

func TestOneBadMessageDoesNotHideTheRest(t *testing.T) {
	plugins := newConnector()
	plugins.poison = "poison"
	h := startHub(t, plugins, nil)
	b := arrive(t, h, "", "")
	conv := conversationOf(t, b.say("Hello").MessageID)
	h.say(t, conv, "poison")
	last := h.say(t, conv, "after it")
	b.until(func() bool { return b.shows(last.ID()) })
	want := []string{"customer: Hello", "csr: after it"}
	if diff := cmp.Diff(want, b.texts()); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(want, arrive(t, h, b.token, "").texts()); diff != "" {
		t.Errorf("a replay: %s", diff)
	}
}

func TestRetentionEndsWhatIsShown(t *testing.T) {
	h := startHub(t, newConnector(), nil)
	b := arrive(t, h, "", "")
	h.say(t, conversationOf(t, b.say("Hello").MessageID), "Good morning")
	h.clock.Store(int64(7*24*time.Hour + time.Minute))
	if got := arrive(t, h, b.token, "").texts(); len(got) != 0 {
		t.Errorf("past its retention a browser is shown %q", got)
	}
}
