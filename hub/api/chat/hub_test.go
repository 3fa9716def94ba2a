package chat

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/channelhub/channelhub/hub/accounts"
	"github.com/channelhub/channelhub/hub/api/web"
	"github.com/channelhub/channelhub/hub/flow/inbound"
	"github.com/channelhub/channelhub/hub/flow/media"
	"github.com/channelhub/channelhub/hub/flow/outbound"
	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/pluginhost"
	"github.com/channelhub/channelhub/hub/storage/blob"
	"github.com/channelhub/channelhub/hub/storage/blob/fileblob"
	"github.com/channelhub/channelhub/hub/storage/keys"
	"github.com/channelhub/channelhub/hub/storage/keys/localkeys"
	"github.com/channelhub/channelhub/hub/storage/table"
	"github.com/channelhub/channelhub/hub/storage/table/pebbletable"
	"github.com/channelhub/channelhub/hub/store"
)

const (
	demoClient  = model.ClientID("demo")
	demoAccount = model.AccountID("shop")
	demoPlugin  = model.PluginID("webchat")
	shopOrigin  = "https://shop.example"
)

// connector is what a hub in a test needs of a plugin host.
type connector interface {
	Plugins
	outbound.Connectors
}

// testHub is the chat mount over real rooms: store, inbound, outbound.
type testHub struct {
	*Chat
	store    *store.Store
	accounts *accounts.Registry
	inbound  *inbound.Inbound
	outbound *outbound.Outbound
	media    *media.Media
	server   *httptest.Server
	clock    atomic.Int64 // nanoseconds added to the time
}

func (h *testHub) now() time.Time { return time.Now().Add(time.Duration(h.clock.Load())) }

// startHub starts a hub over the connector; change adjusts the options.
func startHub(t *testing.T, plugins connector, change func(*Options)) *testHub {
	t.Helper()
	driver, err := pebbletable.Open(filepath.Join(t.TempDir(), "table"), nil)
	if err != nil {
		t.Fatal(err)
	}
	ring, err := localkeys.Open(filepath.Join(t.TempDir(), "root"), nil)
	if err != nil {
		t.Fatal(err)
	}
	h := &testHub{accounts: accounts.NewRegistry()}
	root := keys.New(ring)
	h.store = store.New(table.New(driver, &table.Options{Now: h.now}), root, &store.Options{Now: h.now})
	h.configure(demoAccounts())

	files, err := fileblob.Open(filepath.Join(t.TempDir(), "blob"))
	if err != nil {
		t.Fatal(err)
	}
	committed := func(client model.ClientID, conv model.ConversationID) { h.Notify(client, conv) }
	mediaOptions := media.Options{
		Store: h.store, Blobs: blob.New(files, &blob.Options{Now: h.now}), Accounts: h.accounts, Connectors: noMedia{plugins},
		ExternalURL: func() string { return "https://hub.example" }, Now: h.now, Committed: committed,
	}
	if h.media, err = media.New(mediaOptions); err != nil {
		t.Fatal(err)
	}
	h.outbound = outbound.New(outbound.Options{
		Files: h.media, Store: h.store, Accounts: h.accounts, Connectors: plugins, Now: h.now, Committed: committed,
	})
	h.inbound = inbound.New(inbound.Options{
		Files: h.media, Store: h.store, Accounts: h.accounts, Receipts: h.outbound, Now: h.now, Committed: committed,
	})
	o := Options{
		Store: h.store, Accounts: h.accounts, Plugins: plugins, Inbound: h.inbound, Outbound: h.outbound, Files: h.media, Now: h.now,
		Limits: Limits{RetryMin: time.Millisecond, RetryMax: 20 * time.Millisecond, LookAgain: 20 * time.Millisecond},
	}
	if change != nil {
		change(&o)
	}
	h.Chat = New(o)
	mux := http.NewServeMux()
	h.Routes(mux)
	h.server = httptest.NewServer(web.Handler(mux, web.Options{}))
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), patience)
		defer cancel()
		err := errors.Join(h.Close(ctx), h.outbound.Close(ctx))
		h.server.Close()
		if err := errors.Join(err, h.store.Close(), root.Close()); err != nil {
			t.Error(err)
		}
	})
	return h
}

// noMedia is a plugin host whose channel has no files of its own to fetch.
type noMedia struct{ connector }

func (noMedia) FetchAttachment(context.Context, model.PluginID, pluginhost.FetchRequest) (model.Attachment, io.ReadCloser, error) {
	return model.Attachment{}, nil, model.Errorf(model.Precondition, "fetch", "a socket channel fetches nothing")
}

func demoAccounts() map[model.AccountID]accounts.Account {
	account := func(id model.AccountID, config string) accounts.Account {
		return accounts.Account{ID: id, Client: demoClient, Plugin: demoPlugin, Enabled: true, Revision: 1, Config: []byte(config)}
	}
	return map[model.AccountID]accounts.Account{
		demoAccount: account(demoAccount, `{"allowed_origins": ["`+shopOrigin+`"], "attachments": true}`),
		"closed":    account("closed", `{}`),
		"forum":     account("forum", `{"allowed_origins": ["`+shopOrigin+`"], "attachments": true}`),
		"anywhere":  account("anywhere", `{"allowed_origins": ["*"]}`),
	}
}

// configure puts accounts in force, all of them open.
func (h *testHub) configure(all map[model.AccountID]accounts.Account) {
	week := 7 * 24 * time.Hour
	h.accounts.Replace(accounts.Set{
		Clients: map[model.ClientID]accounts.Client{demoClient: {ID: demoClient, Retention: model.Retention{
			Attachments: 24 * time.Hour, AttachmentLink: time.Hour, Messages: 24 * time.Hour, Undelivered: week, Dedupe: 8 * 24 * time.Hour, Idempotency: 24 * time.Hour,
		}}},
		Accounts: all,
	})
	for id := range all {
		h.accounts.Move(id, accounts.Open, "", h.now())
	}
}

func (h *testHub) client(t *testing.T) *store.Client {
	t.Helper()
	c, err := h.store.Client(t.Context(), demoClient)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// say is the CSR's side: a message into a conversation.
func (h *testHub) say(t *testing.T, conv model.ConversationID, text string) store.Outbound {
	t.Helper()
	m, err := h.submit(t.Context(), conv, text)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// submit is say for any goroutine.
func (h *testHub) submit(ctx context.Context, conv model.ConversationID, text string) (store.Outbound, error) {
	client, err := h.store.Client(ctx, demoClient)
	if err != nil {
		return store.Outbound{}, err
	}
	row, err := client.ReadConversation(ctx, conv)
	if err != nil {
		return store.Outbound{}, err
	}
	accepted, err := h.outbound.Submit(ctx, demoClient, outbound.Request{
		Account: row.Account, Contact: row.Contact, Content: model.Content{Type: model.ContentText, Text: text},
	}, outbound.Idempotency{Route: "test"})
	return accepted.Message, err
}

// status reads how far a message has come.
func (h *testHub) status(t *testing.T, m store.Outbound) model.Status {
	t.Helper()
	now, err := h.client(t).Outbound(t.Context(), m.Conversation, m.UUID)
	if err != nil {
		t.Fatal(err)
	}
	return now.Status
}

// events counts what the client application could read, by type.
func (h *testHub) events(t *testing.T) map[model.EventType]int {
	t.Helper()
	rows, err := h.client(t).FeedLogs()[0].Read(t.Context(), 0, 1000)
	if err != nil {
		t.Fatal(err)
	}
	count := map[model.EventType]int{}
	for _, row := range rows {
		for _, r := range row.Records {
			count[r.Type]++
		}
	}
	return count
}

// fakeConnector speaks web chat's frames in the test's own process, and breaks
// when told to.
type fakeConnector struct {
	away    atomic.Bool // every call is unavailable
	poison  string      // a text on which rendering breaks
	mu      sync.Mutex
	assets  []pluginhost.Asset
	maxText int
}

func newConnector() *fakeConnector { return &fakeConnector{maxText: 4000} }

func (c *fakeConnector) Describe(id model.PluginID) (pluginhost.Descriptor, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return pluginhost.Descriptor{
		Name: "webchat", Can: pluginhost.Capabilities{ReceiveSocket: true, RenderSocket: true},
		Limits: pluginhost.Limits{MaxText: c.maxText, ContentTypes: []model.ContentType{model.ContentText, model.ContentMedia}},
		Routes: []pluginhost.Route{{Mount: pluginhost.MountChat}}, Assets: c.assets,
	}, id == demoPlugin
}

func (c *fakeConnector) Ready(model.PluginID) bool { return !c.away.Load() }

func (c *fakeConnector) Send(context.Context, model.PluginID, pluginhost.Delivery) (pluginhost.Outcome, error) {
	return pluginhost.Outcome{}, errors.New("a socket channel sends nothing")
}

var errAway = model.Errorf(model.Unavailable, "call plugin", "the connector is not running")

func (c *fakeConnector) ReceiveSocket(_ context.Context, _ model.PluginID, frames []pluginhost.SocketFrame) ([]pluginhost.SocketResult, error) {
	if c.away.Load() {
		return nil, errAway
	}
	var out []pluginhost.SocketResult
	for _, f := range frames {
		out = append(out, receive(f))
	}
	return out, nil
}

func receive(f pluginhost.SocketFrame) pluginhost.SocketResult {
	var in struct {
		Type, ID, Text string
		Attachments    []model.Attachment
	}
	if err := json.Unmarshal(f.Frame, &in); err != nil {
		return pluginhost.SocketResult{Refusal: &pluginhost.FrameRefusal{Code: "malformed"}}
	}
	event := &pluginhost.Event{
		AccountID: f.AccountID, Addresses: []model.Address{f.Visitor}, OccurredAt: f.ReceivedAt, DedupeKey: "frame/" + in.ID,
	}
	switch in.Type {
	case "message":
		event.Type = model.MessageReceived
		event.Message = &model.Message{ProviderID: in.ID, Content: &model.Content{Type: model.ContentText, Text: in.Text}}
		if len(in.Attachments) > 0 {
			event.Message.Content.Type, event.Message.Attachments = model.ContentMedia, in.Attachments
			event.FetchRefs = make([][]byte, len(in.Attachments))
		}
	case "typing":
		event.Type = model.TypingStarted
	case "end":
		event.Type = model.ConversationEnded
	case "refuse":
		return pluginhost.SocketResult{Refusal: &pluginhost.FrameRefusal{Code: in.Text, Detail: "Not this one."}}
	case "silent":
		return pluginhost.SocketResult{}
	case "foreign":
		event.Type, event.AccountID = model.ConversationEnded, "elsewhere"
	default:
		return pluginhost.SocketResult{Refusal: &pluginhost.FrameRefusal{Code: "unsupported", Detail: "What is that?"}}
	}
	return pluginhost.SocketResult{Items: []pluginhost.Item{{Event: event}}}
}

func (c *fakeConnector) RenderSocket(_ context.Context, _ model.PluginID, _ model.AccountID, items []pluginhost.RenderItem) ([][]byte, error) {
	if c.away.Load() {
		return nil, errAway
	}
	var out [][]byte
	for _, item := range items {
		switch {
		case item.Message != nil && c.poison != "" && strings.Contains(item.Message.Content.Text, c.poison):
			return nil, model.Errorf(model.Internal, "render", "the connector panicked")
		case item.Message != nil:
			m := item.Message
			out = append(out, encode(map[string]any{"type": "message", "message": map[string]any{
				"id": m.ID, "client_id": m.ProviderID, "author": m.Author, "text": m.Content.Text, "at": m.CreatedAt,
				"status": m.Status, "attachments": m.Attachments,
			}}))
		case item.Signal == pluginhost.SignalTyping:
			out = append(out, encode(map[string]any{"type": "typing", "author": item.Author}))
		default:
			out = append(out, nil)
		}
	}
	return out, nil
}

// sourceOf is what a journal says of a frame that it hands over.
func sourceOf(f pluginhost.SocketFrame) inbound.Source {
	return inbound.Source{Plugin: demoPlugin, Verified: []model.AccountID{f.AccountID}, Received: f.ReceivedAt}
}
