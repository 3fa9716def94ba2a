package hub

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/channelhub/channelhub/hub/api/web"
	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/pluginhost"
)

// checkTimeout bounds one look at a dependency.
const checkTimeout = 2 * time.Second

// check is one dependency as /readyz?verbose shows it.
type check struct {
	Name   string `json:"name"`
	State  string `json:"state"` // "ok", "degraded" or "failed"
	Detail string `json:"detail,omitempty"`
}

// readiness is the answer of /readyz.
type readiness struct {
	Ready  bool    `json:"ready"`
	Checks []check `json:"checks,omitempty"`
}

// probes registers the health of the process and of what it depends on.
func (h *Hub) probes(mux *http.ServeMux) {
	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, r *http.Request) {
		web.JSON(w, r, http.StatusOK, map[string]bool{"alive": true})
	})
	mux.HandleFunc("GET /readyz", h.readyz)
}

func (h *Hub) readyz(w http.ResponseWriter, r *http.Request) {
	checks := h.Checks(r.Context())
	out := readiness{Ready: h.serving()}
	for _, c := range checks {
		out.Ready = out.Ready && c.State != "failed"
	}
	if r.URL.Query().Has("verbose") {
		out.Checks = checks
	}
	status := http.StatusOK
	if !out.Ready {
		status = http.StatusServiceUnavailable
		w.Header().Set("Retry-After", "2")
	}
	web.JSON(w, r, status, out)
}

// Checks looks at every dependency. A connector that is away is degraded, not
// failed: the other channels run.
func (h *Hub) Checks(ctx context.Context) []check {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	files := make(chan error, 1)
	go func() { files <- h.lookAtFiles(ctx) }()
	var out []check
	add := func(name string, err error) {
		c := check{Name: name, State: "ok"}
		if err != nil {
			// The text of the error may name files of this machine.
			c.State, c.Detail = "failed", string(rootCode(err))
		}
		out = append(out, c)
	}
	_, err := h.store.Tokens(ctx)
	add("table", err)
	state, err := h.keyCheck.look(ctx, h.storage.keys)
	switch {
	case state != "":
		out = append(out, check{Name: "keys", State: "failed", Detail: state})
	case model.CodeOf(err).Temporary():
		// What is cached still opens and seals.
		out = append(out, check{Name: "keys", State: "degraded", Detail: string(model.CodeOf(err))})
	default:
		add("keys", err)
	}
	if code := h.logTrouble.lately(); code != "" {
		out = append(out, check{Name: "log", State: "degraded", Detail: string(code)})
	} else {
		add("log", nil)
	}
	if err := <-files; err != nil {
		// Messages without files go on.
		out = append(out, check{Name: "blob", State: "degraded", Detail: string(rootCode(err))})
	} else {
		add("blob", nil)
	}
	if c, ok := h.sessionCheck(ctx); ok {
		out = append(out, c)
	}
	for _, p := range h.plugins.Status() {
		c := check{Name: "plugin/" + string(p.ID), State: "ok"}
		switch p.State {
		case pluginhost.StateRunning, pluginhost.StateDisabled:
		default:
			c.State, c.Detail = "degraded", string(p.State)
		}
		out = append(out, c)
	}
	return out
}

// sessionCheck looks at the sessions under which AWS holds clients apart. A hub
// that has no client's session left serves nobody.
func (h *Hub) sessionCheck(ctx context.Context) (c check, used bool) {
	if h.aws == nil || h.opts.Config.AWS.ClientRoleARN == "" {
		return check{}, false
	}
	c = check{Name: "sessions", State: "ok"}
	if over, all, err := h.aws.Sessions(ctx); err != nil {
		c.State, c.Detail = "degraded", string(rootCode(err))
		if over == all {
			c.State = "failed"
		}
	}
	return c, true
}

func (h *Hub) lookAtFiles(ctx context.Context) error {
	client, ok := h.aClientWithFiles(ctx)
	if !ok {
		return nil
	}
	return h.blobCheck.look(ctx, h.blobs, client)
}

// rootCode is the code nearest to the cause: a store that refuses the hub is
// an outage for its callers, and a refusal for who reads the checks.
func rootCode(err error) model.Code {
	code := model.CodeOf(err)
	for {
		inner, ok := errors.AsType[*model.Error](err)
		if !ok {
			return code
		}
		code, err = inner.Code, inner.Err
	}
}
