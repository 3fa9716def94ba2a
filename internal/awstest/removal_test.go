package awstest

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	dynamotypes "github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/google/go-cmp/cmp"

	"github.com/channelhub/channelhub/hub/hubtest"
	"github.com/channelhub/channelhub/internal/visitor"
)

const (
	boss      = "awstest-boss-token-of-more-than-32-characters"
	goneToken = "awstest-gone-token-of-more-than-32-characters"
	keptToken = "awstest-kept-token-of-more-than-32-characters"

	echoAccount = `{plugin: echo, config: {reply_url: "http://127.0.0.1:9"}, secrets: {secret: "hubtest secret of acme"}}`
	chatAccount = `{plugin: webchat, config: {allowed_origins: ["` + hubtest.Shop + `"], attachments: true}}`

	// leaving is a client that leaves as a whole, and one of whose accounts
	// one does; left is the configuration without them.
	leaving = `
access: {bootstrap_tokens: {` + forgets + `, boss: {role: configurator, token: "` + boss + `"}, gone: {role: client, client: gone, token: "` + goneToken + `"}, kept: {role: client, client: kept, token: "` + keptToken + `"}}}
clients:
  gone: {accounts: {gone-echo: ` + echoAccount + `, gone-chat: ` + chatAccount + `}}
  kept: {accounts: {kept-echo: ` + echoAccount + `, kept-chat: ` + chatAccount + `}}
`
	left = `
access: {bootstrap_tokens: {` + forgets + `, boss: {role: configurator, token: "` + boss + `"}, kept: {role: client, client: kept, token: "` + keptToken + `"}}}
clients:
  kept: {accounts: {kept-echo: ` + echoAccount + `}}
`
)

// admin calls the admin listener as the configurator.
func (h *onAWS) admin(method, path string) hubtest.Answer {
	a := *h.Hub
	a.Public = h.Admin
	return a.Call(boss, method, path, nil)
}

// fill lets a client have everything once: conversations by a provider and by
// web chat, files of both sides, and a message on its way.
func (h *onAWS) fill(t *testing.T, client, token string) {
	t.Helper()
	body := `{"id":"1","from":"ada","name":"Ada","text":"hello"}`
	if a := h.Call("", http.MethodPost, "/in/echo/"+client+"-echo", body, "X-Echo-Signature", hubtest.Sign([]byte(body))); a.Status != http.StatusOK {
		t.Fatalf("webhook: %d %s", a.Status, a.Body)
	}
	message := hubtest.Text("ada", "nobody takes it")
	message["account_id"] = client + "-echo"
	if a := h.Call(token, http.MethodPost, "/v1/messages", message); a.Status != http.StatusAccepted {
		t.Fatalf("send: %d %s", a.Status, a.Body)
	}
	ctx, cancel := context.WithTimeout(t.Context(), hubtest.Patience)
	defer cancel()
	v, err := visitor.Arrive(ctx, visitor.Chat{Hub: h.Public, Account: client + "-chat", Origin: hubtest.Shop}, "")
	if err != nil {
		t.Fatal(err)
	}
	defer v.Leave()
	file, err := v.Upload(ctx, "mine.txt", "from the visitor")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := v.Ask(ctx, map[string]any{"type": "message", "id": "1", "text": "hello", "attachments": []map[string]string{{"id": file.ID}}}); err != nil {
		t.Fatal(err)
	}
	events := h.Events(token, "").Data
	a := h.Call(token, http.MethodPost, "/v1/attachments?name=yours.txt", "from the desk", "Content-Type", "application/octet-stream")
	if a.Status != http.StatusCreated {
		t.Fatalf("upload: %d %s", a.Status, a.Body)
	}
	var yours hubtest.Attachment
	decode(t, a, &yours)
	a = h.Call(token, http.MethodPost, "/v1/messages", map[string]any{
		"account_id": client + "-chat", "to": map[string]string{"contact_id": events[len(events)-1].Contact.ID},
		"content": map[string]string{"type": "media"}, "attachments": []string{yours.ID},
	})
	if a.Status != http.StatusAccepted {
		t.Fatalf("answer with a file: %d %s", a.Status, a.Body)
	}
	if n := len(objectsOf(t, h.s3, h.buckets[client])); n != 2 {
		t.Errorf("%d objects of %s, want 2", n, client)
	}
}

// orderRemovals fills what is to go, drops it from the configuration and
// orders its removal, which begins 10 s later.
func orderRemovals(t *testing.T, h *onAWS) {
	t.Helper()
	h.fill(t, "gone", goneToken)
	h.fill(t, "kept", keptToken)
	h.Configure(h.config + left)
	if a := h.admin(http.MethodPost, "/admin/v1/config/reload"); a.Status != http.StatusOK {
		t.Fatalf("reload: %d %s", a.Status, a.Body)
	}
	for _, path := range []string{"clients/gone", "accounts/kept-chat"} {
		if a := h.admin(http.MethodDelete, "/admin/v1/"+path); a.Status != http.StatusAccepted {
			t.Fatalf("remove %s: %d %s", path, a.Status, a.Body)
		}
	}
}

// wantRemoved waits for the end of what orderRemovals has begun, and demands
// that nothing of it is left, and everything else.
func wantRemoved(t *testing.T, h *onAWS) {
	t.Helper()
	h.Until("the removals to be done", func() error {
		var list struct {
			Data []struct {
				ID, Step string
				Removed  map[string]int
			}
		}
		if err := json.Unmarshal(h.admin(http.MethodGet, "/admin/v1/removals").Body, &list); err != nil {
			return err
		}
		for _, r := range list.Data {
			if r.Step != "done" {
				return fmt.Errorf("%+v", r)
			}
			if r.Removed["attachments"] != 2 {
				t.Errorf("the receipt of %s says %v, want 2 attachments", r.ID, r.Removed)
			}
		}
		if len(list.Data) != 2 {
			return fmt.Errorf("%d removals", len(list.Data))
		}
		return nil
	})
	keys := h.fleet.keys(t)
	about := func(word string) (found []string) {
		for _, k := range keys {
			if strings.Contains(k, word) {
				found = append(found, k)
			}
		}
		return found
	}
	// The receipt, and the bucket, which another role removes.
	if diff := cmp.Diff([]string{"h/bucket gone", "h/removal gone"}, about("gone")); diff != "" {
		t.Errorf("rows that name the client (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"h/removal kept/kept-chat"}, about("kept-chat")); diff != "" {
		t.Errorf("rows that name the account (-want +got):\n%s", diff)
	}
	// Of the client that stays: the other account's conversation alone.
	for _, kind := range []string{"p/", "v/", "x/"} {
		partitions := map[string]bool{}
		for _, k := range about("c/kept/" + kind) {
			partition, _, _ := strings.Cut(k, " ")
			partitions[partition] = true
		}
		if len(partitions) != 1 {
			t.Errorf("%d partitions are left: %v", len(partitions), slices.Sorted(maps.Keys(partitions)))
		}
	}
	for _, client := range []string{"gone", "kept"} {
		if left := objectsOf(t, h.s3, h.buckets[client]); len(left) != 0 {
			t.Errorf("objects of %s that are left: %v", client, slices.Sorted(maps.Keys(left)))
		}
	}
	if a := h.Call(goneToken, http.MethodGet, "/v1/events", nil); a.Status != http.StatusUnauthorized {
		t.Errorf("the client's token is answered %d", a.Status)
	}
	var list struct {
		Data []struct {
			Account string `json:"account_id"`
		}
	}
	h.Get(keptToken, "/v1/conversations", &list)
	if len(list.Data) != 1 || list.Data[0].Account != "kept-echo" {
		t.Errorf("the client that stays has the conversations %+v", list.Data)
	}
}

// keys are the keys of all rows of the fleet's table, in order.
func (f *fleet) keys(t *testing.T) []string {
	t.Helper()
	var out []string
	for _, item := range f.items(t) {
		p, _ := item["p"].(*dynamotypes.AttributeValueMemberS)
		s, _ := item["s"].(*dynamotypes.AttributeValueMemberB)
		if p == nil || s == nil {
			t.Fatalf("a row has no keys: %v", slices.Sorted(maps.Keys(item)))
		}
		out = append(out, p.Value+" "+string(s.Value))
	}
	slices.Sort(out)
	return out
}
