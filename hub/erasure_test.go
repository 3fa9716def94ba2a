package hub_test

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/channelhub/channelhub/hub/hubtest"
)

const (
	privacy = "hubtest-privacy-token-of-more-than-32-characters"
	auditor = "hubtest-auditor-token-of-more-than-32-characters"
)

// TestEraseContact: somebody who has written, was answered, sent a file and has
// an answer on its way is erased over HTTP. Within a moment every face answers
// as if they had never been, the row and the bytes follow, and who writes next
// from the same address is somebody new.
func TestEraseContact(t *testing.T) {
	config := fmt.Sprintf(`access: {bootstrap_tokens: {privacy: {role: privacy, token: %q}, auditor: {role: auditor, token: %q}}}`, privacy, auditor)
	h := hubtest.New(t, &hubtest.Options{Config: config})
	admin := func(token, method, path string, body any) hubtest.Answer {
		a := *h
		a.Public = h.Admin
		return a.Call(token, method, path, body)
	}
	h.Say("ada", "1", "please forget the violet lamps")
	h.Say("bob", "1", "I stay")
	h.Await(h.Send("ada", "we shall").ID, "sent")
	var list struct {
		Data []struct {
			ID      string
			Contact struct{ ID, Address string }
		}
	}
	conversations := func() string {
		h.Get(hubtest.Desk, "/v1/conversations", &list)
		var who []string
		for _, c := range list.Data {
			who = append(who, c.Contact.Address)
		}
		return strings.Join(who, " ")
	}
	if got := conversations(); got != "ada bob" && got != "bob ada" {
		t.Fatalf("conversations of %q", got)
	}
	var contact, conversation string
	for _, c := range list.Data {
		if c.Contact.Address == "ada" {
			contact, conversation = c.Contact.ID, c.ID
		}
	}
	// The provider is away, and an answer waits.
	h.Provider.Handle(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "60")
		w.WriteHeader(http.StatusTooManyRequests)
	})
	waiting := h.Send("ada", "we forget the violet lamps")

	for _, c := range []struct {
		token string
		body  map[string]any
		want  int
	}{
		{hubtest.Desk, map[string]any{"client_id": "acme", "contact_id": contact}, 403},
		{hubtest.Operator, map[string]any{"client_id": "acme", "contact_id": contact}, 403},
		{privacy, map[string]any{"client_id": "nobody", "contact_id": contact}, 404},
		{privacy, map[string]any{"client_id": "acme", "contact_id": "cnt_" + strings.Repeat("0", 26)}, 404},
		{privacy, map[string]any{"client_id": "acme", "address": "carol", "address_kind": "echo"}, 404},
		{privacy, map[string]any{"client_id": "acme"}, 422},
		{privacy, map[string]any{"client_id": "acme", "contact_id": contact, "address": "ada"}, 422},
	} {
		if a := admin(c.token, http.MethodPost, "/admin/v1/contacts/erase", c.body); a.Status != c.want {
			t.Errorf("erase %v: %d, want %d: %s", c.body, a.Status, c.want, a.Body)
		}
	}
	order := map[string]any{"client_id": "acme", "contact_id": contact}
	a := admin(privacy, http.MethodPost, "/admin/v1/contacts/erase", order)
	if a.Status != http.StatusAccepted {
		t.Fatalf("erase: %d %s", a.Status, a.Body)
	}
	var e struct {
		ID, Step        string
		UnreadableAt    *time.Time `json:"unreadable_at"`
		UnrecoverableBy *time.Time `json:"unrecoverable_by"`
		DoneAt          *time.Time `json:"done_at"`
		Removed         map[string]int
	}
	step := func(want string) {
		t.Helper()
		h.Until("the erasure to be "+want, func() error {
			if err := json.Unmarshal(admin(privacy, http.MethodGet, "/admin/v1/contacts/erasures/"+mustID(t, a.Body), nil).Body, &e); err != nil {
				return err
			}
			if e.Step != want {
				return fmt.Errorf("it is %s", e.Step)
			}
			return nil
		})
	}
	step("waiting")
	if e.UnreadableAt == nil || e.UnrecoverableBy == nil || !e.UnrecoverableBy.Equal(*e.UnreadableAt) || e.DoneAt != nil {
		t.Errorf("while it waits: %+v", e)
	}
	hidden := func() {
		t.Helper()
		if got := conversations(); got != "bob" {
			t.Errorf("conversations of %q, want bob's alone", got)
		}
		for path, want := range map[string]int{
			"/v1/conversations/" + conversation:               404,
			"/v1/conversations/" + conversation + "/messages": 404,
			"/v1/conversations/" + conversation + "/context":  404,
			"/v1/messages/" + waiting.ID:                      404,
		} {
			if a := h.Call(hubtest.Desk, http.MethodGet, path, nil); a.Status != want || strings.Contains(string(a.Body), "violet") {
				t.Errorf("GET %s: %d, want %d: %s", path, a.Status, want, a.Body)
			}
		}
		if a := h.Call(hubtest.Desk, http.MethodPost, "/v1/messages", map[string]any{
			"account_id": "acme-echo", "to": map[string]any{"contact_id": contact}, "content": map[string]any{"type": "text", "text": "are you there?"},
		}); a.Status != 422 {
			t.Errorf("a message to the contact: %d %s", a.Status, a.Body)
		}
		events := h.Call(hubtest.Desk, http.MethodGet, "/v1/events?limit=100", nil)
		if strings.Contains(string(events.Body), "violet") || strings.Contains(string(events.Body), `"ada"`) {
			t.Errorf("the feed still tells of it: %s", events.Body)
		}
	}
	hidden()
	if again := admin(privacy, http.MethodPost, "/admin/v1/contacts/erase", order); again.Status != http.StatusOK {
		t.Errorf("the same order again: %d %s", again.Status, again.Body)
	}
	// It outlives the process, and who writes meanwhile is somebody new.
	tried := len(h.Provider.Posts())
	h.Provider.Handle(nil)
	h.Restart()
	h.Say("ada", "2", "good day")
	step("done")
	want := map[string]int{"contacts": 1, "addresses": 1, "conversations": 1, "events": 1, "messages": 2, "provider_ids": 1, "dead_letters": 0, "attachments": 0}
	for what, n := range want {
		if e.Removed[what] != n {
			t.Errorf("removed %d %s, want %d", e.Removed[what], what, n)
		}
	}
	if got := conversations(); got != "ada bob" {
		t.Errorf("conversations of %q, want the new Ada's and Bob's", got)
	}
	if id := list.Data[0].Contact.ID; id == contact || list.Data[0].ID == conversation {
		t.Errorf("Ada is who she was: %s", id)
	}
	if got := h.Events(hubtest.Desk, "limit=100").Texts(); strings.Contains(got, "violet") || !strings.Contains(got, "good day") {
		t.Errorf("events: %q", got)
	}
	for _, p := range h.Provider.Posts()[tried:] {
		if strings.Contains(p.Text, "violet") {
			t.Error("what was to be forgotten was sent")
		}
	}
	audit := admin(auditor, http.MethodGet, "/admin/v1/audit?action=contact.erase", nil)
	if body := string(audit.Body); strings.Count(body, `"erasure/`+e.ID) < 2 || strings.Contains(body, contact) || strings.Contains(body, `"ada"`) {
		t.Errorf("the audit log: %s", body)
	}
	h.Stop()
	err := filepath.WalkDir(filepath.Join(h.Configure(config), "data"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		content, err := os.ReadFile(path)
		if strings.Contains(string(content), "violet lamps") {
			t.Errorf("%s holds what was said", path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func mustID(t *testing.T, body []byte) string {
	t.Helper()
	var v struct{ ID string }
	if err := json.Unmarshal(body, &v); err != nil || v.ID == "" {
		t.Fatalf("no id in %s", body)
	}
	return v.ID
}
