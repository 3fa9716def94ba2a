package canarytest

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/channelhub/channelhub/internal/canary"
)

// marks are the markers of a test.
type marks struct{ all []string }

func (m *marks) new(name string) string {
	c := canary.New(name)
	m.all = append(m.all, c)
	return c
}

func sign(body []byte) string {
	mac := hmac.New(sha256.New, []byte(secret))
	_, _ = mac.Write(body)
	return "sha256=" + hex.EncodeToString(mac.Sum(nil))
}

// provider is what echo sends to. It answers each message as its text says.
type provider struct {
	*httptest.Server
	t  *testing.T
	mu sync.Mutex
	// by is the way to answer each text; one that is not there is refused.
	by map[string]func(w http.ResponseWriter)
	// got are the texts that came.
	got []string
}

func newProvider(t *testing.T) *provider {
	p := &provider{t: t, by: map[string]func(http.ResponseWriter){}}
	p.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var in struct {
			Text string `json:"text"`
		}
		body, err := io.ReadAll(r.Body)
		if err == nil {
			err = json.Unmarshal(body, &in)
		}
		p.mu.Lock()
		defer p.mu.Unlock()
		if err != nil {
			t.Errorf("the provider got %q, %v", body, err)
		}
		p.got = append(p.got, in.Text)
		if do := p.by[in.Text]; do != nil {
			do(w)
			return
		}
		w.WriteHeader(http.StatusBadRequest)
	}))
	t.Cleanup(p.Close)
	return p
}

// on says how to answer a text.
func (p *provider) on(text string, status int, body string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.by[text] = func(w http.ResponseWriter) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

func (p *provider) saw(text string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Contains(p.got, text)
}

func encode(t *testing.T, v any) []byte {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// in posts as the provider would.
func (h *hub) in(path string, body []byte, signature string) answer {
	h.t.Helper()
	return h.ask(http.MethodPost, h.public+path, http.Header{
		"X-Echo-Signature": {signature}, "Content-Type": {"application/json"},
	}, body)
}

// v1 calls the client API.
func (h *hub) v1(method, path, key string, body []byte) answer {
	h.t.Helper()
	header := http.Header{"Authorization": {"Bearer " + desk}, "Content-Type": {"application/json"}}
	if key != "" {
		header.Set("Idempotency-Key", key)
	}
	return h.ask(method, h.public+path, header, body)
}

func want(t *testing.T, what string, a answer, statuses ...int) {
	t.Helper()
	if !slices.Contains(statuses, a.status) {
		t.Errorf("%s: status %d, want %v", what, a.status, statuses)
	}
}

const account = "/in/echo/acme-echo"

func TestNothingShows(t *testing.T) {
	for _, where := range []func(*testing.T) place{stderr, file, cloud} {
		at := where(t)
		t.Run(at.name, func(t *testing.T) { nothingShows(t, at) })
	}
}

func nothingShows(t *testing.T, at place) {
	m := &marks{}
	p := newProvider(t)
	// The client's name is no secret: operators read it, and it lies in the
	// configuration. So the search has to find it.
	control := canary.New("control")
	h := newHub(t, p.URL, control, at.config, at.env...)
	h.start()
	h.eventually("see the account open", func() bool {
		return h.in(account, []byte("{}"), sign([]byte("{}"))).status == http.StatusBadRequest
	})
	shown := hear(t, h, m)
	sent, said := speak(t, h, p, m)
	chatted := chat(t, h, m)
	mistake(t, h, m)
	misuse(t, h, m)

	// The paths were real: the client reads what was said.
	events := h.v1(http.MethodGet, "/v1/events?limit=100", "", nil)
	want(t, "read the feed", events, http.StatusOK)
	for _, marker := range slices.Concat(shown, said, chatted) {
		if !bytes.Contains(events.body, []byte(marker)) {
			t.Errorf("the feed does not show %q", marker)
		}
	}
	operate(t, h, sent)
	onDisk, err := canary.ScanDir(h.dir, control)
	if err != nil || len(onDisk) == 0 || len(canary.Scan("output", h.out.bytes(), control)) == 0 {
		t.Errorf("the search does not find what is there: %v, %v", onDisk, err)
	}
	search(t, h, m, "while it runs")
	h.end(syscall.SIGKILL)
	search(t, h, m, "killed")
	h.start()
	h.eventually("see the account open again", func() bool {
		return h.in(account, []byte("{}"), sign([]byte("{}"))).status == http.StatusBadRequest
	})
	operate(t, h, sent)
	h.end(syscall.SIGTERM)
	search(t, h, m, "stopped")

	// The log is where it should be: it names client and account, and nobody
	// else.
	log := at.log(t, h)
	for _, promised := range []string{`"client_id":"acme"`, `"account_id":"acme-echo"`, `"@level":"info"`, `"@level":"warn"`} {
		if !bytes.Contains(log, []byte(promised)) {
			t.Errorf("no line of the log has %s", promised)
		}
	}
	for line := range bytes.Lines(log) {
		for _, hit := range canary.Scan("log", line, m.all...) {
			t.Errorf("found %s in the line\n%s", hit, line)
		}
	}
}

// hear takes messages in, twice each, and returns what the feed has to show.
func hear(t *testing.T, h *hub, m *marks) []string {
	t.Helper()
	text, from, name, id := m.new("text"), m.new("address"), m.new("name"), m.new("providerid")
	body := encode(t, map[string]string{"id": id, "from": from, "name": name, "text": text, "at": time.Now().UTC().Format(time.RFC3339)})
	for range 2 {
		want(t, "a message", h.in(account, body, sign(body)), http.StatusOK)
	}
	// Longer than what is packed, and than one billed unit.
	long := m.new("long")
	body = encode(t, map[string]string{"id": m.new("longid"), "from": from, "name": name, "text": strings.Repeat(long+" ", 80)})
	want(t, "a long message", h.in(account, body, sign(body)), http.StatusOK)
	// A receipt of a message that nobody knows.
	body = encode(t, map[string]string{"id": m.new("receiptid"), "receipt": "delivered", "provider_id": m.new("earlyid")})
	want(t, "an early receipt", h.in(account, body, sign(body)), http.StatusOK)
	return []string{text, from, name, id, long}
}

// speak answers a customer in every way that a provider can take it, and
// returns the messages' ids and what the feed has to show.
func speak(t *testing.T, h *hub, p *provider, m *marks) (ids, shown []string) {
	t.Helper()
	to := m.new("newaddress")
	submit := func(text string) string {
		t.Helper()
		body := encode(t, map[string]any{
			"account_id": "acme-echo", "to": map[string]string{"address": to, "address_kind": "echo"},
			"content": map[string]string{"type": "text", "text": text},
			"context": map[string]string{"case": m.new("context")}, "expire_after": "24h",
		})
		key := m.new("idempotencykey")
		var first string
		for range 2 {
			a := h.v1(http.MethodPost, "/v1/messages", key, body)
			want(t, "submit", a, http.StatusAccepted)
			var out struct {
				ID string `json:"id"`
			}
			if err := json.Unmarshal(a.body, &out); err != nil || first != "" && out.ID != first {
				t.Fatalf("the answer %s, %v", a.body, err)
			}
			first = out.ID
		}
		ids = append(ids, first)
		want(t, "dry run", h.v1(http.MethodPost, "/v1/messages?dry_run=true", "", body), http.StatusOK)
		return first
	}
	reach := func(id string, statuses ...string) {
		t.Helper()
		h.eventually("see the message "+strings.Join(statuses, " or "), func() bool {
			var out struct {
				Status string `json:"status"`
			}
			return json.Unmarshal(h.v1(http.MethodGet, "/v1/messages/"+id, "", nil).body, &out) == nil && slices.Contains(statuses, out.Status)
		})
	}
	// Taken, with receipts.
	sentID, text := m.new("sentid"), m.new("answer")
	p.on(text, http.StatusOK, `{"provider_id":"`+sentID+`"}`)
	id := submit(text)
	reach(id, "sent")
	for _, r := range []string{"delivered", "read"} {
		body := encode(t, map[string]string{"id": m.new("receiptid"), "receipt": r, "provider_id": sentID})
		want(t, "a receipt", h.in(account, body, sign(body)), http.StatusOK)
		reach(id, r)
	}
	// Refused, with words about it.
	text = m.new("refused")
	p.on(text, http.StatusBadRequest, `{"error":"`+m.new("providererror")+` `+text+`"}`)
	reach(submit(text), "failed")
	// An answer that makes no sense: tried again, with the next ones waiting.
	for _, body := range []string{`{"provider_id":`, `<html>` + m.new("html"), `{"provider_id":7,"x":"` + m.new("wrongtype") + `"}`} {
		text = m.new("broken")
		p.on(text, http.StatusOK, body+text)
		id := submit(text)
		h.eventually("see the attempt", func() bool { return p.saw(text) })
		p.on(text, http.StatusOK, `{"provider_id":"`+m.new("retriedid")+`"}`)
		reach(id, "sent")
	}
	text = m.new("throttled")
	p.on(text, http.StatusTooManyRequests, text)
	id = submit(text)
	h.eventually("see the throttled attempt", func() bool { return p.saw(text) })
	p.on(text, http.StatusOK, `{"provider_id":"`+m.new("latesid")+`"}`)
	reach(id, "sent")
	return ids, []string{sentID}
}

// mistake sends what a provider or a stranger might send by mistake.
func mistake(t *testing.T, h *hub, m *marks) {
	t.Helper()
	whole := func() []byte {
		return encode(t, map[string]string{"id": m.new("badid"), "from": m.new("badaddress"), "name": m.new("badname"), "text": m.new("badtext")})
	}
	body := whole()
	want(t, "a wrong signature", h.in(account, body, sign([]byte("other"))), http.StatusUnauthorized)
	want(t, "a signature that is none", h.in(account, whole(), m.new("signature")), http.StatusUnauthorized)
	want(t, "no signature", h.in(account, whole(), ""), http.StatusUnauthorized)
	for _, body := range [][]byte{
		whole()[:90],
		[]byte(m.new("nojson")),
		[]byte(`{"id":{"` + m.new("field") + `":1},"from":"` + m.new("badaddress") + `"}`),
		[]byte(`{"id":"x","from":"y","at":"` + m.new("time") + `"}`),
		[]byte(`{"` + m.new("field") + `":1}`),
		[]byte(`{"receipt":"` + m.new("receipt") + `","provider_id":"` + m.new("badproviderid") + `"}`),
	} {
		want(t, "a malformed body", h.in(account, body, sign(body)), http.StatusBadRequest)
	}
	// Well formed, and more than the hub takes.
	body = encode(t, map[string]string{"id": m.new("id"), "from": strings.Repeat(m.new("address"), 20), "name": m.new("name"), "text": m.new("text")})
	h.in(account, body, sign(body))
	body = encode(t, map[string]string{"id": strings.Repeat(m.new("id"), 50), "from": m.new("address"), "text": m.new("text")})
	h.in(account, body, sign(body))
	body = encode(t, map[string]string{"id": m.new("id"), "from": m.new("address"), "text": m.new("text") + strings.Repeat("x", 8<<20)})
	want(t, "a body that is too long", h.in(account, body, sign(body)), http.StatusRequestEntityTooLarge)
	body = whole()
	want(t, "an unknown account", h.in("/in/echo/"+m.new("account"), body, sign(body)), http.StatusNotFound)
	want(t, "an unknown connector", h.in("/in/"+m.new("plugin"), body, sign(body)), http.StatusNotFound)
	want(t, "a wrong method", h.ask(http.MethodPut, h.public+account+"?q="+m.new("query"), http.Header{"X-Echo-Signature": {sign(body)}}, body),
		http.StatusMethodNotAllowed, http.StatusUnauthorized, http.StatusOK, http.StatusBadRequest)
}

// misuse calls the client API in every wrong way.
func misuse(t *testing.T, h *hub, m *marks) {
	t.Helper()
	good := func() map[string]any {
		return map[string]any{
			"account_id": "acme-echo", "to": map[string]string{"address": m.new("to"), "address_kind": "echo"},
			"content": map[string]string{"type": "text", "text": m.new("text")},
		}
	}
	body := encode(t, good())
	for _, token := range []string{m.new("token"), "hub_" + m.new("tokenid") + "_" + m.new("tokensecret")} {
		for _, scheme := range []string{"Bearer ", "Basic ", ""} {
			header := http.Header{"Authorization": {scheme + token}, "Idempotency-Key": {m.new("key")}, "Content-Type": {"application/json"}}
			want(t, "a wrong token", h.ask(http.MethodPost, h.public+"/v1/messages", header, body), http.StatusUnauthorized)
			want(t, "a wrong token for operators", h.ask(http.MethodGet, h.admin+"/admin/v1/plugins", header, nil), http.StatusUnauthorized, http.StatusNotFound)
		}
	}
	want(t, "a token in the URL", h.ask(http.MethodGet, h.public+"/v1/events?token="+m.new("urltoken"), nil, nil), http.StatusUnauthorized)

	spoil := func(change func(map[string]any)) []byte {
		v := good()
		change(v)
		return encode(t, v)
	}
	for what, body := range map[string][]byte{
		"half a body":        encode(t, good())[:100],
		"no JSON":            []byte(m.new("nojson")),
		"an unknown field":   spoil(func(v map[string]any) { v[m.new("field")] = m.new("value") }),
		"an unknown account": spoil(func(v map[string]any) { v["account_id"] = m.new("account") }),
		"an unknown contact": spoil(func(v map[string]any) { v["to"] = map[string]string{"contact_id": m.new("contact")} }),
		"an unknown kind": spoil(func(v map[string]any) {
			v["to"] = map[string]string{"address": m.new("to"), "address_kind": m.new("kind")}
		}),
		"an unknown type": spoil(func(v map[string]any) { v["content"] = map[string]string{"type": m.new("type"), "text": m.new("text")} }),
		"a wrong type":    spoil(func(v map[string]any) { v["content"] = m.new("content") }),
		"a long text": spoil(func(v map[string]any) {
			v["content"] = map[string]string{"type": "text", "text": strings.Repeat(m.new("text"), 200)}
		}),
		"a long address":  spoil(func(v map[string]any) { v["to"] = map[string]string{"address": strings.Repeat(m.new("to"), 20)} }),
		"a bad duration":  spoil(func(v map[string]any) { v["expire_after"] = m.new("duration") }),
		"a bad reference": spoil(func(v map[string]any) { v["reply_to"] = map[string]string{"id": m.new("reply")} }),
	} {
		a := h.v1(http.MethodPost, "/v1/messages", m.new("key"), body)
		if a.status < 400 && what != "an unknown kind" && what != "a bad reference" || a.status >= 500 {
			t.Errorf("%s: status %d", what, a.status)
		}
	}
	// One key, two bodies.
	key := m.new("key")
	spoiled := spoil(func(v map[string]any) { v["content"] = map[string]string{"type": m.new("type")} })
	h.v1(http.MethodPost, "/v1/messages", key, spoiled)
	h.v1(http.MethodPost, "/v1/messages", strings.Repeat(key, 20), encode(t, good()))

	for _, path := range []string{
		"/v1/messages/%s", "/v1/messages/%s/resolve", "/v1/conversations/%s", "/v1/conversations/%s/messages", "/v1/conversations/%s/typing",
		"/v1/conversations/%s/read", "/v1/conversations/%s/end", "/v1/accounts/%s", "/v1/events?cursor=%s", "/v1/events?limit=%s", "/v1/events?wait=%s",
		"/v1/conversations?cursor=%s", "/v1/%s", "/%s", "/chat/%s/widget.js", "/a/%s",
	} {
		for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodDelete} {
			a := h.v1(method, fmt.Sprintf(path, url.PathEscape(m.new("path"))), m.new("key"), encode(t, map[string]string{"as": m.new("as"), "up_to": m.new("upto")}))
			if a.status >= 500 || a.status < 300 {
				t.Errorf("%s %s: status %d", method, path, a.status)
			}
		}
	}
	want(t, "a bad acknowledgement", h.v1(http.MethodPost, "/v1/events/ack", "", encode(t, map[string]string{"cursor": m.new("cursor")})),
		http.StatusUnprocessableEntity, http.StatusBadRequest, http.StatusNotFound, http.StatusMethodNotAllowed)
}

// operate reads what is offered to operators into the output that is searched.
func operate(t *testing.T, h *hub, sent []string) {
	t.Helper()
	read := map[string][]string{
		ops: {
			"/metrics", "/readyz?verbose", "/admin/v1/plugins", "/admin/v1/journal", "/admin/v1/health", "/admin/v1/stats",
		},
		conf: {"/admin/v1/clients", "/admin/v1/accounts", "/admin/v1/tokens", "/admin/v1/config"},
	}
	for _, id := range sent {
		read[ops] = append(read[ops], "/admin/v1/messages/"+id+"/trace")
	}
	for token, paths := range read {
		for _, path := range paths {
			a := h.ask(http.MethodGet, h.admin+path, http.Header{"Authorization": {"Bearer " + token}}, nil)
			want(t, "GET "+path, a, http.StatusOK)
			_, _ = fmt.Fprintf(&h.out, "GET %s: %s\n", path, a.body)
		}
	}
}

// search looks for the markers in all that was written.
func search(t *testing.T, h *hub, m *marks, when string) {
	t.Helper()
	hits, err := canary.ScanDir(h.dir, m.all...)
	if err != nil {
		t.Fatal(err)
	}
	for line := range bytes.Lines(h.out.bytes()) {
		for _, hit := range canary.Scan("output", line, m.all...) {
			t.Errorf("%s: found %s in the line\n%s", when, hit, line)
		}
	}
	for _, hit := range hits {
		t.Errorf("%s: found %s", when, hit)
	}
}
