package hubtest

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
)

// Provider is the other end of the echo connector: it takes what is posted to
// it, unless a test says otherwise. It is safe for concurrent use.
type Provider struct {
	url string

	mu      sync.Mutex
	got     []Posted
	handler http.HandlerFunc
}

// Posted is a message that reached the provider.
type Posted struct {
	ID   string `json:"id"`
	To   string `json:"to"`
	Text string `json:"text"`
}

func newProvider(t *testing.T) *Provider {
	p := &Provider{}
	server := httptest.NewServer(http.HandlerFunc(p.serve))
	t.Cleanup(server.Close)
	p.url = server.URL
	return p
}

// Handle answers posts with h instead of taking them; nil takes them again.
func (p *Provider) Handle(h http.HandlerFunc) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.handler = h
}

// Posts returns what was posted so far, repeats included.
func (p *Provider) Posts() []Posted {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]Posted(nil), p.got...)
}

func (p *Provider) serve(w http.ResponseWriter, r *http.Request) {
	var m Posted
	if err := json.NewDecoder(r.Body).Decode(&m); err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	p.mu.Lock()
	p.got = append(p.got, m)
	h := p.handler
	p.mu.Unlock()
	if h != nil {
		h(w, r)
		return
	}
	_ = json.NewEncoder(w).Encode(map[string]string{"provider_id": ProviderID(m.ID)})
}

// ProviderID is how the provider names a message.
func ProviderID(message string) string { return "prov-" + message }
