// Package readmetest does what the README tells a newcomer to do.
package readmetest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/channelhub/channelhub/internal/testbin"
)

// TestFirstMessage runs the shell blocks of "The first message with curl" as
// they stand, but for the ports, which may be in use here.
func TestFirstMessage(t *testing.T) {
	blocks := shellBlocks(t)
	if len(blocks) != 3 {
		t.Fatalf("the README has %d shell blocks between the test marks, want 3", len(blocks))
	}
	programs, err := testbin.Dir()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.Symlink(programs, filepath.Join(dir, "bin")); err != nil {
		t.Fatal(err)
	}
	arrived := make(chan string, 1)
	provider := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		select {
		case arrived <- string(body):
		default:
		}
		_, _ = io.WriteString(w, `{"provider_id":"p1"}`)
	}))
	defer provider.Close()
	public, admin := freePort(t), freePort(t)
	here := strings.NewReplacer(
		"127.0.0.1:8080", public,
		"127.0.0.1:9090", strings.TrimPrefix(provider.URL, "http://"),
	)
	script := "set -eu\ntrap 'kill $(jobs -p); wait' EXIT\n" + here.Replace(blocks[0]) +
		fmt.Sprintf("\nn=0; until curl -sf http://%s/readyz >/dev/null; do n=$((n+1)); [ $n -lt 100 ]; sleep 0.1; done\n", public) +
		here.Replace(blocks[1]) + "\necho\n" + here.Replace(blocks[2]) + "\nsleep 2\n"

	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "bash", "-c", script)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "HUB_CFG_LISTENERS__PUBLIC__ADDRESS="+public, "HUB_CFG_LISTENERS__ADMIN__ADDRESS="+admin)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		t.Fatalf("the README's commands: %v\n%s\n%s", err, stdout.String(), stderr.String())
	}
	select {
	case got := <-arrived:
		if !strings.Contains(got, `"to":"ada"`) || !strings.Contains(got, "It is.") {
			t.Errorf("the provider got %s", got)
		}
	default:
		t.Errorf("the answer did not reach the provider\n%s\n%s", stdout.String(), stderr.String())
	}
	checkOutput(t, stdout.String())
}

func checkOutput(t *testing.T, out string) {
	t.Helper()
	var events struct {
		Data []struct {
			Type    string `json:"type"`
			Message struct {
				Content struct {
					Text string `json:"text"`
				} `json:"content"`
			} `json:"message"`
		} `json:"data"`
	}
	var accepted struct {
		Status string `json:"status"`
	}
	for line := range strings.Lines(out) {
		switch {
		case strings.HasPrefix(line, `{"data"`):
			if err := json.Unmarshal([]byte(line), &events); err != nil {
				t.Errorf("the events: %v", err)
			}
		case strings.HasPrefix(line, `{"id":"msg_`):
			if err := json.Unmarshal([]byte(line), &accepted); err != nil {
				t.Errorf("the answer: %v", err)
			}
		}
	}
	if !strings.Contains(out, `{"ok":true}`) {
		t.Errorf("the provider's message was not taken:\n%s", out)
	}
	if len(events.Data) != 1 || events.Data[0].Type != "message.received" || events.Data[0].Message.Content.Text != "Is this thing on?" {
		t.Errorf("the feed shows %+v", events.Data)
	}
	if accepted.Status != "queued" {
		t.Errorf("the answer's status is %q, want queued", accepted.Status)
	}
}

// shellBlocks returns the sh blocks between the README's test marks.
func shellBlocks(t *testing.T) []string {
	t.Helper()
	text, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, ok := strings.Cut(string(text), "<!-- test: begin -->")
	part, _, ok2 := strings.Cut(rest, "<!-- test: end -->")
	if !ok || !ok2 {
		t.Fatal("the README lacks its test marks")
	}
	var blocks []string
	for {
		_, rest, ok := strings.Cut(part, "```sh\n")
		if !ok {
			return blocks
		}
		block, after, ok := strings.Cut(rest, "\n```")
		if !ok {
			t.Fatal("a shell block of the README does not end")
		}
		blocks, part = append(blocks, block), after
	}
}

func freePort(t *testing.T) string {
	t.Helper()
	var lc net.ListenConfig
	l, err := lc.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}
