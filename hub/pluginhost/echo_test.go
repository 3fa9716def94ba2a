package pluginhost

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/channelhub/channelhub/hub/model"
)

const echoSecret = "an echo secret of some length"

func sign(body []byte) string {
	mac := hmac.New(sha256.New, []byte(echoSecret))
	mac.Write(body)
	return "sha256=" + hex.EncodeToString(mac.Sum(nil))
}

// TestEcho runs the reference connector, built from the SDK, as the hub does:
// both directions, a wrong signature, and again after kill -9.
func TestEcho(t *testing.T) {
	program := filepath.Join(t.TempDir(), "hub-plugin-echo")
	must(t, build(program, "../../cmd/hub-plugin-echo"))
	sent := make(chan string, 10)
	provider := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if r.Header.Get("X-Echo-Signature") != sign(body) {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		if strings.Contains(string(body), "silence") {
			<-r.Context().Done()
			return
		}
		sent <- string(body)
		_, _ = io.WriteString(w, `{"provider_id":"p-1"}`)
	}))
	t.Cleanup(provider.Close)

	h := newTestHost(t, nil)
	must(t, h.Set(testContext(t), Spec{ID: "echo", Path: program}))
	config, err := json.Marshal(map[string]string{"reply_url": provider.URL + "/reply"})
	must(t, err)
	settings := AccountSettings{
		AccountID: "echo-account", Revision: 1, Config: config, Secrets: map[string][]string{"secret": {echoSecret}},
	}
	if faults, err := h.ValidateAccount(testContext(t), "echo", settings); err != nil || len(faults) > 0 {
		t.Fatalf("settings have faults %v, %v", faults, err)
	}
	wrong := settings
	wrong.Config = []byte(`{"reply_url":"nowhere","x":1}`)
	if faults, err := h.ValidateAccount(testContext(t), "echo", wrong); err != nil || len(faults) == 0 {
		t.Errorf("wrong settings have faults %v, %v", faults, err)
	}
	_, err = h.OpenAccount(testContext(t), "echo", settings)
	must(t, err)

	story := func() {
		t.Helper()
		body := []byte(`{"id":"m-1","from":"ada","name":"Ada","text":"hello","at":"2026-01-02T03:04:05Z"}`)
		result := receiveEcho(t, h, body, sign(body))
		if result.Reply.Status != 200 || string(result.Reply.Body) != `{"ok":true}` || len(result.Items) != 1 {
			t.Fatalf("a message gave %+v", result)
		}
		e := result.Items[0].Event
		if e.Type != model.MessageReceived || e.DedupeKey != "m-1" || e.Message.Content.Text != "hello" ||
			e.Addresses[0] != (model.Address{Kind: "echo", Value: "ada"}) || e.DisplayName != "Ada" || e.OccurredAt.Year() != 2026 {
			t.Fatalf("a message gave the event %+v with %+v", e, e.Message)
		}
		if result := receiveEcho(t, h, body, "sha256=00"); result.Reply.Status != 401 || len(result.Items) != 0 {
			t.Fatalf("a wrong signature gave %+v", result)
		}
		receipt := []byte(`{"id":"r-1","receipt":"delivered","provider_id":"p-1"}`)
		if result := receiveEcho(t, h, receipt, sign(receipt)); len(result.Items) != 1 || result.Items[0].Status.Status != model.Delivered {
			t.Fatalf("a receipt gave %+v", result)
		}
		outcome, err := h.Send(testContext(t), "echo", Delivery{
			AccountID: "echo-account", To: []model.Address{{Kind: "echo", Value: "ada"}}, Attempt: 1,
			SendUntil: time.Now().Add(within),
			Message:   &model.Message{ID: "msg_1", Author: model.CSR, Content: &model.Content{Type: model.ContentText, Text: "hi"}},
		})
		must(t, err)
		if outcome.Kind != Sent || len(outcome.ProviderIDs) != 1 || outcome.ProviderIDs[0] != "p-1" {
			t.Fatalf("outcome is %+v", outcome)
		}
		if got := <-sent; got != `{"id":"msg_1","text":"hi","to":"ada"}` {
			t.Fatalf("the provider was sent %s", got)
		}
	}
	story()
	for n := range 3 {
		must(t, syscall.Kill(h.StatusOf("echo").PID, syscall.SIGKILL))
		h.awaitState(t, "echo", StateRunning, n+2)
		story()
	}
	// How an attempt ended that its provider let run out, the connector tells.
	until := time.Now().Add(300 * time.Millisecond)
	outcome, err := h.Send(testContext(t), "echo", Delivery{
		AccountID: "echo-account", To: []model.Address{{Kind: "echo", Value: "ada"}}, Attempt: 1, SendUntil: until,
		Message: &model.Message{ID: "msg_2", Author: model.CSR, Content: &model.Content{Type: model.ContentText, Text: "silence"}},
	})
	if err != nil || outcome.Kind != Unknown || outcome.Code == "connector_fault" {
		t.Errorf("a silent provider gave %+v, %v", outcome, err)
	}
	// A polite end: the connector drains and leaves by itself.
	must(t, h.Remove(testContext(t), "echo"))
}

func receiveEcho(t *testing.T, h *testHost, body []byte, signature string) HTTPResult {
	t.Helper()
	results, err := h.ReceiveHTTP(testContext(t), "echo", []HTTPRequest{{
		AccountID: "echo-account", Method: "POST", URL: "http://hub.test/in/echo/echo-account", Body: body,
		Headers:    []Header{{Name: "X-Echo-Signature", Values: []string{signature}}, {Name: "X-Odd", Values: []string{"\xff"}}},
		ReceivedAt: time.Now(),
	}})
	must(t, err)
	return results[0]
}

// BenchmarkReceive measures a hop of one kilobyte. At concurrency 1 it must be
// no slower with the batcher than without.
func BenchmarkReceive(b *testing.B) {
	for _, parallel := range []int{1, 8, 64} {
		for _, direct := range []bool{true, false} {
			b.Run(fmt.Sprintf("c=%d/direct=%v", parallel, direct), func(b *testing.B) { benchmarkReceive(b, parallel, direct) })
		}
	}
}
