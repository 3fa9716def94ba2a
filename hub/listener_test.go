package hub

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/hashicorp/go-hclog"

	"github.com/channelhub/channelhub/hub/api/web"
)

// TestClosedHub: while the hub starts and while it drains, only the probes are
// served; everything else gets a whole problem, whatever its path ends in.
func TestClosedHub(t *testing.T) {
	h := &Hub{ready: make(chan struct{}), log: hclog.NewInterceptLogger(&hclog.LoggerOptions{Output: io.Discard})}
	mux := http.NewServeMux()
	for _, path := range []string{"/livez", "/readyz", "/v1/accounts/"} {
		mux.HandleFunc("GET "+path, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	}
	var l listener
	l.handle(h, mux, proxies{})
	ask := func(when string, status int, path string) {
		t.Helper()
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil)
		r.Header.Set("X-Request-Id", "mine")
		w := httptest.NewRecorder()
		l.server.Handler.ServeHTTP(w, r)
		if w.Code != status {
			t.Errorf("%s, %s: %d, want %d", when, path, w.Code, status)
		}
		if w.Header().Get("X-Request-Id") != "mine" {
			t.Errorf("%s, %s: request id %q", when, path, w.Header().Get("X-Request-Id"))
		}
		if status != http.StatusServiceUnavailable {
			return
		}
		var p web.Problem
		if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil || p.Status != status || p.RequestID != "mine" || w.Header().Get("Retry-After") != "2" {
			t.Errorf("%s, %s: %s, %v", when, path, w.Body, err)
		}
	}
	for _, path := range []string{"/v1/accounts/x", "/v1/accounts/abcz", "/nowhere"} {
		ask("starting", http.StatusServiceUnavailable, path)
	}
	ask("starting", http.StatusNoContent, "/livez")
	close(h.ready)
	ask("ready", http.StatusNoContent, "/v1/accounts/abcz")
	h.draining.Store(true)
	ask("draining", http.StatusServiceUnavailable, "/v1/accounts/abcz")
	ask("draining", http.StatusNoContent, "/readyz")
}
