package admin

import (
	"net/http"

	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/telemetry"
)

// Check is one thing the hub depends on.
type Check struct {
	Name   string `json:"name" doc:"Such as table, keys or plugin/echo."`
	State  string `json:"state" doc:"ok, degraded or failed."`
	Detail string `json:"detail,omitempty" doc:"Why."`
}

// The states of a check, from good to bad.
const (
	CheckOK       = "ok"
	CheckDegraded = "degraded"
	CheckFailed   = "failed"
)

// Health is how the hub fares.
type Health struct {
	State   string  `json:"state" doc:"The worst of the checks: ok, degraded or failed."`
	Version string  `json:"version" doc:"Of the hub."`
	Checks  []Check `json:"checks" doc:"What it depends on."`
}

// Stats is what the hub counts.
type Stats struct {
	Version       string             `json:"version" doc:"Of the hub."`
	StartedAt     model.Time         `json:"started_at" doc:"When the process started."`
	UptimeSeconds int64              `json:"uptime_seconds" doc:"How long it has been running."`
	Plugins       map[string]int     `json:"plugins" doc:"How many plugins are in each state."`
	Accounts      map[string]int     `json:"accounts" doc:"How many accounts are in each state."`
	Samples       []telemetry.Sample `json:"samples" doc:"Counters and gauges; /metrics has the histograms as well."`
}

func (a *Admin) getHealth(w http.ResponseWriter, r *http.Request) {
	h := Health{State: CheckOK, Version: a.Version, Checks: []Check{}}
	if a.Checks != nil {
		h.Checks = append(h.Checks, a.Checks(r.Context())...)
	}
	for _, c := range h.Checks {
		if c.State == CheckFailed || (c.State == CheckDegraded && h.State == CheckOK) {
			h.State = c.State
		}
	}
	answer(w, r, h, nil)
}

func (a *Admin) getStats(w http.ResponseWriter, r *http.Request) {
	samples, err := a.Metrics.Snapshot()
	s := Stats{
		Version: a.Version, StartedAt: model.At(a.started), UptimeSeconds: int64(a.Now().Sub(a.started).Seconds()),
		Plugins: map[string]int{}, Accounts: map[string]int{}, Samples: samples,
	}
	if s.Samples == nil {
		s.Samples = []telemetry.Sample{}
	}
	for _, p := range a.Config.Plugins() {
		s.Plugins[string(a.Plugins.StatusOf(p.ID).State)]++
	}
	for _, acct := range a.Accounts.Accounts("") {
		s.Accounts[string(a.Accounts.Status(acct.ID).State)]++
	}
	answer(w, r, s, err)
}
