package crashtest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// rewrite changes the hub's configuration, for its next start.
func (h *hub) rewrite(from, to string) {
	h.t.Helper()
	path := filepath.Join(h.dir, "hub.yaml")
	text, err := os.ReadFile(path)
	if err != nil {
		h.t.Fatal(err)
	}
	if !bytes.Contains(text, []byte(from)) {
		h.t.Fatalf("the configuration has no %q", from)
	}
	if err := os.WriteFile(path, bytes.ReplaceAll(text, []byte(from), []byte(to)), 0o600); err != nil {
		h.t.Fatal(err)
	}
}

// operate calls the admin API as an operator.
func (h *hub) operate(ctx context.Context, method, path string, out any) error {
	h.mu.Lock()
	url := h.admin + path
	h.mu.Unlock()
	req, err := http.NewRequestWithContext(ctx, method, url, nil)
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+operator)
	answer, err := do(req, http.StatusOK)
	if err != nil || out == nil {
		return err
	}
	return json.Unmarshal(answer, out)
}

// letter is a dead letter as operators see it.
type letter struct{ ID, State, Reason string }

func (h *hub) letters(ctx context.Context) ([]letter, error) {
	var page struct{ Data []letter }
	err := h.operate(ctx, http.MethodGet, "/admin/v1/deadletters?client=acme", &page)
	return page.Data, err
}

// TestCrashReplayedLetter kills the hub between a journaled request that its
// connector has taken at last and the mark on the request's dead letter: the
// operator's repeat ends the letter, and the event is in the feed once (I3).
func TestCrashReplayedLetter(t *testing.T) {
	t.Parallel()
	h := newGatedHub(t)
	h.start("")
	h.eventually("see the connector run", func(ctx context.Context) error { return h.post(ctx, from("ada", 0)) })
	h.away()
	h.eventually("have a request journaled", func(ctx context.Context) error {
		if err := h.post(ctx, from("ada", 1)); err != nil {
			return err
		}
		ids, _, err := h.waiting(ctx)
		if err == nil && len(ids) == 0 {
			err = errors.New("nothing waits")
		}
		return err
	})
	h.stop()
	// The secret is another one meanwhile: the connector refuses what waits.
	h.rewrite(fmt.Sprintf("secret: %q", secret), `secret: "another secret of the account"`)
	h.back()
	h.start("")
	var dead letter
	h.eventually("see the dead letter", func(ctx context.Context) error {
		all, err := h.letters(ctx)
		if err == nil && len(all) != 1 {
			time.Sleep(50 * time.Millisecond) // a poll, not an assertion
			err = fmt.Errorf("%d letters", len(all))
		}
		if err == nil {
			dead = all[0]
		}
		return err
	})
	h.stop()
	h.rewrite(`secret: "another secret of the account"`, fmt.Sprintf("secret: %q", secret))
	h.start("deadletter.after_take=kill")
	starts := h.starts
	h.eventually("replay the letter", func(ctx context.Context) error {
		all, err := h.letters(ctx)
		if err == nil && len(all) == 1 && all[0].State == "replayed" {
			return nil
		}
		err = h.operate(ctx, http.MethodPost, "/admin/v1/deadletters/"+dead.ID+"/replay", nil)
		if err == nil {
			err = errors.New("look again")
		}
		return err
	})
	if h.starts == starts {
		t.Error("the hub was never killed")
	}
	var got []string
	for _, ev := range h.events(archive) {
		got = append(got, ev.Message.ProviderID)
	}
	if want := "ada-0 ada-1"; strings.Join(got, " ") != want {
		t.Errorf("I1, I3: the feed has %q, want %s", got, want)
	}
}
