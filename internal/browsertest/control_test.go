package browsertest

import (
	"context"
	"net/http"
	"net/http/httptest"
	"syscall"
	"testing"
)

// serveControl lets a test in Node break the hub it talks to. Each act is a
// POST without a body, answered when it is done: 204, or 500 and what went
// wrong. Returns the base URL.
func serveControl(t *testing.T, h *hub) string {
	t.Helper()
	acts := map[string]func(context.Context) error{
		"freeze-plugin": func(ctx context.Context) error { return h.signalPlugin(ctx, syscall.SIGSTOP) },
		"kill-plugin":   func(ctx context.Context) error { return h.signalPlugin(ctx, syscall.SIGKILL) },
		"freeze-hub":    func(context.Context) error { return h.freeze() },
		"kill-hub":      func(context.Context) error { return h.kill() },
		"stop-hub":      func(context.Context) error { return h.stop() },
		"start-hub":     func(context.Context) error { return h.start() }, //nolint:contextcheck // the hub outlives the request
	}
	mux := http.NewServeMux()
	for name, act := range acts {
		mux.HandleFunc("POST /"+name, func(w http.ResponseWriter, r *http.Request) {
			if err := act(r.Context()); err != nil {
				http.Error(w, err.Error(), http.StatusInternalServerError)
				return
			}
			w.WriteHeader(http.StatusNoContent)
		})
	}
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return server.URL
}
