package storetest

import (
	"testing"
	"time"

	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/store"
)

const day = 24 * time.Hour

// Scene writes what a client's rows hold of the people it is in touch with,
// row for row and in the order in which the rooms of the hub do. A test looks
// at what is found of it afterwards, or that nothing is.
type Scene struct {
	T      *testing.T
	Store  *store.Store
	Client *store.Client
	Now    func() time.Time
}

// Said is what somebody says.
type Said struct {
	Account   model.AccountID
	Addresses []model.Address // all of one person; the first is answered to
	Name      string
	Text      string
	Key       string // names it on its account: who says it again says nothing new
}

// Answer is what is said to somebody.
type Answer struct {
	To      store.Directory
	Account model.AccountID
	Text    string
	Key     string       // names it; the provider calls it "wamid-" and this
	Status  model.Status // queued or one that the provider told of
	Ended   bool         // its content has ended
}

// Say takes an event all the way into the feed.
func (s Scene) Say(said Said) store.Directory {
	s.T.Helper()
	ctx, c := s.T.Context(), s.Client
	d, err := c.Resolve(ctx, said.Account, said.Addresses, said.Name)
	s.must(err)
	conv, err := c.Conversation(ctx, d.Conversation)
	if model.Is(err, model.NotFound) {
		conv, err = store.Conversation{ID: d.Conversation}, nil
	}
	s.must(err)
	conv.Account, conv.Contact, conv.Key, conv.Addresses, conv.DisplayName = said.Account, d.Contact, d.Key(), said.Addresses, said.Name
	conv.In++
	_, _, err = c.PutConversation(ctx, conv)
	s.must(err)
	key, err := c.EventKey(ctx, said.Account, said.Key)
	s.must(err)
	tail, err := c.Feed(d.Conversation).Tail(ctx)
	s.must(err)
	e, _, err := c.PutEvent(ctx, store.StoredEvent{
		Conversation: d.Conversation, Key: key, Account: said.Account, SealKey: d.Key(), Type: model.MessageReceived, In: conv.In,
		Committed: s.Now(), Tail: tail, Received: s.Now(), ContentUntil: s.Now().Add(7 * day), Expires: s.Now().Add(8 * day),
		Event: model.Event{Message: &model.Message{Direction: model.Inbound, Content: &model.Content{Type: model.ContentText, Text: said.Text}}},
	})
	s.must(err)
	r := e.Pointer()
	r.Type, r.Account, r.At = e.Type, said.Account, store.Millis(s.Now())
	_, err = c.Feed(d.Conversation).Append(ctx, r, tail)
	s.must(err)
	return d
}

// Answer takes a message into its lane, with everything that leads to it.
func (s Scene) Answer(a Answer) store.Outbound {
	s.T.Helper()
	ctx, c := s.T.Context(), s.Client
	key, mac, err := c.IntentKey(ctx, "POST /v1/messages", a.Key, []byte(a.Text))
	s.must(err)
	o := store.Outbound{
		Conversation: a.To.Conversation, UUID: key, Account: a.Account, SealKey: a.To.Key(), Status: a.Status,
		Created: s.Now(), Moved: s.Now(), ExpireAfter: s.Now().Add(day), ContentUntil: s.Now().Add(7 * day), Expires: s.Now().Add(8 * day), Intent: key,
		Message: model.Message{Author: model.CSR, Content: &model.Content{Type: model.ContentText, Text: a.Text}},
	}
	if a.Status != model.Queued {
		o.Was, o.Seq, o.ProviderIDs = model.Queued, 1, []string{"wamid-" + a.Key}
	}
	_, _, err = c.PutIntent(ctx, store.Intent{Key: key, Body: mac, Conversation: o.Conversation, UUID: o.UUID, Created: s.Now(), Expires: s.Now().Add(day)})
	s.must(err)
	_, err = s.Store.PutActive(ctx, c.ID, o.Conversation)
	s.must(err)
	o, err = c.CreateOutbound(ctx, o)
	s.must(err)
	for _, id := range o.ProviderIDs {
		at, err := c.ProviderKey(ctx, a.Account, id)
		s.must(err)
		_, _, err = c.PutProvider(ctx, store.ProviderRow{Key: at, Conversation: o.Conversation, UUID: o.UUID, Expires: o.Expires})
		s.must(err)
	}
	_, err = c.Lane(o.Conversation).Append(ctx, store.Record{Kind: store.DeliveryRecord, Conversation: o.Conversation, Key: o.UUID, Account: a.Account, At: store.Millis(s.Now())}, 0)
	s.must(err)
	if a.Ended {
		_, _, err = c.EndOutbound(ctx, o)
		s.must(err)
	}
	return o
}

func (s Scene) must(err error) {
	s.T.Helper()
	if err != nil {
		s.T.Fatal(err)
	}
}
