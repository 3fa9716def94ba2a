package app_test

import (
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/channelhub/channelhub/hub/hubtest"
	"github.com/channelhub/channelhub/hub/model"
)

// TestManners checks what all calls have in common.
func TestManners(t *testing.T) {
	h := hubtest.New(t, nil)
	t.Run("token", func(t *testing.T) {
		h := h.In(t)
		for name, token := range map[string]string{
			"none": "", "unknown": strings.Repeat("x", 40), "unknown hub token": "hub_0123456789abcdef_" + strings.Repeat("0", 52), "very long": strings.Repeat("x", 5000),
		} {
			a := h.Call(token, http.MethodGet, "/v1/accounts", nil)
			if a.Status != 401 || a.Problem().Type != "urn:channelhub:problem:unauthenticated" || !strings.HasPrefix(a.Header.Get("WWW-Authenticate"), "Bearer") {
				t.Errorf("%s: %d %s, WWW-Authenticate %q", name, a.Status, a.Body, a.Header.Get("WWW-Authenticate"))
			}
		}
		basic := h.Call("", http.MethodGet, "/v1/accounts", nil, "Authorization", "Basic "+hubtest.Desk)
		if basic.Status != 401 {
			t.Errorf("another scheme: %d", basic.Status)
		}
		if a := h.Call(hubtest.Operator, http.MethodGet, "/v1/accounts", nil); a.Status != 403 {
			t.Errorf("a role that may not: %d %s", a.Status, a.Body)
		}
	})
	t.Run("method and path", func(t *testing.T) {
		h := h.In(t)
		a := h.Call(hubtest.Desk, http.MethodDelete, "/v1/messages", nil)
		if a.Status != 405 || a.Header.Get("Allow") != "POST" || a.Problem().Type != "urn:channelhub:problem:method_not_allowed" {
			t.Errorf("wrong method: %d, Allow %q, %s", a.Status, a.Header.Get("Allow"), a.Body)
		}
		if a := h.Call(hubtest.Desk, http.MethodGet, "/v1/nothing", nil); a.Status != 404 || a.Problem().Type != "urn:channelhub:problem:not_found" {
			t.Errorf("no such path: %d %s", a.Status, a.Body)
		}
	})
	t.Run("body", func(t *testing.T) {
		h := h.In(t)
		for name, c := range map[string]struct {
			body   string
			header []string
			status int
			kind   string
			fields string
		}{
			"empty":            {body: "", status: 400, kind: "malformed"},
			"no JSON":          {body: "hello", status: 400, kind: "malformed"},
			"half of it":       {body: `{"account_id":`, status: 400, kind: "malformed"},
			"two values":       {body: `{} {}`, status: 400, kind: "malformed"},
			"a bracket behind": {body: `{}]`, status: 400, kind: "malformed"},
			"no UTF-8":         {body: "{\"account_id\":\"acme-echo\",\"to\":{\"address\":\"ada\"},\"content\":{\"type\":\"text\",\"text\":\"hi\"},\"context\":{\"a\":\"\xff\"}}", status: 400, kind: "malformed"},
			"a list":           {body: `[]`, status: 422, kind: "invalid", fields: ""},
			"null":             {body: `null`, status: 422, kind: "invalid", fields: ""},
			"twice deep down":  {body: `{"context":{"a":[{"b":1,"b":1}]}}`, status: 422, kind: "invalid", fields: "context.a[0].b account_id content.type to"},
			"unknown field":    {body: `{"acount_id":"acme-echo"}`, status: 422, kind: "invalid", fields: "acount_id account_id content.type to"},
			"wrong type":       {body: `{"account_id":"acme-echo","to":{"contact_id":7}}`, status: 422, kind: "invalid", fields: "to.contact_id content.type"},
			"object expected":  {body: `{"to":"ada"}`, status: 422, kind: "invalid", fields: "to account_id content.type"},
			"no account":       {body: `{}`, status: 422, kind: "invalid", fields: "account_id content.type to"},
			"all at once": {
				body:   `{"acount_id":"acme-echo","to":{"contact_id":7,"addr":"x"},"content":{"type":"menu","sections":[{"title":[]}],"a/b~":1},"attachments":[3],"expire_after":5}`,
				status: 422, kind: "invalid",
				fields: "acount_id attachments[0] content.a/b~ content.sections[0].title expire_after to.addr to.contact_id account_id content.text content.sections[0].items",
			},
			"half of a misfit": {body: `{"to":"ada","acount_id":`, status: 400, kind: "malformed"},
			"answers nothing":  {body: `{"reply_to":{}}`, status: 422, kind: "invalid", fields: "account_id reply_to content.type to"},
			"answers no id":    {body: `{"reply_to":{"id":7}}`, status: 422, kind: "invalid", fields: "reply_to.id account_id content.type to"},
			"name twice":       {body: `{"to":"ada","to":{}}`, status: 422, kind: "invalid", fields: "to account_id content.type"},
			"any case":         {body: `{"TO":"ada"}`, status: 422, kind: "invalid", fields: "TO account_id content.type to"},
			"header and body":  {body: `{}`, header: []string{"Idempotency-Key", strings.Repeat("k", 256)}, status: 422, kind: "invalid", fields: "Idempotency-Key account_id content.type to"},
			"by the account":   {body: `{"account_id":"acme-echo","author":"x"}`, status: 422, kind: "invalid", fields: "author content.type to"},
			"of a foreign one": {body: `{"account_id":"other-echo","author":"x"}`, status: 422, kind: "invalid", fields: "author account_id content.type to"},
			"of a missing one": {body: `{"account_id":"nowhere","author":"x"}`, status: 422, kind: "invalid", fields: "author account_id content.type to"},
			"two faults":       {body: `{"author":"customer","expire_after":"soon"}`, status: 422, kind: "invalid", fields: "author expire_after account_id content.type to"},
			"too large":        {body: `{"x":"` + strings.Repeat("x", 600<<10) + `"}`, status: 413, kind: "too_large"},
			"content type":     {body: `{}`, header: []string{"Content-Type", "text/plain"}, status: 415, kind: "unsupported_media_type"},
			"encoding":         {body: `{}`, header: []string{"Content-Encoding", "gzip"}, status: 415, kind: "unsupported_media_type"},
		} {
			a := h.Call(hubtest.Desk, http.MethodPost, "/v1/messages", c.body, c.header...)
			p := a.Problem()
			if a.Status != c.status || p.Type != "urn:channelhub:problem:"+c.kind || strings.TrimSpace(p.Fields()) != c.fields {
				t.Errorf("%s: %d %s", name, a.Status, a.Body)
			}
			if p.Status != a.Status || p.Title == "" || a.Header.Get("Content-Type") != "application/problem+json" || p.RequestID != a.Header.Get("X-Request-Id") {
				t.Errorf("%s: not a whole problem document: %s", name, a.Body)
			}
		}
		a := h.Call(hubtest.Desk, http.MethodPost, "/v1/messages", `{"to":"ada"}`)
		if d := a.Problem().Faults; len(d) == 0 || !strings.Contains(d[0].Detail, "an object") {
			t.Errorf("the fault does not say what would be right: %s", a.Body)
		}
	})
	t.Run("everywhere at once", func(t *testing.T) {
		h := h.In(t)
		a := h.Call(hubtest.Desk, http.MethodPost, "/v1/messages?dry_run=perhaps",
			`{"account_id":"acme-echo","to":{"address":"ada","address_kind":"psid"},"content":{"type":"text","text":""},"author":"x","expire_after":"soon","reply":1}`,
			"Idempotency-Key", strings.Repeat("k", 256))
		var got []string
		for _, f := range a.Problem().Faults {
			got = append(got, f.In+f.Pointer)
		}
		want := []string{"/reply", "/author", "/expire_after", "header", "query", "/content/text", "/to/address_kind"}
		if diff := cmp.Diff(want, got); a.Status != 422 || diff != "" {
			t.Errorf("%d (-want +got)\n%s", a.Status, diff)
		}
	})
	t.Run("query", func(t *testing.T) {
		h := h.In(t)
		conv := "/v1/conversations/cnv_" + strings.Repeat("0", 26) + "/messages"
		for path, want := range map[string]string{
			"/v1/events?limit=x&wait=1h&cursor=none":  "limit wait cursor",
			"/v1/events?limit=0":                      "limit",
			"/v1/events?wait=-1s&limit=501":           "limit wait",
			"/v1/conversations?limit=-1&cursor=none":  "limit cursor",
			conv + "?limit=201&cursor=none":           "limit cursor",
			"/v1/accounts?limit=99999999999999999999": "limit",
		} {
			a := h.Call(hubtest.Desk, http.MethodGet, path, nil)
			if p := a.Problem(); a.Status != 422 || p.Fields() != want || p.Faults[0].In != "query" || p.Faults[0].Pointer != "" {
				t.Errorf("%s: %d %s", path, a.Status, a.Body)
			}
		}
		a := h.Call(hubtest.Desk, http.MethodGet, "/v1/events?cursor=none", nil, "Accept", "text/event-stream", "Last-Event-ID", "none")
		if p := a.Problem(); a.Status != 422 || p.Fields() != "Last-Event-ID" || p.Faults[0].In != "header" {
			t.Errorf("Last-Event-ID: %d %s", a.Status, a.Body)
		}
	})
	t.Run("header size", func(t *testing.T) {
		h := h.In(t)
		for size, want := range map[int]int{15 << 10: 200, 21 << 10: 431} {
			if a := h.Call(hubtest.Desk, http.MethodGet, "/v1/accounts", nil, "X-Big", strings.Repeat("x", size)); a.Status != want {
				t.Errorf("%d bytes: %d", size, a.Status)
			}
		}
	})
	t.Run("request id", func(t *testing.T) {
		h := h.In(t)
		if got := h.Call(hubtest.Desk, http.MethodGet, "/v1/accounts", nil, "X-Request-Id", "my-id_1.2").Header.Get("X-Request-Id"); got != "my-id_1.2" {
			t.Errorf("it came back as %q", got)
		}
		made := regexp.MustCompile(`^req_[0-9a-v]{26}$`)
		for _, id := range []string{"", "with space", strings.Repeat("x", 65), `"quoted"`} {
			if got := h.Call(hubtest.Desk, http.MethodGet, "/v1/accounts", nil, "X-Request-Id", id).Header.Get("X-Request-Id"); !made.MatchString(got) {
				t.Errorf("%q became %q", id, got)
			}
		}
	})
	t.Run("accounts", func(t *testing.T) {
		h := h.In(t)
		var list struct {
			Data []struct {
				ID           string         `json:"id"`
				Channel      string         `json:"channel"`
				Health       map[string]any `json:"health"`
				Capabilities map[string]any `json:"capabilities"`
			} `json:"data"`
			NextCursor string `json:"next_cursor"`
		}
		h.Get(hubtest.Desk, "/v1/accounts?limit=1", &list)
		if len(list.Data) != 1 || list.Data[0].ID != "acme-echo" || list.Data[0].Channel != "echo" || list.NextCursor != "" ||
			list.Data[0].Health["state"] != "open" || list.Data[0].Capabilities["send"] != true || list.Data[0].Capabilities["idempotent_send"] != true {
			t.Errorf("accounts %+v", list)
		}
		for _, limit := range []string{"0", "501", "x", "-1"} {
			if a := h.Call(hubtest.Desk, http.MethodGet, "/v1/accounts?limit="+limit, nil); a.Status != 422 || a.Problem().Fields() != "limit" {
				t.Errorf("limit %s: %d %s", limit, a.Status, a.Body)
			}
		}
	})
}

var requestID = regexp.MustCompile(`"request_id":"[^"]*"`)

// same compares two answers but for the request's own id.
func same(a, b hubtest.Answer) bool {
	return a.Status == b.Status && requestID.ReplaceAllString(string(a.Body), "") == requestID.ReplaceAllString(string(b.Body), "")
}

// TestForeignIDs: what belongs to another client is answered byte for byte like
// what is not there (I8).
func TestForeignIDs(t *testing.T) {
	h := hubtest.New(t, nil)
	h.Say("ada", "1", "hello")
	ev := h.Events(hubtest.Desk, "").Data[0]
	sent := h.Send("ada", "answer")
	missing := struct{ conv, in, out, contact string }{conv: string(model.NewConversationID()), contact: string(model.NewContactID())}
	for _, d := range []model.Direction{model.Inbound, model.Outbound} {
		id := string(model.MessagePlace{Conversation: model.NewConversationID(), Direction: d, Key: model.NewRandom16()}.ID())
		if d == model.Inbound {
			missing.in = id
		} else {
			missing.out = id
		}
	}
	to := func(account, contact string) map[string]any {
		return map[string]any{"account_id": account, "to": map[string]string{"contact_id": contact}, "content": map[string]string{"type": "text", "text": "x"}}
	}
	for name, c := range map[string]struct {
		method, foreign, missing string
		body, otherBody          any
		status                   int
	}{
		"inbound message":           {http.MethodGet, "/v1/messages/" + ev.Message.ID, "/v1/messages/" + missing.in, nil, nil, 404},
		"outbound message":          {http.MethodGet, "/v1/messages/" + sent.ID, "/v1/messages/" + missing.out, nil, nil, 404},
		"malformed message":         {http.MethodGet, "/v1/messages/" + sent.ID, "/v1/messages/nonsense", nil, nil, 404},
		"resolve":                   {http.MethodPost, "/v1/messages/" + sent.ID + "/resolve", "/v1/messages/" + missing.out + "/resolve", `{"as":"sent"}`, nil, 404},
		"resolve an inbound one":    {http.MethodPost, "/v1/messages/" + ev.Message.ID + "/resolve", "/v1/messages/nonsense/resolve", `{"as":"sent"}`, nil, 404},
		"conversation":              {http.MethodGet, "/v1/conversations/" + ev.ConversationID, "/v1/conversations/" + missing.conv, nil, nil, 404},
		"malformed conversation":    {http.MethodGet, "/v1/conversations/" + ev.ConversationID, "/v1/conversations/cnv_x", nil, nil, 404},
		"messages":                  {http.MethodGet, "/v1/conversations/" + ev.ConversationID + "/messages", "/v1/conversations/" + missing.conv + "/messages", nil, nil, 404},
		"typing":                    {http.MethodPost, "/v1/conversations/" + ev.ConversationID + "/typing", "/v1/conversations/" + missing.conv + "/typing", nil, nil, 404},
		"read":                      {http.MethodPost, "/v1/conversations/" + ev.ConversationID + "/read", "/v1/conversations/" + missing.conv + "/read", `{"up_to":"` + ev.Message.ID + `"}`, nil, 404},
		"end":                       {http.MethodPost, "/v1/conversations/" + ev.ConversationID + "/end", "/v1/conversations/" + missing.conv + "/end", nil, nil, 404},
		"account":                   {http.MethodGet, "/v1/accounts/acme-echo", "/v1/accounts/nowhere", nil, nil, 404},
		"message of an account":     {http.MethodPost, "/v1/messages", "/v1/messages", to("acme-echo", ev.Contact.ID), to("nowhere", ev.Contact.ID), 404},
		"message to a contact":      {http.MethodPost, "/v1/messages", "/v1/messages", to("other-echo", ev.Contact.ID), to("other-echo", missing.contact), 422},
		"message to a malformed":    {http.MethodPost, "/v1/messages", "/v1/messages", to("other-echo", ev.Contact.ID), to("other-echo", "cnt_x"), 422},
		"cursor":                    {http.MethodGet, "/v1/events?cursor=" + h.Events(hubtest.Desk, "").NextCursor, "/v1/events?cursor=nonsense", nil, nil, 422},
		"acknowledgement of a feed": {http.MethodPost, "/v1/events/ack", "/v1/events/ack", map[string]string{"cursor": h.Events(hubtest.Desk, "").NextCursor}, map[string]string{"cursor": "nonsense"}, 422},
	} {
		if c.otherBody == nil {
			c.otherBody = c.body
		}
		foreign := h.Call(hubtest.Other, c.method, c.foreign, c.body)
		absent := h.Call(hubtest.Other, c.method, c.missing, c.otherBody)
		if foreign.Status != c.status || !same(foreign, absent) {
			t.Errorf("I8: %s: foreign %d %s; missing %d %s", name, foreign.Status, foreign.Body, absent.Status, absent.Body)
		}
	}
	if got := h.Events(hubtest.Other, ""); len(got.Data) != 0 {
		t.Errorf("I8: the other client reads %+v", got.Data)
	}
}
