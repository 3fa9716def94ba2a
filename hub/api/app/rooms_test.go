package app_test

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/channelhub/channelhub/hub/access"
	"github.com/channelhub/channelhub/hub/accounts"
	"github.com/channelhub/channelhub/hub/api/app"
	"github.com/channelhub/channelhub/hub/api/web"
	"github.com/channelhub/channelhub/hub/flow/inbound"
	"github.com/channelhub/channelhub/hub/flow/outbound"
	"github.com/channelhub/channelhub/hub/hubtest"
	"github.com/channelhub/channelhub/hub/hubtest/storetest"
	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/pluginhost"
	"github.com/channelhub/channelhub/hub/storage/table"
	"github.com/channelhub/channelhub/hub/store"
)

// rooms is the API over real rows, with a clock that a test can move.
type rooms struct {
	t       *testing.T
	rows    *storetest.Rows
	inbound *inbound.Inbound
	client  *store.Client
	app     *app.App
	server  *httptest.Server
	served  chan string // the path of each request that was served
	clock   atomic.Int64
}

func (r *rooms) now() time.Time { return time.Now().Add(time.Duration(r.clock.Load())) }

// connector takes nothing: what these tests send stays queued.
type connector struct{}

func (connector) Describe(model.PluginID) (pluginhost.Descriptor, bool) {
	return pluginhost.Descriptor{AddressKinds: []model.AddressKind{model.Phone}, Can: pluginhost.Capabilities{Send: true}}, true
}

func (connector) Ready(model.PluginID) bool { return false }

func (connector) Send(context.Context, model.PluginID, pluginhost.Delivery) (pluginhost.Outcome, error) {
	return pluginhost.Outcome{}, errors.New("not ready")
}

type everybody struct{}

func (everybody) Authenticate(context.Context, string) (access.Principal, error) {
	return access.Principal{Token: "desk", Role: access.Machine, Client: "acme", Consumer: "desk"}, nil
}

func newRooms(t *testing.T, change func(*app.Options)) *rooms {
	t.Helper()
	r := &rooms{t: t, served: make(chan string, 1000)}
	r.rows = storetest.Open(t, r.now)
	rows := r.rows.Store()
	registry := accounts.NewRegistry()
	registry.Replace(accounts.Set{
		Clients: map[model.ClientID]accounts.Client{"acme": {ID: "acme", Retention: model.Retention{
			Undelivered: 7 * 24 * time.Hour, Dedupe: 8 * 24 * time.Hour, Idempotency: 24 * time.Hour, DeadLetters: 14 * 24 * time.Hour,
		}}},
		Accounts: map[model.AccountID]accounts.Account{"acme-echo": {ID: "acme-echo", Client: "acme", Plugin: "echo", Enabled: true}},
	})
	out := outbound.New(outbound.Options{Store: rows, Accounts: registry, Connectors: connector{}, Now: r.now})
	r.inbound = inbound.New(inbound.Options{Store: rows, Accounts: registry, Receipts: out, Now: r.now})
	var err error
	if r.client, err = rows.Client(t.Context(), "acme"); err != nil {
		t.Fatal(err)
	}
	o := app.Options{
		Store: rows, Accounts: registry, Inbound: r.inbound, Outbound: out, Tokens: everybody{}, Now: r.now,
		Describe: connector{}.Describe,
	}
	if change != nil {
		change(&o)
	}
	r.app = app.New(o)
	mux := http.NewServeMux()
	r.app.Routes(mux)
	handler := web.Handler(mux, web.Options{})
	r.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		handler.ServeHTTP(w, req)
		r.served <- req.URL.Path
	}))
	t.Cleanup(func() {
		r.app.End()
		r.server.Close()
		if err := out.Close(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
	return r
}

func (r *rooms) say(id, text string) {
	r.t.Helper()
	errs := r.inbound.Accept(r.t.Context(), inbound.Source{Plugin: "echo", Received: r.now()}, []pluginhost.Item{{Event: &pluginhost.Event{
		AccountID: "acme-echo", Type: model.MessageReceived, DedupeKey: id, Addresses: []model.Address{{Kind: model.Phone, Value: "ada"}},
		Message: &model.Message{Content: &model.Content{Type: model.ContentText, Text: text}},
	}}})
	if errs[0] != nil {
		r.t.Fatal(errs[0])
	}
}

// report is a receipt of the channel.
func (r *rooms) report(id model.MessageID, status model.Status) {
	r.t.Helper()
	errs := r.inbound.Accept(r.t.Context(), inbound.Source{Plugin: "echo", Received: r.now()}, []pluginhost.Item{{Status: &pluginhost.StatusReport{
		AccountID: "acme-echo", MessageID: id, Status: status,
	}}})
	if errs[0] != nil {
		r.t.Fatal(errs[0])
	}
}

func (r *rooms) call(method, path, body string, out any) int {
	r.t.Helper()
	req, err := http.NewRequestWithContext(r.t.Context(), method, r.server.URL+path, strings.NewReader(body))
	if err != nil {
		r.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer x")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		r.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	read, err := io.ReadAll(resp.Body)
	if err == nil && out != nil {
		err = json.Unmarshal(read, out)
	}
	if err != nil {
		r.t.Fatalf("%s %s: %v: %s", method, path, err, read)
	}
	return resp.StatusCode
}

// TestContentEnds: what is past its retention is unreadable from that instant
// (I9), wherever it was shown.
func TestContentEnds(t *testing.T) {
	r := newRooms(t, nil)
	r.say("1", "secret words")
	var sent hubtest.Message
	body := `{"account_id":"acme-echo","to":{"address":"ada"},"content":{"type":"text","text":"secret answer"},"context":{"k":"secret"},"reply_to":{"provider_id":"secret"},"expire_after":"168h"}`
	if status := r.call(http.MethodPost, "/v1/messages", body, &sent); status != 202 {
		t.Fatalf("status %d: %+v", status, sent)
	}
	r.report(model.MessageID(sent.ID), model.Delivered)
	var page hubtest.Events
	r.call(http.MethodGet, "/v1/events", "", &page)
	received := page.Data[0].Message.ID
	statuses := func() string {
		var raw json.RawMessage
		r.call(http.MethodGet, "/v1/events", "", &raw)
		_, status, _ := strings.Cut(string(raw), string(model.MessageStatus))
		return status
	}
	if s := statuses(); strings.Count(s, "secret") != 2 {
		t.Fatalf("before its end a status event shows context and reference: %s", s)
	}
	shown := func() string {
		var all []json.RawMessage
		for _, path := range []string{
			"/v1/events", "/v1/messages/" + received, "/v1/messages/" + sent.ID, "/v1/conversations",
			"/v1/conversations/" + sent.ConversationID, "/v1/conversations/" + sent.ConversationID + "/messages",
		} {
			var raw json.RawMessage
			r.call(http.MethodGet, path, "", &raw)
			all = append(all, raw)
		}
		return fmt.Sprintf("%s", all)
	}
	if n := strings.Count(shown(), "secret"); n < 8 {
		t.Fatalf("before its end the content is shown %d times: %s", n, shown())
	}
	r.clock.Add(int64(7*24*time.Hour + time.Second))
	if all := shown(); strings.Contains(all, "secret") {
		t.Errorf("I9: behind its end the content is shown: %s", all)
	}
	if s := statuses(); !strings.Contains(s, `"delivered"`) {
		t.Errorf("what became of the message is not told: %s", s)
	}
	var m hubtest.Message
	if status := r.call(http.MethodGet, "/v1/messages/"+sent.ID, "", &m); status != 200 || m.Status == "" || len(m.Timeline) == 0 {
		t.Errorf("what became of the message: %d %+v", status, m)
	}
	if status := r.call(http.MethodGet, "/v1/messages/"+received, "", nil); status != 404 {
		t.Errorf("a received message behind its end: %d", status)
	}
}

// trim does to the feed what retention does: the floor first, then its rows.
func (r *rooms) trim(upTo uint64) {
	r.t.Helper()
	rows, header := r.rows.Table.For("acme"), fmt.Sprintf(`{"f":%d}`, upTo)
	head := binary.AppendUvarint([]byte{1}, uint64(len(header)))
	if _, err := rows.Commit(r.t.Context(), table.Put("f/0", "\x00", append(head, header...))); err != nil {
		r.t.Fatal(err)
	}
	for n := range upTo {
		sk := string(binary.BigEndian.AppendUint64([]byte{1}, n+1))
		if _, err := rows.Commit(r.t.Context(), table.Delete("f/0", sk)); err != nil {
			r.t.Fatal(err)
		}
	}
}

// TestTrimmedFeed: a cursor below the oldest row is gone; a reader without one
// begins at the oldest.
func TestTrimmedFeed(t *testing.T) {
	r := newRooms(t, nil)
	var cursor string
	for n := range 6 {
		r.say(fmt.Sprint(n), fmt.Sprint("t", n))
		if n == 1 {
			var page hubtest.Events
			r.call(http.MethodGet, "/v1/events", "", &page)
			cursor = page.NextCursor
		}
	}
	r.trim(3)
	var p hubtest.Problem
	if status := r.call(http.MethodGet, "/v1/events?cursor="+cursor, "", &p); status != 410 || p.Type != "urn:channelhub:problem:gone" {
		t.Errorf("a cursor below the oldest row: %d %+v", status, p)
	}
	var page hubtest.Events
	if status := r.call(http.MethodGet, "/v1/events?cursor="+p.Oldest, "", &page); status != 200 || p.Oldest == "" || page.Texts() != "t3 t4 t5" {
		t.Errorf("with the oldest cursor %q: %d %q", p.Oldest, status, page.Texts())
	}
	if streamed := r.resume(cursor); streamed.Status != 410 || streamed.Oldest != p.Oldest {
		t.Errorf("a stream below the oldest row: %+v, want the same oldest %q", streamed, p.Oldest)
	}
	if status := r.call(http.MethodGet, "/v1/events", "", &page); status != 200 || page.Texts() != "t3 t4 t5" {
		t.Errorf("without a cursor: %d %q", status, page.Texts())
	}
	if status := r.call(http.MethodGet, "/v1/events?cursor="+page.NextCursor, "", &page); status != 200 || len(page.Data) != 0 {
		t.Errorf("from there on: %d %q", status, page.Texts())
	}
}

// resume asks for a stream behind a cursor that is refused.
func (r *rooms) resume(cursor string) hubtest.Problem {
	r.t.Helper()
	req, err := http.NewRequestWithContext(r.t.Context(), http.MethodGet, r.server.URL+"/v1/events", http.NoBody)
	if err != nil {
		r.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer x")
	req.Header.Set("Accept", "text/event-stream")
	req.Header.Set("Last-Event-ID", cursor)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		r.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	var p hubtest.Problem
	if resp.StatusCode < 400 {
		r.t.Fatalf("a stream begins: %d", resp.StatusCode)
	}
	if err := json.NewDecoder(resp.Body).Decode(&p); err != nil {
		r.t.Fatal(err)
	}
	return p
}

// TestLongForgottenStretch: a call does not read for ever where nothing is left
// to show; its cursor leads on.
func TestLongForgottenStretch(t *testing.T) {
	r := newRooms(t, nil)
	const forgotten = 12_000
	var wg sync.WaitGroup
	for range forgotten {
		wg.Go(func() {
			_, err := r.client.FeedLogs()[0].Append(t.Context(), store.Record{
				Kind: store.SignalRecord, Conversation: model.NewConversationID(), Key: model.NewRandom16(),
				Type: model.TypingStarted, Account: "acme-echo", At: store.Millis(r.now()),
			}, 0)
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	r.clock.Add(int64(time.Minute))
	r.say("1", "t1")
	var page hubtest.Events
	calls := 0
	for path := "/v1/events?wait=30s"; len(page.Data) == 0 && calls < 20; calls++ {
		r.call(http.MethodGet, path, "", &page)
		path = "/v1/events?wait=30s&cursor=" + page.NextCursor
	}
	if page.Texts() != "t1" || calls < 2 {
		t.Errorf("%d calls read %q", calls, page.Texts())
	}
}

// TestTypingIsPassedOnNowAndThen counts what reaches the channel.
func TestTypingIsPassedOnNowAndThen(t *testing.T) {
	var count signalCount
	r := newRooms(t, func(o *app.Options) { o.Signals = &count })
	r.say("1", "t1")
	var page hubtest.Events
	r.call(http.MethodGet, "/v1/events", "", &page)
	path := "/v1/conversations/" + page.Data[0].ConversationID + "/typing"
	for range 5 {
		r.call(http.MethodPost, path, "", nil)
	}
	if n := count.Load(); n != 1 {
		t.Errorf("%d signals within three seconds", n)
	}
	r.clock.Add(int64(3 * time.Second))
	r.call(http.MethodPost, path, "", nil)
	if n := count.Load(); n != 2 {
		t.Errorf("%d signals, want 2", n)
	}
}

type signalCount struct{ atomic.Int64 }

func (c *signalCount) Signal(context.Context, model.ClientID, store.Conversation, app.Signal) error {
	c.Add(1)
	return nil
}

// keptSignals keeps what is passed on.
type keptSignals struct{ to []model.Address }

func (k *keptSignals) Signal(_ context.Context, _ model.ClientID, conv store.Conversation, _ app.Signal) error {
	k.to = append(k.to, conv.Addresses...)
	return nil
}

// TestSignalsBeforeTheCustomerWrote: a conversation that the client began can
// be typed in; it has nothing to read, and no session to end.
func TestSignalsBeforeTheCustomerWrote(t *testing.T) {
	signals := &keptSignals{}
	r := newRooms(t, func(o *app.Options) { o.Signals = signals })
	var sent hubtest.Message
	body := `{"account_id":"acme-echo","to":{"address":"ada"},"content":{"type":"text","text":"hello"}}`
	if status := r.call(http.MethodPost, "/v1/messages", body, &sent); status != 202 {
		t.Fatalf("status %d: %+v", status, sent)
	}
	path := "/v1/conversations/" + sent.ConversationID
	if status := r.call(http.MethodPost, path+"/typing", "", nil); status != 204 {
		t.Errorf("typing: %d", status)
	}
	if len(signals.to) != 1 || signals.to[0] != (model.Address{Kind: model.Phone, Value: "ada"}) {
		t.Errorf("typing is told to %v", signals.to)
	}
	for what, body := range map[string]string{"/read": `{"up_to":"` + sent.ID + `"}`, "/end": ""} {
		var p web.Problem
		if status := r.call(http.MethodPost, path+what, body, &p); status != 409 || !strings.Contains(p.Detail, "has not written yet") {
			t.Errorf("%s: %d %s", what, status, p.Detail)
		}
	}
	none := "/v1/conversations/cnv_" + strings.Repeat("0", 26)
	for what, body := range map[string]string{"/typing": "", "/read": `{"up_to":"` + sent.ID + `"}`, "/end": ""} {
		if status := r.call(http.MethodPost, none+what, body, nil); status != 404 {
			t.Errorf("%s of none: %d", what, status)
		}
	}
	r.say("1", "hi")
	for what, body := range map[string]string{"/typing": "", "/read": `{"up_to":"` + sent.ID + `"}`, "/end": ""} {
		if status := r.call(http.MethodPost, path+what, body, nil); status != 204 {
			t.Errorf("%s once the customer has written: %d", what, status)
		}
	}
}

// TestSlowStreamReader: a reader that does not take its bytes is closed.
func TestSlowStreamReader(t *testing.T) {
	r := newRooms(t, func(o *app.Options) { o.Patience = 100 * time.Millisecond })
	text := strings.Repeat("x", 120<<10)
	for n := range 100 { // more than the buffers of a connection hold
		r.say(fmt.Sprint(n), text)
	}
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", r.server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if c, ok := conn.(*net.TCPConn); ok {
		if err := c.SetReadBuffer(4 << 10); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := fmt.Fprintf(conn, "GET /v1/events HTTP/1.1\r\nHost: hub\r\nAuthorization: Bearer x\r\nAccept: text/event-stream\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	select {
	case <-r.served:
	case <-time.After(hubtest.Patience):
		t.Fatal("the stream of a reader that does not read goes on")
	}
}

// TestEndLetsReadersGo: a hub that shuts down does not wait for them.
func TestEndLetsReadersGo(t *testing.T) {
	r := newRooms(t, nil)
	waiting := make(chan int, 1)
	go func() { waiting <- r.call(http.MethodGet, "/v1/events?wait=60s", "", nil) }()
	r.app.End()
	select {
	case status := <-waiting:
		if status != 200 {
			t.Errorf("status %d", status)
		}
	case <-time.After(hubtest.Patience):
		t.Fatal("the reader still waits")
	}
}
