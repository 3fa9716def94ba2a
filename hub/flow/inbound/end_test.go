package inbound_test

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/channelhub/channelhub/hub/accounts"
	"github.com/channelhub/channelhub/hub/flow/inbound"
	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/pluginhost"
	"github.com/channelhub/channelhub/hub/storage/keys"
	"github.com/channelhub/channelhub/hub/storage/keys/localkeys"
	"github.com/channelhub/channelhub/hub/storage/table"
	"github.com/channelhub/channelhub/hub/storage/table/pebbletable"
	"github.com/channelhub/channelhub/hub/store"
)

// visitorSide tells events of one visitor.
type visitorSide struct {
	*inbound.Inbound
	store  *store.Store
	client *store.Client
}

func newVisitorSide(t *testing.T) *visitorSide {
	t.Helper()
	rows, err := pebbletable.Open(filepath.Join(t.TempDir(), "table"), nil)
	if err != nil {
		t.Fatal(err)
	}
	ring, err := localkeys.Open(filepath.Join(t.TempDir(), "keyring"), nil)
	if err != nil {
		t.Fatal(err)
	}
	s := &visitorSide{store: store.New(table.New(rows, nil), keys.New(ring), nil)}
	t.Cleanup(func() {
		if err := s.store.Close(); err != nil {
			t.Error(err)
		}
	})
	if s.client, err = s.store.Client(t.Context(), "demo"); err != nil {
		t.Fatal(err)
	}
	registry := accounts.NewRegistry()
	registry.Replace(accounts.Set{
		Clients:  map[model.ClientID]accounts.Client{"demo": {ID: "demo", Retention: model.Retention{Undelivered: time.Hour, Dedupe: time.Hour}}},
		Accounts: map[model.AccountID]accounts.Account{"shop": {ID: "shop", Client: "demo", Plugin: "webchat", Enabled: true}},
	})
	s.Inbound = inbound.New(inbound.Options{Store: s.store, Accounts: registry})
	return s
}

func (s *visitorSide) tell(t *testing.T, kind model.EventType, key string) inbound.Result {
	t.Helper()
	ev := &pluginhost.Event{
		AccountID: "shop", Type: kind, DedupeKey: key, Addresses: []model.Address{{Kind: model.Visitor, Value: "ada"}},
	}
	if kind == model.MessageReceived {
		ev.Message = &model.Message{ProviderID: key, Content: &model.Content{Type: model.ContentText, Text: "Hello"}}
	}
	r := s.AcceptResults(t.Context(), inbound.Source{Plugin: "webchat", Received: time.Now()}, []pluginhost.Item{{Event: ev}})[0]
	if r.Err != nil {
		t.Fatal(r.Err)
	}
	return r
}

func (s *visitorSide) conversation(t *testing.T, id model.ConversationID) store.Conversation {
	t.Helper()
	conv, err := s.client.ReadConversation(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return conv
}

// told counts what the feed has.
func (s *visitorSide) told(t *testing.T, kind model.EventType) int {
	t.Helper()
	rows, err := s.client.FeedLogs()[0].Read(t.Context(), 0, 100)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, row := range rows {
		for _, r := range row.Records {
			if r.Type == kind {
				n++
			}
		}
	}
	return n
}

func TestResultsAreTheSameForARepeat(t *testing.T) {
	s := newVisitorSide(t)
	first := s.tell(t, model.MessageReceived, "1")
	if again := s.tell(t, model.MessageReceived, "1"); again.Event != first.Event || again.Message != first.Message ||
		again.Conversation != first.Conversation || !model.At(again.Committed).Equal(model.At(first.Committed).Time) {
		t.Errorf("first %+v, then %+v", first, again)
	}
	if first.Message == "" || first.Event == "" {
		t.Errorf("a message has no ids: %+v", first)
	}
}

func TestNobodyIsMetByTypingOrLeaving(t *testing.T) {
	s := newVisitorSide(t)
	for _, kind := range []model.EventType{model.TypingStarted, model.ConversationEnded} {
		if r := s.tell(t, kind, "x"); r != (inbound.Result{}) {
			t.Errorf("%s of a stranger left %+v", kind, r)
		}
	}
	_, err := s.client.Find(t.Context(), "shop", model.Address{Kind: model.Visitor, Value: "ada"})
	if !model.Is(err, model.NotFound) {
		t.Errorf("the stranger is known: %v", err)
	}
}

func TestEndIsToldOnce(t *testing.T) {
	s := newVisitorSide(t)
	id := s.tell(t, model.MessageReceived, "1").Conversation
	session := s.conversation(t, id).Session
	first := s.tell(t, model.ConversationEnded, "end-1")
	if again := s.tell(t, model.ConversationEnded, "end-1"); again.Event != first.Event || first.Event == "" {
		t.Errorf("the end is %+v, its repeat %+v", first, again)
	}
	if other := s.tell(t, model.ConversationEnded, "end-2"); other.Event != "" {
		t.Errorf("the end of what was over left %+v", other)
	}
	conv := s.conversation(t, id)
	if err := s.EndSession(t.Context(), s.client, conv, model.CSR, "csr"); err != nil {
		t.Fatal(err)
	}
	conv = s.conversation(t, id)
	if !conv.SessionEnded || conv.EndedBy != "customer" || conv.EndedAt.IsZero() || conv.Session != session {
		t.Errorf("ended by %q at %s, in a new session: %v", conv.EndedBy, conv.EndedAt, conv.Session != session)
	}
	if got := s.told(t, model.ConversationEnded); got != 1 {
		t.Errorf("it was told %d times", got)
	}

	// What comes next is a session of its own.
	s.tell(t, model.MessageReceived, "2")
	if conv = s.conversation(t, id); conv.Session == session || conv.SessionEnded || conv.EndedBy != "" || !conv.EndedAt.IsZero() {
		t.Errorf("the next session: %+v", conv)
	}
	// An end that arrives late once more ends the session it was for.
	s.tell(t, model.ConversationEnded, "end-1")
	if s.conversation(t, id).SessionEnded {
		t.Error("an old end ended a new session")
	}
}

// A process that dies behind T has ended the session without telling anybody:
// the repeat tells it, in the same session.
func TestEndIsToldAfterACrash(t *testing.T) {
	for name, again := range map[string]func(*testing.T, *visitorSide, store.Conversation){
		"by the customer": func(t *testing.T, s *visitorSide, _ store.Conversation) {
			s.tell(t, model.ConversationEnded, "end-1")
		},
		"by the CSR": func(t *testing.T, s *visitorSide, conv store.Conversation) {
			if err := s.EndSession(t.Context(), s.client, conv, model.CSR, "csr"); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newVisitorSide(t)
			conv := s.conversation(t, s.tell(t, model.MessageReceived, "1").Conversation)
			session := conv.Session
			conv.In++
			conv.SessionEnded = true
			conv, ok, err := s.client.PutConversation(t.Context(), conv)
			if err != nil || !ok {
				t.Fatal(ok, err)
			}
			again(t, s, conv)
			if got := s.told(t, model.ConversationEnded); got != 1 {
				t.Errorf("it was told %d times", got)
			}
			if now := s.conversation(t, conv.ID); now.Session != session || !now.SessionEnded {
				t.Errorf("session %s became %s, ended: %v", session, now.Session, now.SessionEnded)
			}
		})
	}
}
