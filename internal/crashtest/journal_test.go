package crashtest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/channelhub/channelhub/internal/canary"
	"github.com/channelhub/channelhub/internal/failpoint"
)

const operator = "crash-test-operator-token-of-more-than-32-characters"

// newGatedHub is a hub whose connector stays away while a file is there.
func newGatedHub(t *testing.T) *hub {
	t.Helper()
	h := newHub(t, newProvider(t).URL)
	gated := filepath.Join(h.dir, "hub-plugin-gated")
	program := filepath.Join(bin, "hub-plugin-echo")
	script := fmt.Sprintf("#!/bin/sh\nwhile [ -e %[1]q/away ]; do /bin/sleep 0.05; done\necho $$ > %[1]q/pid\nexec %[2]q \"$@\"\n", h.dir, program)
	if err := os.WriteFile(gated, []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	config := filepath.Join(h.dir, "hub.yaml")
	text, err := os.ReadFile(config)
	if err != nil {
		t.Fatal(err)
	}
	text = bytes.ReplaceAll(text, []byte(program), []byte(gated))
	text = bytes.Replace(text, []byte("bootstrap_tokens:"), fmt.Appendf(nil, "bootstrap_tokens:\n    ops: {role: operator, token: %q}", operator), 1)
	if err := os.WriteFile(config, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return h
}

// away kills the connector and keeps it from starting until back.
func (h *hub) away() {
	h.t.Helper()
	if err := os.WriteFile(filepath.Join(h.dir, "away"), nil, 0o600); err != nil {
		h.t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(h.dir, "pid"))
	if err != nil {
		h.t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		h.t.Fatal(err)
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		h.t.Fatal(err)
	}
}

func (h *hub) back() {
	h.t.Helper()
	if err := os.Remove(filepath.Join(h.dir, "away")); err != nil && !errors.Is(err, fs.ErrNotExist) {
		h.t.Fatal(err)
	}
}

// waiting asks, as an operator does, what the journal holds: the entries' ids,
// and the answer as it came.
func (h *hub) waiting(ctx context.Context) (ids []string, answer []byte, err error) {
	h.mu.Lock()
	url := h.admin + "/admin/v1/journal?plugin=echo&limit=100"
	h.mu.Unlock()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, nil, err
	}
	req.Header.Set("Authorization", "Bearer "+operator)
	if answer, err = do(req, http.StatusOK); err != nil {
		return nil, nil, err
	}
	var page struct {
		Data []struct {
			ID string `json:"id"`
		} `json:"data"`
	}
	err = json.Unmarshal(answer, &page)
	for _, e := range page.Data {
		ids = append(ids, e.ID)
	}
	return ids, answer, err
}

// drained waits until the journal holds nothing.
func (h *hub) drained() {
	h.t.Helper()
	h.eventually("see the journal empty", func(ctx context.Context) error {
		ids, _, err := h.waiting(ctx)
		if err == nil && len(ids) > 0 {
			err = fmt.Errorf("%d entries wait", len(ids))
		}
		return err
	})
}

// incoming is a message as the provider tells it.
type incoming struct {
	ID   string `json:"id"`
	From string `json:"from"`
	Name string `json:"name"`
	Text string `json:"text"`
	Pad  string `json:"pad,omitempty"`
}

func from(who string, n int) incoming {
	return incoming{ID: fmt.Sprintf("%s-%d", who, n), From: who, Name: who, Text: fmt.Sprintf("%s says %d", who, n)}
}

// webhook posts a request with a signature and returns the answer.
func (h *hub) webhook(v any, signature func([]byte) string) (status int, header http.Header, body string) {
	h.t.Helper()
	raw, err := json.Marshal(v)
	if err != nil {
		h.t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(h.t.Context(), http.MethodPost, h.url("/in/echo/acme-echo"), bytes.NewReader(raw))
	if err != nil {
		h.t.Fatal(err)
	}
	req.Header.Set("X-Echo-Signature", signature(raw))
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		h.t.Fatal(err)
	}
	defer resp.Body.Close()
	var text bytes.Buffer
	if _, err := text.ReadFrom(resp.Body); err != nil {
		h.t.Fatal(err)
	}
	return resp.StatusCode, resp.Header, text.String()
}

// arrived waits until so many messages are in the feed and returns their ids
// by customer, in order. A page may be read again after a kill; an event with
// an id of its own may not.
func (h *hub) arrived(count int) map[string][]string {
	h.t.Helper()
	all := map[string][]string{}
	seen := map[string]bool{}
	look := func() {
		for _, ev := range h.events(archive) {
			if ev.Type == "message.received" && !seen[ev.ID] {
				seen[ev.ID] = true
				all[ev.Contact.Address] = append(all[ev.Contact.Address], ev.Message.ProviderID)
			}
		}
	}
	h.eventually("see all messages in the feed", func(context.Context) error {
		if look(); len(seen) < count {
			return fmt.Errorf("%d of %d messages are there", len(seen), count)
		}
		return nil
	})
	look() // nothing may come twice
	return all
}

// TestJournal kills the connector, posts on, and brings it back under live
// traffic.
func TestJournal(t *testing.T) {
	t.Parallel()
	h := newGatedHub(t)
	h.start("journal.after_take=sleep:100ms") // so that live requests meet the replay
	secrets := incoming{ID: canary.New("id"), From: canary.New("from"), Name: canary.New("name"), Text: canary.New("text")}
	want := map[string][]string{}
	post := func(in incoming) {
		t.Helper()
		if status, _, body := h.webhook(in, sign); status != http.StatusOK || strings.TrimSpace(body) != `{"ok":true}` {
			t.Fatalf("message %s is answered with %d %s", in.ID, status, body)
		}
		want[in.From] = append(want[in.From], in.ID)
	}
	post(from("ada", 0))
	h.away()
	post(secrets)
	for n := range 25 {
		post(from("ada", n+1))
		post(from("bob", n+1))
	}
	if status, _, _ := h.webhook(from("eve", 1), func(b []byte) string { return sign(append(b, 'x')) }); status != http.StatusUnauthorized {
		t.Errorf("a wrong signature is answered with %d, want 401", status)
	}
	ids, answer, err := h.waiting(t.Context())
	if err != nil || len(ids) != 51 {
		t.Errorf("%d entries wait, want what was posted while the connector was away: %v", len(ids), err)
	}
	markers := []string{secrets.ID, secrets.From, secrets.Name, secrets.Text}
	hits, err := canary.ScanDir(filepath.Join(h.dir, "data"), markers...)
	if err != nil {
		t.Fatal(err)
	}
	h.back()
	for n := range 100 {
		post(from("ada", n+26))
	}
	if diff := cmp.Diff(want, h.arrived(1+1+50+100)); diff != "" {
		t.Errorf("I1, I3, I4: the feed by customer (-acknowledged +got):\n%s", diff)
	}
	h.drained()
	h.stop()
	hits = append(hits, canary.Scan("the list", answer, markers...)...)
	hits = append(hits, canary.Scan("the log", h.log.Bytes(), markers...)...)
	for _, hit := range hits {
		t.Errorf("I6: %s", hit)
	}
}

// TestJournalBehindARestart: a hub that starts while its connector is away
// knows from the process before how to take requests in.
func TestJournalBehindARestart(t *testing.T) {
	t.Parallel()
	h := newGatedHub(t)
	h.start("")
	if status, _, body := h.webhook(from("ada", 0), sign); status != http.StatusOK {
		t.Fatalf("answered with %d %s", status, body)
	}
	h.away()
	h.stop()
	h.start("")
	want := map[string][]string{"ada": {"ada-0"}}
	for n := range 3 {
		in := from("ada", n+1)
		if status, _, body := h.webhook(in, sign); status != http.StatusOK {
			t.Fatalf("behind the restart a request is answered with %d %s", status, body)
		}
		want["ada"] = append(want["ada"], in.ID)
	}
	if status, _, _ := h.webhook(from("eve", 1), func(b []byte) string { return sign(append(b, 'x')) }); status != http.StatusUnauthorized {
		t.Errorf("a wrong signature is answered with %d, want 401", status)
	}
	if ids, _, err := h.waiting(t.Context()); err != nil || len(ids) != 3 {
		t.Errorf("%d entries wait, want 3: %v", len(ids), err)
	}
	h.back()
	if diff := cmp.Diff(want, h.arrived(4)); diff != "" {
		t.Errorf("I1, I3, I4: the feed by customer (-acknowledged +got):\n%s", diff)
	}
}

// TestJournalIsBounded fills 64 MiB.
func TestJournalIsBounded(t *testing.T) {
	t.Parallel()
	h := newGatedHub(t)
	h.start("")
	if status, _, _ := h.webhook(from("ada", 0), sign); status != http.StatusOK {
		t.Fatalf("answered with %d", status)
	}
	h.away()
	pad := strings.Repeat("x", 1<<20-1<<10)
	want := map[string][]string{"ada": {"ada-0"}}
	full := false
	for n := 1; n <= 70 && !full; n++ {
		in := from("ada", n)
		in.Pad = pad
		switch status, header, body := h.webhook(in, sign); status {
		case http.StatusOK:
			want["ada"] = append(want["ada"], in.ID)
		case http.StatusServiceUnavailable:
			full = true
			if header.Get("Retry-After") == "" {
				t.Error("503 without Retry-After")
			}
		default:
			t.Fatalf("message %d is answered with %d %s", n, status, body)
		}
	}
	if taken := len(want["ada"]); !full || taken < 60 {
		t.Errorf("%d were taken in, full %t", taken, full)
	}
	h.back()
	if diff := cmp.Diff(want, h.arrived(len(want["ada"]))); diff != "" {
		t.Errorf("I1: the feed by customer (-acknowledged +got):\n%s", diff)
	}
	h.drained()
}

// TestCrashJournal kills the hub while its journal holds something, and at
// every place of keeping and replaying.
func TestCrashJournal(t *testing.T) {
	type kill struct {
		site string
		hit  int
	}
	kills := []kill{{}} // with nothing under way
	for _, site := range failpoint.Names() {
		if isJournal(site) {
			kills = append(kills, kill{site, 1})
			if site != "journal.after_trim" { // reached once, when all is replayed
				kills = append(kills, kill{site, 2})
			}
		}
	}
	if len(kills) < 8 {
		t.Fatal("the journal has lost its failpoints")
	}
	for _, k := range kills {
		t.Run(fmt.Sprintf("%s/%d", k.site, k.hit), func(t *testing.T) {
			t.Parallel()
			h := newGatedHub(t)
			if k.site == "" {
				h.start("")
			} else {
				h.start(fmt.Sprintf("%s=kill:%d", k.site, k.hit))
			}
			crashJournal(t, h, k.site == "")
		})
	}
}

func isJournal(site string) bool { return strings.HasPrefix(site, "journal.") }

func crashJournal(t *testing.T, h *hub, killNow bool) {
	t.Helper()
	customers := []string{"ada", "bob"}
	want := map[string][]string{}
	post := func(in incoming) {
		t.Helper()
		h.eventually("post a message", func(ctx context.Context) error {
			err := h.post(ctx, in)
			if err != nil {
				h.back() // a hub that starts anew knows nothing of a connector that is away
			}
			return err
		})
		want[in.From] = append(want[in.From], in.ID)
	}
	post(from("ada", 0))
	h.away()
	for n := range 12 {
		for _, who := range customers {
			post(from(who, n+1))
		}
	}
	if killNow {
		_ = h.cmd.Process.Kill()
		if !h.dead(10 * time.Second) {
			t.Fatal("the hub did not die")
		}
	}
	h.back()
	h.eventually("find the hub alive", func(ctx context.Context) error {
		return h.call(ctx, desk, http.MethodGet, "/v1/accounts", "", nil, nil, http.StatusOK)
	})
	for n := range 5 {
		post(from("ada", n+13))
	}
	total := 0
	for _, ids := range want {
		total += len(ids)
	}
	got := h.arrived(total)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("I1, I3, I4: the feed by customer (-acknowledged +got):\n%s", diff)
	}
	if h.starts < 2 && !h.dead(5*time.Second) {
		t.Error("the hub was never killed")
	}
	if !slices.Contains(got["ada"], "ada-17") {
		t.Error("the last live message is missing")
	}
}
