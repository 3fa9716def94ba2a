package inbound_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/channelhub/channelhub/hub/flow/inbound"
	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/storage/table/driver"
)

func TestSessions(t *testing.T) {
	w := newWorld(t)
	in := w.hub()
	tell := func(id string) model.SessionID {
		t.Helper()
		w.accept(in, says("ada", id))
		return w.conversation("ada").Session
	}
	first := tell("1")
	w.pass(29 * time.Minute)
	if got := tell("2"); got != first {
		t.Error("29 minutes ended the session")
	}
	w.pass(30 * time.Minute)
	second := tell("3")
	if second == first {
		t.Error("30 idle minutes did not end the session")
	}
	w.pass(20 * time.Minute)
	w.answered(w.conversation("ada"))
	w.pass(20 * time.Minute)
	if got := tell("4"); got != second {
		t.Error("an answer did not keep the session open")
	}
	w.accept(in, does("ada", "bye", model.ConversationEnded))
	if conv := w.conversation("ada"); !conv.SessionEnded || conv.EndedBy != "customer" {
		t.Errorf("behind the end: %+v", conv)
	}
	if got := tell("5"); got == second {
		t.Error("a message behind the end did not open a new session")
	}
	var sessions []model.SessionID
	for _, e := range w.feed() {
		sessions = append(sessions, e.Event.SessionID)
	}
	third := w.conversation("ada").Session
	want := []model.SessionID{first, first, second, second, second, third}
	if !slices.Equal(sessions, want) {
		t.Errorf("sessions of the events %v, want %v", sessions, want)
	}
}

// TestEndOfAnotherSession: an end that comes too late ends nothing.
func TestEndOfAnotherSession(t *testing.T) {
	w := newWorld(t)
	in := w.hub()
	w.accept(in, says("ada", "1"))
	old := w.conversation("ada")
	w.pass(time.Hour)
	w.accept(in, says("ada", "2"))
	client, err := w.rows.Store().Client(t.Context(), acme)
	if err != nil {
		t.Fatal(err)
	}
	if err := in.EndSession(t.Context(), client, old, model.CSR, "csr"); err != nil {
		t.Fatal(err)
	}
	if conv := w.conversation("ada"); conv.SessionEnded {
		t.Error("the end of the last session ended this one")
	}
	if slices.Contains(w.types(), model.ConversationEnded) {
		t.Error("an end was told")
	}
}

// TestEndMeetsAnotherHub: while one hub ends an idle session, the customer comes
// back through another.
func TestEndMeetsAnotherHub(t *testing.T) {
	w := newWorld(t)
	in, other := w.hub(), w.hub()
	w.accept(in, says("ada", "1"))
	old := w.conversation("ada")
	w.pass(31 * time.Minute)
	w.disk.before(func(op driver.Op) bool { return op.SK == "t" }, func() { w.accept(other, says("ada", "2")) })
	inbound.NewCloser(in, nil).Pass(t.Context())
	if conv := w.conversation("ada"); conv.Session == old.Session || conv.SessionEnded {
		t.Errorf("the session that was just opened: %+v", conv)
	}
	if n := w.ends(); n != 0 {
		t.Errorf("%d ends are told", n)
	}
}

func TestConsent(t *testing.T) {
	w := newWorld(t)
	in := w.hub()
	w.accept(in, says("ada", "1"))
	for _, c := range []struct {
		kind model.EventType
		out  bool
	}{{model.ContactOptedOut, true}, {model.MessageReceived, true}, {model.ContactOptedIn, false}} {
		ev := says("ada", string(c.kind))
		ev.Type = c.kind
		w.accept(in, ev)
		if got := w.conversation("ada").OptedOut; got != c.out {
			t.Errorf("behind %s opted out is %v", c.kind, got)
		}
	}
	want := []model.EventType{model.MessageReceived, model.ContactOptedOut, model.MessageReceived, model.ContactOptedIn}
	if got := w.types(); !slices.Equal(got, want) {
		t.Errorf("feed %v, want %v", got, want)
	}
}

func TestTyping(t *testing.T) {
	w := newWorld(t)
	in := w.hub()
	w.accept(in, says("ada", "1"))
	w.accept(in, says("bob", "1"))
	w.disk.heal()
	count := func() int {
		n := 0
		for _, k := range w.types() {
			if k == model.TypingStarted {
				n++
			}
		}
		return n
	}
	typed := func(who string) {
		t.Helper()
		w.accept(in, does(who, "typing", model.TypingStarted))
	}
	// Wherever three seconds begin, no two records lie closer.
	w.pass(2900 * time.Millisecond)
	typed("ada")
	w.pass(200 * time.Millisecond)
	typed("ada")
	w.pass(time.Second)
	typed("ada")
	typed("bob")
	if got := count(); got != 2 {
		t.Errorf("%d records, want one for each customer", got)
	}
	if got := w.disk.writes(); got != 2 {
		t.Errorf("%d writes, want 2: no T, no E", got)
	}
	w.pass(3 * time.Second)
	typed("ada")
	if got := count(); got != 3 {
		t.Errorf("%d records, want 3", got)
	}
	if in := w.conversation("ada").In; in != 1 {
		t.Errorf("typing counts as event %d", in)
	}
}

// closer passes over the feed as a process of its own.
func (w *world) closer() *inbound.Closer { return inbound.NewCloser(w.hub(), nil) }

func (w *world) ends() int {
	w.t.Helper()
	n := 0
	for _, k := range w.types() {
		if k == model.ConversationEnded {
			n++
		}
	}
	return n
}

func TestCloser(t *testing.T) {
	w := newWorld(t)
	in := w.hub()
	ctx := t.Context()
	w.accept(in, says("ada", "1"))
	w.accept(in, says("bob", "1"))
	session := w.conversation("ada").Session
	w.pass(20 * time.Minute)
	w.accept(in, says("bob", "2"))
	w.closer().Pass(ctx)
	if w.ends() != 0 {
		t.Fatal("a session ended within 30 minutes")
	}
	w.pass(11 * time.Minute)
	w.closer().Pass(ctx)
	conv := w.conversation("ada")
	if !conv.SessionEnded || conv.EndedBy != "idle" || conv.Session != session || w.conversation("bob").SessionEnded {
		t.Errorf("ada: ended %v by %q; bob: %v", conv.SessionEnded, conv.EndedBy, w.conversation("bob").SessionEnded)
	}
	last := w.feed()[len(w.feed())-1].Event
	if last.Type != model.ConversationEnded || last.Reason != "idle" || last.Author != model.System || last.SessionID != session {
		t.Errorf("the end is told as %+v", last)
	}
	w.pass(20 * time.Minute)
	w.closer().Pass(ctx)
	if !w.conversation("bob").SessionEnded || w.ends() != 2 {
		t.Errorf("bob: %v, %d ends", w.conversation("bob").SessionEnded, w.ends())
	}
	// All is done: nothing is written any more, and nothing is told twice.
	w.pass(time.Hour)
	w.closer().Pass(ctx)
	w.disk.heal()
	w.closer().Pass(ctx)
	if w.ends() != 2 || w.disk.writes() != 0 {
		t.Errorf("%d ends, %d writes of a pass over nothing", w.ends(), w.disk.writes())
	}
	w.accept(in, says("ada", "2"))
	if w.conversation("ada").Session == session {
		t.Error("a message behind the idle end did not open a new session")
	}
}

// TestCloserMindsAnswers: an answer of the client's keeps a session open, and
// its own record in the feed brings the closer back.
func TestCloserMindsAnswers(t *testing.T) {
	w := newWorld(t)
	in := w.hub()
	w.accept(in, says("ada", "1"))
	w.pass(20 * time.Minute)
	w.answered(w.conversation("ada"))
	w.pass(11 * time.Minute)
	w.closer().Pass(t.Context())
	if w.conversation("ada").SessionEnded {
		t.Error("ended 11 minutes behind an answer")
	}
}

// TestCloserRepairs breaks each write of a pass in turn; the next pass, by a
// process that remembers nothing, tells the end once.
func TestCloserRepairs(t *testing.T) {
	for n := 0; ; n++ {
		w := newWorld(t)
		w.accept(w.hub(), says("ada", "1"))
		w.pass(31 * time.Minute)
		w.disk.heal()
		w.disk.fail(n, model.Internal, func(op driver.Op) bool { return strings.HasPrefix(op.PK, "c/acme/") })
		w.closer().Pass(t.Context())
		broken := w.disk.writes() > n
		w.disk.heal()
		w.closer().Pass(t.Context())
		if w.ends() != 1 {
			t.Errorf("behind write %d: %d ends", n, w.ends())
		}
		if conv := w.conversation("ada"); conv.EndedBy != "idle" {
			t.Errorf("behind write %d: ended by %q", n, conv.EndedBy)
		}
		if !broken {
			if n != 5 {
				t.Errorf("a pass took %d writes, want T, E, L, its name and its place", n)
			}
			return
		}
	}
}

// TestCloserPages reads a feed longer than one page.
func TestCloserPages(t *testing.T) {
	w := newWorld(t)
	in := w.hub()
	const customers = 230
	for n := range customers {
		w.accept(in, says(numbered("customer", n), "1"))
	}
	w.pass(31 * time.Minute)
	w.closer().Pass(t.Context())
	if got := w.ends(); got != customers {
		t.Errorf("%d sessions ended, want %d", got, customers)
	}
}
