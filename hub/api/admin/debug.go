package admin

import (
	"net/http"
	"net/http/pprof"

	"github.com/channelhub/channelhub/hub/access"
	"github.com/channelhub/channelhub/hub/api/web"
)

// staff are the roles that belong to no client.
var staff = []access.Role{access.Configurator, access.Operator, access.Privacy, access.KeyAdmin, access.Auditor}

// debugRoutes registers what is no part of the API: metrics in Prometheus's
// form, and Go's profiles, which only who operates the process may take.
func (a *Admin) debugRoutes(mux *http.ServeMux) {
	metrics := http.NotFoundHandler()
	if a.Metrics != nil {
		metrics = a.Metrics.Handler()
	}
	mux.HandleFunc("GET /metrics", web.Require(a.Tokens, metrics.ServeHTTP, staff...))
	for pattern, h := range map[string]http.HandlerFunc{
		"GET /debug/pprof/":        pprof.Index,
		"GET /debug/pprof/cmdline": pprof.Cmdline,
		"GET /debug/pprof/profile": pprof.Profile,
		"GET /debug/pprof/symbol":  pprof.Symbol,
		"GET /debug/pprof/trace":   pprof.Trace,
	} {
		mux.HandleFunc(pattern, web.Require(a.Tokens, h, access.Operator))
	}
}
