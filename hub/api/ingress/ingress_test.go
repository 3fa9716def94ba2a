package ingress_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/channelhub/channelhub/hub/accounts"
	"github.com/channelhub/channelhub/hub/api/ingress"
	"github.com/channelhub/channelhub/hub/api/web"
	"github.com/channelhub/channelhub/hub/flow/inbound"
	"github.com/channelhub/channelhub/hub/hubtest"
	"github.com/channelhub/channelhub/hub/hubtest/storetest"
	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/pluginhost"
	"github.com/channelhub/channelhub/hub/storage/table"
	"github.com/channelhub/channelhub/hub/storage/table/driver"
	"github.com/channelhub/channelhub/hub/store"
)

// world is the webhooks over real rows, with a connector in the test.
type world struct {
	t         *testing.T
	disk      *disk
	root      *storetest.Root
	client    *store.Client
	accounts  *accounts.Registry
	connector *connector
	server    *httptest.Server
	stands    atomic.Pointer[time.Time] // where the ingress's clock stands; nil: it goes
}

func (w *world) now() time.Time {
	if at := w.stands.Load(); at != nil {
		return *at
	}
	return time.Now()
}

func newWorld(t *testing.T, journal ingress.Journal) *world {
	t.Helper()
	w := &world{t: t, disk: &disk{Driver: storetest.Pebble(t)}, accounts: accounts.NewRegistry(), connector: &connector{}}
	under := storetest.Over(t, table.New(w.disk, nil), nil)
	rows := under.Store()
	w.root = under.Root
	acct := func(id model.AccountID, client model.ClientID, enabled bool) accounts.Account {
		return accounts.Account{ID: id, Client: client, Plugin: "echo", Enabled: enabled, Secrets: accounts.Secrets{"secret": {"old", "new"}}}
	}
	keep := model.Retention{Undelivered: time.Hour, Dedupe: time.Hour, DeadLetters: time.Hour}
	w.accounts.Replace(accounts.Set{
		Clients: map[model.ClientID]accounts.Client{"acme": {ID: "acme", Retention: keep}, "other": {ID: "other", Retention: keep}},
		Accounts: map[model.AccountID]accounts.Account{
			"acme-echo": acct("acme-echo", "acme", true), "acme-off": acct("acme-off", "acme", false), "other-echo": acct("other-echo", "other", true),
		},
	})
	var err error
	if w.client, err = rows.Client(t.Context(), "acme"); err != nil {
		t.Fatal(err)
	}
	in := inbound.New(inbound.Options{Store: rows, Accounts: w.accounts})
	g := ingress.New(ingress.Options{
		Accounts: w.accounts, Connectors: w.connector, Inbound: in, Journal: journal,
		Configured:  func(id model.PluginID) bool { return id == "echo" },
		ExternalURL: func() string { return "https://hub.example" },
		Now:         w.now,
	})
	mux := http.NewServeMux()
	g.Routes(mux)
	w.server = httptest.NewServer(web.Handler(mux, web.Options{BodyTimeout: 200 * time.Millisecond}))
	t.Cleanup(w.server.Close)
	return w
}

// connector says of each request what its JSON body tells it to.
type connector struct {
	mu       sync.Mutex
	away     bool
	silent   bool // it has not described itself
	tangled  bool // it answers more than it was asked
	requests []pluginhost.HTTPRequest
	// appRecipe is the recipe of the app-level route.
	appRecipe *pluginhost.SignatureRecipe
}

func (c *connector) set(change func(*connector)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	change(c)
}

// order is what a test has the connector do.
type order struct {
	Status   int      `json:"status"`
	Reply    string   `json:"reply"`
	Accounts []string `json:"accounts"` // an event for each
	Verified []string `json:"verified"`
	Text     string   `json:"text"`
	Key      string   `json:"key"`
}

func (c *connector) Describe(model.PluginID) (pluginhost.Descriptor, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return pluginhost.Descriptor{Routes: []pluginhost.Route{
		{
			Mount: pluginhost.MountInAccount, Methods: []string{"POST", "GET"}, MaxBody: 1000,
			Fallback:  &pluginhost.HTTPReply{Status: 202, Body: []byte("kept")},
			Signature: &pluginhost.SignatureRecipe{HMACBody: &pluginhost.HMACBody{Header: "X-Sig", Prefix: "v1=", Secret: "secret"}},
		},
		{Mount: pluginhost.MountInApp, Fallback: &pluginhost.HTTPReply{Status: 202, Body: []byte("kept")}, Signature: c.appRecipe},
	}}, !c.silent
}

func (c *connector) ReceiveHTTP(_ context.Context, _ model.PluginID, reqs []pluginhost.HTTPRequest) ([]pluginhost.HTTPResult, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.away {
		return nil, model.Errorf(model.Unavailable, "call plugin", "the connector is not running")
	}
	c.requests = append(c.requests, reqs...)
	var do order
	if err := json.Unmarshal(reqs[0].Body, &do); err != nil && len(reqs[0].Body) > 0 {
		return nil, err
	}
	res := pluginhost.HTTPResult{Reply: pluginhost.HTTPReply{Status: do.Status, Body: []byte(do.Reply), Headers: []pluginhost.Header{{Name: "X-Own", Values: []string{"a", "b"}}}}}
	for _, v := range do.Verified {
		res.Verified = append(res.Verified, model.AccountID(v))
	}
	for _, a := range do.Accounts {
		res.Items = append(res.Items, pluginhost.Item{Event: &pluginhost.Event{
			AccountID: model.AccountID(a), Type: model.MessageReceived, DedupeKey: do.Key, Addresses: []model.Address{{Kind: model.Phone, Value: "ada"}},
			Message: &model.Message{ProviderID: do.Key, Content: &model.Content{Type: model.ContentText, Text: do.Text}},
		}})
	}
	if c.tangled {
		return []pluginhost.HTTPResult{res, res}, nil
	}
	return []pluginhost.HTTPResult{res}, nil
}

// disk fails commits when told to.
type disk struct {
	driver.Driver

	mu     sync.Mutex
	pass   int
	broken bool
}

func (d *disk) fail(n int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.broken, d.pass = true, n
}

func (d *disk) heal() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.broken = false
}

func (d *disk) Commit(ctx context.Context, id driver.ID, ops []driver.Op) (driver.Cost, error) {
	d.mu.Lock()
	broken := d.broken && d.pass == 0
	if d.broken && d.pass > 0 {
		d.pass--
	}
	d.mu.Unlock()
	if broken {
		return driver.Cost{}, model.Wrap(model.Internal, "commit", errors.New("broken by the test"))
	}
	return d.Driver.Commit(ctx, id, ops)
}

func (w *world) post(path string, body any) hubtest.Answer {
	w.t.Helper()
	encoded, err := json.Marshal(body)
	if err != nil {
		w.t.Fatal(err)
	}
	return w.send(http.MethodPost, path, string(encoded))
}

func (w *world) send(method, path, body string, headers ...string) hubtest.Answer {
	w.t.Helper()
	req, err := http.NewRequestWithContext(w.t.Context(), method, w.server.URL+path, strings.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		w.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	read, err := io.ReadAll(resp.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return hubtest.Answer{Status: resp.StatusCode, Header: resp.Header, Body: read}
}

// feed counts the events of the client acme.
func (w *world) feed() int {
	w.t.Helper()
	rows, err := w.client.FeedLogs()[0].Read(w.t.Context(), 0, 1000)
	if err != nil {
		w.t.Fatal(err)
	}
	n := 0
	for _, row := range rows {
		n += len(row.Records)
	}
	return n
}

func TestRequestAndReply(t *testing.T) {
	w := newWorld(t, nil)
	const trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	a := w.send(http.MethodPost, "/in/echo/acme-echo/a/b?x=1&x=2", `{"status":207,"reply":"mine"}`, "X-Provider", "p", "Traceparent", trace)
	if a.Status != 207 || string(a.Body) != "mine" || fmt.Sprint(a.Header.Values("X-Own")) != "[a b]" || !strings.HasPrefix(a.Header.Get("Content-Type"), "text/plain") {
		t.Errorf("the connector's reply came as %d %q, %v", a.Status, a.Body, a.Header)
	}
	got := w.connector.requests[0]
	if got.AccountID != "acme-echo" || got.Method != "POST" || got.URL != "https://hub.example/in/echo/acme-echo/a/b?x=1&x=2" ||
		got.SubPath != "a/b" || got.Traceparent != trace || got.ReceivedAt.IsZero() || got.RemoteAddress != "127.0.0.1" || got.Replayed {
		t.Errorf("the connector got %+v", got)
	}
	if i := indexOf(got.Headers, "X-Provider"); i < 0 || cmp.Diff(got.Headers[i].Values, []string{"p"}) != "" {
		t.Errorf("headers %+v", got.Headers)
	}
	if a := w.send(http.MethodGet, "/in/echo/acme-echo", "", "Traceparent", "made up"); a.Status != 200 {
		t.Errorf("a GET: %d %s", a.Status, a.Body)
	}
	if got := w.connector.requests[1]; got.Traceparent != "" {
		t.Errorf("a traceparent of %q was passed on", got.Traceparent)
	}
}

func indexOf(headers []pluginhost.Header, name string) int {
	for i, h := range headers {
		if h.Name == name {
			return i
		}
	}
	return -1
}

func TestRoutes(t *testing.T) {
	w := newWorld(t, nil)
	for _, c := range []struct {
		method, path string
		status       int
		allow        string
	}{
		{"POST", "/in/echo", 200, ""},
		{"GET", "/in/echo", 405, "POST"},
		{"DELETE", "/in/echo/acme-echo", 405, "POST, GET"},
		{"POST", "/in/echo/acme-off", 404, ""},
		{"POST", "/in/echo/nowhere", 404, ""},
		{"POST", "/in/sms/acme-echo", 404, ""},
		{"POST", "/in", 404, ""},
	} {
		a := w.send(c.method, c.path, "{}")
		if a.Status != c.status || a.Header.Get("Allow") != c.allow {
			t.Errorf("%s %s: %d, Allow %q", c.method, c.path, a.Status, a.Header.Get("Allow"))
		}
	}
	w.accounts.Move("acme-echo", accounts.Paused, "", time.Now())
	for range 70 { // a pause never holds the caller off
		if a := w.send("POST", "/in/echo/acme-echo", "{}"); a.Status != 503 || a.Header.Get("Retry-After") == "" {
			t.Fatalf("a paused account: %d, Retry-After %q", a.Status, a.Header.Get("Retry-After"))
		}
	}
}

// TestVerified: an event counts only for an account whose secret verified the
// request and, on an account's own route, for no other than that.
func TestVerified(t *testing.T) {
	w := newWorld(t, nil)
	for name, c := range map[string]struct {
		path string
		do   order
		want int
	}{
		"own, verified":            {"/in/echo/acme-echo", order{Accounts: []string{"acme-echo"}, Verified: []string{"acme-echo"}, Key: "1"}, 1},
		"own, nothing verified":    {"/in/echo/acme-echo", order{Accounts: []string{"acme-echo"}, Key: "7"}, 0},
		"own, another verified":    {"/in/echo/acme-echo", order{Accounts: []string{"acme-echo"}, Verified: []string{"other-echo"}, Key: "8"}, 0},
		"another on this route":    {"/in/echo/other-echo", order{Accounts: []string{"acme-echo"}, Verified: []string{"acme-echo"}, Key: "2"}, 0},
		"app, verified":            {"/in/echo", order{Accounts: []string{"acme-echo"}, Verified: []string{"acme-echo"}, Key: "3"}, 1},
		"app, another verified":    {"/in/echo", order{Accounts: []string{"acme-echo"}, Verified: []string{"other-echo"}, Key: "4"}, 0},
		"app, nothing verified":    {"/in/echo", order{Accounts: []string{"acme-echo"}, Key: "5"}, 0},
		"app, one of two verified": {"/in/echo", order{Accounts: []string{"other-echo", "acme-echo"}, Verified: []string{"acme-echo"}, Key: "6"}, 1},
	} {
		before := w.feed()
		if a := w.post(c.path, c.do); a.Status != 200 {
			t.Errorf("%s: %d %s", name, a.Status, a.Body)
		}
		if got := w.feed() - before; got != c.want {
			t.Errorf("I8: %s: %d events, want %d", name, got, c.want)
		}
	}
}

// TestStoreFails breaks each write in turn: the provider hears 5xx, and its
// repeat brings the event in once (I1, I3).
func TestStoreFails(t *testing.T) {
	w := newWorld(t, nil)
	for n := 0; ; n++ {
		do := order{Accounts: []string{"acme-echo"}, Verified: []string{"acme-echo"}, Key: strconv.Itoa(n), Text: "t"}
		before := w.feed()
		w.disk.fail(n)
		a := w.post("/in/echo/acme-echo", do)
		w.disk.heal()
		if a.Status == 200 {
			if n < 3 {
				t.Errorf("with only %d writes it was acknowledged", n)
			}
			return
		}
		if a.Status != 503 || a.Header.Get("Retry-After") == "" || strings.Contains(string(a.Body), "broken") {
			t.Errorf("behind %d writes: %d, Retry-After %q, %s", n, a.Status, a.Header.Get("Retry-After"), a.Body)
		}
		for range 2 {
			if a := w.post("/in/echo/acme-echo", do); a.Status != 200 {
				t.Errorf("the repeat: %d %s", a.Status, a.Body)
			}
		}
		if got := w.feed() - before; got != 1 {
			t.Errorf("behind write %d and its repeats: %d events", n, got)
		}
	}
}

// TestKeysRefuse: whose keys the hub may not use just now is no fault of the
// provider's request, which may come again (I1).
func TestKeysRefuse(t *testing.T) {
	w := newWorld(t, nil)
	w.root.Deny(true)
	do := order{Accounts: []string{"other-echo"}, Verified: []string{"other-echo"}, Key: "1", Text: "t"} // a client whose keys were never used
	a := w.post("/in/echo/other-echo", do)
	if a.Status != 503 || a.Header.Get("Retry-After") == "" {
		t.Errorf("%d, Retry-After %q, want 503 and a time", a.Status, a.Header.Get("Retry-After"))
	}
	if w.root.Refused() == 0 {
		t.Error("the root was not asked")
	}
}

// TestConnectorAway: without a journal the provider is asked to come again.
func TestConnectorAway(t *testing.T) {
	w := newWorld(t, nil)
	for _, silent := range []bool{false, true} {
		w.connector.set(func(c *connector) { c.away, c.silent = true, silent })
		if a := w.post("/in/echo/acme-echo", order{}); a.Status != 503 || a.Header.Get("Retry-After") != "5" {
			t.Errorf("described %v: %d, Retry-After %q", !silent, a.Status, a.Header.Get("Retry-After"))
		}
	}
	w.connector.set(func(c *connector) { c.away, c.silent, c.tangled = false, false, true })
	if a := w.post("/in/echo/acme-echo", order{}); a.Status != 500 {
		t.Errorf("a connector that answers what nobody asked: %d %s", a.Status, a.Body)
	}
}

// journal keeps requests as a test tells it.
type journal struct {
	mu     sync.Mutex
	active bool
	full   bool
	kept   []pluginhost.HTTPRequest
	under  []model.AccountID // whose secrets verified them
}

func (j *journal) Active(model.PluginID, model.AccountID) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.active
}

func (j *journal) Keep(_ context.Context, _ model.PluginID, acct accounts.Account, req pluginhost.HTTPRequest) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.full {
		return model.Errorf(model.Unavailable, "keep request", "the journal is full")
	}
	j.kept, j.under = append(j.kept, req), append(j.under, acct.ID)
	return nil
}

func TestJournal(t *testing.T) {
	j := &journal{}
	w := newWorld(t, j)
	body := `{"text":"kept"}`
	sign := func(secret string) []string {
		mac := hmac.New(sha256.New, []byte(secret))
		_, _ = mac.Write([]byte(body))
		return []string{"X-Sig", "v1=" + hex.EncodeToString(mac.Sum(nil))}
	}
	post := func(path string, headers ...string) hubtest.Answer {
		return w.send(http.MethodPost, path, body, headers...)
	}
	w.connector.set(func(c *connector) { c.away = true })
	for i, secret := range []string{"old", "new"} {
		if a := post("/in/echo/acme-echo", sign(secret)...); a.Status != 202 || string(a.Body) != "kept" || len(j.kept) != i+1 {
			t.Errorf("signed with the %s secret: %d %q, %d kept", secret, a.Status, a.Body, len(j.kept))
		}
	}
	for name, headers := range map[string][]string{
		"no signature": nil, "another secret": sign("guess"), "no prefix": {"X-Sig", sign("old")[1][3:]}, "no hex": {"X-Sig", "v1=zz"},
	} {
		if a := post("/in/echo/acme-echo", headers...); a.Status != 401 {
			t.Errorf("%s: %d %q", name, a.Status, a.Body)
		}
	}
	if a := post("/in/echo", sign("old")...); a.Status != 503 {
		t.Errorf("an app route, which the hub cannot verify: %d", a.Status)
	}
	if len(j.kept) != 2 {
		t.Errorf("%d requests are kept, want 2", len(j.kept))
	}
	// An app route with a recipe: any account of the connector may vouch for it.
	w.connector.set(func(c *connector) {
		c.appRecipe = &pluginhost.SignatureRecipe{HMACBody: &pluginhost.HMACBody{Header: "X-Sig", Prefix: "v1=", Secret: "secret"}}
	})
	if a := post("/in/echo", sign("new")...); a.Status != 202 || len(j.kept) != 3 || j.kept[2].AccountID != "" || j.under[2] == "" {
		t.Errorf("an app route that the hub can verify: %d, kept under %q", a.Status, j.under)
	}
	if a := post("/in/echo", sign("guess")...); a.Status != 401 || len(j.kept) != 3 {
		t.Errorf("an app route with nobody's signature: %d", a.Status)
	}
	// Live traffic does not overtake what is being replayed.
	w.connector.set(func(c *connector) { c.away = false })
	j.active = true
	if a := post("/in/echo/acme-echo", sign("old")...); a.Status != 202 || len(w.connector.requests) != 0 {
		t.Errorf("while the journal is replayed: %d, %d requests reached the connector", a.Status, len(w.connector.requests))
	}
	j.full = true
	if a := post("/in/echo/acme-echo", sign("old")...); a.Status != 503 || a.Header.Get("Retry-After") == "" {
		t.Errorf("a full journal: %d", a.Status)
	}
}

// TestSlowBody: a body that does not arrive in time is cut off.
func TestSlowBody(t *testing.T) {
	w := newWorld(t, nil)
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", w.server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if err := conn.SetDeadline(time.Now().Add(hubtest.Patience)); err != nil {
		t.Fatal(err)
	}
	if _, err := fmt.Fprint(conn, "POST /in/echo/acme-echo HTTP/1.1\r\nHost: hub\r\nContent-Length: 100\r\n\r\n{"); err != nil {
		t.Fatal(err)
	}
	answer, err := io.ReadAll(conn)
	if err != nil || !strings.HasPrefix(string(answer), "HTTP/1.1 400 ") {
		t.Errorf("answer %q, %v", answer, err)
	}
	if len(w.connector.requests) != 0 {
		t.Error("half a body reached the connector")
	}
}

// TestRefusals: who is refused all the time on a route is held off there, and
// whose requests verify never is. A provider's address serves many: other routes
// are not held off with it.
func TestRefusals(t *testing.T) {
	w := newWorld(t, nil)
	at := time.Now()
	w.stands.Store(&at)
	for range 100 {
		if a := w.post("/in/echo/acme-echo", order{}); a.Status != 200 {
			t.Fatalf("a good request: %d", a.Status)
		}
	}
	pass := map[string]int{"/in/echo/acme-echo": 200, "/in/echo/other-echo": 200, "/in/echo": 200, "/in/echo/nowhere": 404, "/in/nothing": 404}
	for _, flood := range []struct {
		path string
		held []string // with it
	}{
		{"/in/echo/acme-echo", []string{"/in/echo/acme-echo"}},
		{"/in/echo", []string{"/in/echo"}},
		{"/in/echo/nowhere", []string{"/in/echo/nowhere", "/in/nothing"}},
	} {
		var last hubtest.Answer
		for range 61 {
			last = w.post(flood.path, order{Status: 401})
		}
		if last.Status != 429 || last.Header.Get("Retry-After") == "" {
			t.Errorf("behind 60 refusals at %s: %d, Retry-After %q", flood.path, last.Status, last.Header.Get("Retry-After"))
		}
		for _, path := range flood.held {
			pass[path] = 429
		}
		for path, want := range pass {
			if a := w.post(path, order{}); a.Status != want {
				t.Errorf("behind refusals at %s, %s: %d, want %d", flood.path, path, a.Status, want)
			}
		}
	}
	later := at.Add(11 * time.Second)
	w.stands.Store(&later)
	if a := w.post("/in/echo/acme-echo", order{}); a.Status != 200 {
		t.Errorf("behind the window: %d", a.Status)
	}
}
