package crashtest

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
)

// provider is what echo sends to: it takes a message id once, as it promises,
// and remembers the order of first arrival.
type provider struct {
	*httptest.Server
	mu      sync.Mutex
	arrived []sent
	byID    map[string]int
}

type sent struct {
	ID     string `json:"id"`
	To     string `json:"to"`
	Text   string `json:"text"`
	copies int
}

func newProvider(t *testing.T) *provider {
	p := &provider{byID: map[string]int{}}
	p.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		var s sent
		if err != nil || json.Unmarshal(body, &s) != nil || r.Header.Get("X-Echo-Signature") != sign(body) {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		p.mu.Lock()
		defer p.mu.Unlock()
		i, ok := p.byID[s.ID]
		if !ok {
			i = len(p.arrived)
			p.byID[s.ID] = i
			p.arrived = append(p.arrived, s)
		}
		p.arrived[i].copies++
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(map[string]string{"provider_id": "prov-" + s.ID})
	}))
	t.Cleanup(p.Close)
	return p
}

func (p *provider) seen() []sent {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]sent(nil), p.arrived...)
}

func sign(body []byte) string {
	mac := hmac.New(sha256.New, []byte(secret))
	_, _ = mac.Write(body)
	return "sha256=" + hex.EncodeToString(mac.Sum(nil))
}

// post sends a signed request as the provider would; an error means that it
// was not acknowledged.
func (h *hub) post(ctx context.Context, v any) error {
	body, err := json.Marshal(v)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, h.url("/in/echo/acme-echo"), bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("X-Echo-Signature", sign(body))
	_, err = do(req, http.StatusOK)
	return err
}

// call uses the client API.
func (h *hub) call(ctx context.Context, token, method, path, key string, in, out any, want int) error {
	body, err := json.Marshal(in)
	if err != nil {
		return err
	}
	if in == nil {
		body = nil
	}
	req, err := http.NewRequestWithContext(ctx, method, h.url(path), bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+token)
	if in != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if key != "" {
		req.Header.Set("Idempotency-Key", key)
	}
	answer, err := do(req, want)
	if err != nil || out == nil {
		return err
	}
	return json.Unmarshal(answer, out)
}

func do(req *http.Request, want int) ([]byte, error) {
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != want {
		return nil, fmt.Errorf("status %d, want %d: %s", resp.StatusCode, want, body)
	}
	return body, nil
}

// event is what the tests read of an event.
type event struct {
	ID             string `json:"id"`
	Type           string `json:"type"`
	ConversationID string `json:"conversation_id"`
	AccountID      string `json:"account_id"`
	Contact        struct {
		ID      string `json:"id"`
		Address string `json:"address"`
	} `json:"contact"`
	Message struct {
		ID         string `json:"id"`
		ProviderID string `json:"provider_id"`
		Status     string `json:"status"`
		Content    struct {
			Text string `json:"text"`
		} `json:"content"`
	} `json:"message"`
}

// events reads the feed to its end, from where the consumer stands: what was
// said and what became of it. How accounts fare depends on how long the
// machine took to bring a connector back.
func (h *hub) events(token string) []event {
	h.t.Helper()
	return slices.DeleteFunc(h.feed(token), func(ev event) bool { return ev.Type == "account.status" })
}

// feed reads every event to the end of the feed.
func (h *hub) feed(token string) []event {
	h.t.Helper()
	var all []event
	cursor := ""
	for {
		var page struct {
			Data       []event `json:"data"`
			NextCursor string  `json:"next_cursor"`
		}
		h.eventually("read the feed", func(ctx context.Context) error {
			path := "/v1/events?limit=7"
			if cursor != "" {
				path += "&cursor=" + cursor
			}
			return h.call(ctx, token, http.MethodGet, path, "", nil, &page, http.StatusOK)
		})
		all = append(all, page.Data...)
		if cursor = page.NextCursor; len(page.Data) == 0 {
			return all
		}
	}
}
