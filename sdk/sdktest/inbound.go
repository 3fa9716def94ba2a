package sdktest

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"google.golang.org/protobuf/types/known/timestamppb"

	connectorv1 "github.com/channelhub/channelhub/sdk/proto/channelhub/connector/v1"
)

// inbound is a request of a story.
type inbound struct {
	method, path string
	header       http.Header
	body         []byte
	account      *connectorv1.AccountRef // nil on an app-level route
	subPath      string
}

// runRequest tells a provider's request, and what is derived from it.
func (s *story) runRequest(t *testing.T, b *bench, w *wanted) {
	settings := b.open(t, accountID, s.account(b.suite), b.provider.url)
	request := b.parse(t, s.section("request.http"))
	sent := b.signed(settings, request, true)

	result := b.receive(t, sent)
	reply := result.GetReply()
	w.check(t, "want.reply", []byte(replyText(reply)))
	w.check(t, "want.events.json", itemsOf(t, result.GetItems()))

	if again := b.receive(t, sent); !bytes.Equal(itemsOf(t, result.GetItems()), itemsOf(t, again.GetItems())) {
		t.Error("the same request told something else the second time")
	}
	if status := reply.GetStatus(); status >= http.StatusBadRequest {
		if len(result.GetItems()) > 0 {
			t.Errorf("a request answered %d told something", status)
		}
		return
	}
	b.checkSignature(t, sent)
	b.checkForeign(t, s, sent)
	for name, body := range brokenBodies(request.body, 3<<20) {
		broken := *request
		broken.body = body
		got := b.receive(t, b.signed(settings, &broken, false))
		if got.GetReply().GetStatus() < http.StatusBadRequest && len(got.GetItems()) > 0 && name != "truncated" {
			t.Errorf("a body that is %s told something", name)
		}
	}
	b.alive(t)
}

// parse reads a request. Its path says which route it came by.
func (b *bench) parse(t *testing.T, data []byte) *inbound {
	t.Helper()
	first, header, body, err := parseHTTP(data)
	if err != nil {
		t.Fatalf("request.http: %v", err)
	}
	method, path, ok := strings.Cut(first, " ")
	if !ok {
		t.Fatalf("request.http: the first line is a method and a path, not %q", first)
	}
	in := &inbound{method: method, path: path, header: header, body: body}
	behind, ok := strings.CutPrefix(path, "/in/"+b.described.GetName())
	if !ok {
		t.Fatalf("request.http: the path begins with /in/%s", b.described.GetName())
	}
	behind, _, _ = strings.Cut(behind, "?")
	if segment, rest, _ := strings.Cut(strings.TrimPrefix(behind, "/"), "/"); segment != "" {
		in.account, in.subPath = ref(segment), rest
	}
	return in
}

// signed fills {{signature}} in. For a body that the suite made, a valid
// signature also takes the place of one that the story wrote out.
func (b *bench) signed(settings *connectorv1.AccountSettings, in *inbound, keep bool) *inbound {
	recipe := b.recipe()
	if recipe == nil || in.header.Get(recipe.GetHeader()) == "" {
		return in
	}
	if keep && !strings.Contains(in.header.Get(recipe.GetHeader()), "{{signature}}") {
		return in
	}
	out := *in
	out.header = maps.Clone(in.header)
	for _, secret := range settings.GetSecrets() {
		if secret.GetName() == recipe.GetSecret() && len(secret.GetValues()) > 0 {
			mac := hmac.New(sha256.New, []byte(secret.GetValues()[0]))
			_, _ = mac.Write(in.body)
			out.header.Set(recipe.GetHeader(), recipe.GetPrefix()+hex.EncodeToString(mac.Sum(nil)))
		}
	}
	return &out
}

// recipe returns how the connector says its requests are signed, or nil.
func (b *bench) recipe() *connectorv1.HMACBody {
	for _, route := range b.described.GetRoutes() {
		if route.GetSignature().HasHmacSha256Body() {
			return route.GetSignature().GetHmacSha256Body()
		}
	}
	return nil
}

// signatureHeader returns the header that signs a request, or "".
func (b *bench) signatureHeader() string {
	if recipe := b.recipe(); recipe != nil {
		return http.CanonicalHeaderKey(recipe.GetHeader())
	}
	for _, route := range b.described.GetRoutes() {
		if route.GetSignature().HasTwilio() {
			return "X-Twilio-Signature"
		}
	}
	return http.CanonicalHeaderKey(b.suite.SignatureHeader)
}

// receive hands a request over and checks what must hold for every answer.
func (b *bench) receive(t *testing.T, in *inbound) *connectorv1.HTTPResult {
	t.Helper()
	result := b.tryReceive(t, in)
	if result.HasFault() {
		t.Errorf("a request with a body of %d bytes is a fault: %s", len(in.body), result.GetFault())
	}
	for _, item := range result.GetItems() {
		if fault := itemFault(item, result.GetVerifiedAccountIds()); fault != "" {
			t.Errorf("an item would be refused: %s", fault)
		}
	}
	return result
}

func (b *bench) tryReceive(t *testing.T, in *inbound) *connectorv1.HTTPResult {
	t.Helper()
	link, remote := externalURL+in.path, "192.0.2.1:1234"
	var headers []*connectorv1.Header
	for name, values := range in.header {
		headers = append(headers, connectorv1.Header_builder{Name: &name, Values: values}.Build())
	}
	resp, err := b.ReceiveHTTP(limited(t), connectorv1.ReceiveHTTPRequest_builder{Requests: []*connectorv1.HTTPRequest{
		connectorv1.HTTPRequest_builder{
			Account: in.account, Method: &in.method, Url: &link, SubPath: &in.subPath, Headers: headers, Body: in.body,
			RemoteAddress: &remote, ReceivedAt: timestamppb.Now(),
		}.Build(),
	}}.Build())
	if err != nil {
		t.Fatalf("receive: %v", err)
	}
	if len(resp.GetResults()) != 1 {
		t.Fatalf("one request has %d results", len(resp.GetResults()))
	}
	return resp.GetResults()[0]
}

// replyText is a reply as stories show it.
func replyText(reply *connectorv1.HTTPReply) string {
	status := int(reply.GetStatus())
	if status == 0 {
		status = http.StatusOK
	}
	header := http.Header{}
	for _, h := range reply.GetHeaders() {
		header[h.GetName()] = h.GetValues()
	}
	return httpText(strconv.Itoa(status), header, reply.GetBody())
}

// checkSignature breaks the signature in several ways.
func (b *bench) checkSignature(t *testing.T, in *inbound) {
	t.Helper()
	name := b.signatureHeader()
	value := in.header.Get(name)
	if name == "" || value == "" {
		return
	}
	flipped := []byte(value)
	// Behind any prefix, and not the last digit, of which base64 ignores bits.
	at := len(flipped) * 3 / 4
	flipped[at] = map[bool]byte{true: '2', false: '1'}[flipped[at] == '1']
	for what, values := range map[string][]string{
		"flipped": {string(flipped)}, "missing": nil, "empty": {""}, "of other characters": {strings.Repeat("é", 32)},
		"twice": {string(flipped), value},
	} {
		broken := *in
		broken.header = maps.Clone(in.header)
		delete(broken.header, name)
		if values != nil {
			broken.header[name] = values
		}
		result := b.receive(t, &broken)
		if status := result.GetReply().GetStatus(); status != http.StatusUnauthorized && status != http.StatusForbidden {
			t.Errorf("a signature that is %s is answered %d", what, status)
		}
		if len(result.GetItems()) > 0 || len(result.GetVerifiedAccountIds()) > 0 {
			t.Errorf("a request whose signature is %s told something", what)
		}
	}
}

// checkForeign sends the request to accounts it is not for: one that is not
// open, and one with other secrets.
func (b *bench) checkForeign(t *testing.T, s *story, in *inbound) {
	t.Helper()
	if in.account == nil {
		return
	}
	refused := func(to string) {
		t.Helper()
		misdirected := *in
		misdirected.account = ref(to)
		result := b.tryReceive(t, &misdirected)
		if len(result.GetItems()) > 0 || result.GetReply().GetStatus() < http.StatusBadRequest {
			t.Errorf("a request for one account was taken for another, %q", to)
		}
	}
	refused("nobody")
	if b.signatureHeader() == "" {
		return
	}
	b.hub.add("other")
	other := b.settings(t, "other", s.account(b.suite), b.provider.url)
	for _, secret := range other.GetSecrets() {
		secret.SetValues([]string{"another " + secret.GetValues()[0]})
	}
	if _, err := b.OpenAccount(limited(t), connectorv1.OpenAccountRequest_builder{Settings: other}.Build()); err != nil {
		return // both accounts have one address at the provider
	}
	refused("other")
	b.close(t, other)
}

// brokenBodies are bodies that tell nothing, or not all of it.
func brokenBodies(body []byte, large int) map[string][]byte {
	return map[string][]byte{
		"truncated":      body[:len(body)/2],
		"empty":          {},
		"huge":           bytes.Repeat([]byte("a"), large),
		"deeply nested":  []byte(strings.Repeat(`{"a":`, 10000) + "1" + strings.Repeat("}", 10000)),
		"not UTF-8":      []byte("{\"a\":\"\xff\xfe\"}"),
		"a lone bracket": []byte("["),
	}
}
