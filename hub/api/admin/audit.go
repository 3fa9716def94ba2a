package admin

import (
	"context"
	"encoding/hex"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/channelhub/channelhub/hub/api/web"
	"github.com/channelhub/channelhub/hub/audit"
	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/store"
)

// AuditEntry is a row of the audit log.
type AuditEntry struct {
	N         uint64     `json:"n" doc:"Its number; the log has no gap."`
	At        model.Time `json:"at" doc:"When."`
	Actor     string     `json:"actor" doc:"The id of the token that acted."`
	Role      string     `json:"role" doc:"The token's role."`
	Action    string     `json:"action" doc:"What was done, such as token.create."`
	Subject   string     `json:"subject" doc:"To what: the hub's own ids."`
	Outcome   string     `json:"outcome" doc:"done; or begun, and in a later row done or the code that it failed with."`
	RequestID string     `json:"request_id,omitempty" doc:"Of the call."`
	Count     uint64     `json:"count,omitempty" doc:"How many acts the row stands for, when they are counted and not told one by one."`
	Since     model.Time `json:"since,omitzero" doc:"With count: the minute in which they were counted."`
	Prev      string     `json:"prev" doc:"SHA-256 of the row before, in hex."`
	Hash      string     `json:"hash" doc:"SHA-256 of this row, in hex."`
}

// AuditVerdict is what a look at the whole audit log found.
type AuditVerdict struct {
	OK        bool         `json:"ok" doc:"Nothing was found wrong."`
	Rows      uint64       `json:"rows" doc:"How many were read."`
	Floor     uint64       `json:"floor" doc:"The newest row that was removed at the end of its retention, by the checkpoint; 0: none was."`
	Head      uint64       `json:"head" doc:"The newest row, by the checkpoint."`
	Hash      string       `json:"hash" doc:"SHA-256 of that row, in hex."`
	PublicKey string       `json:"public_key" doc:"Ed25519, in hex: what checkpoints are signed with. It never changes."`
	Faults    []AuditFault `json:"faults" doc:"What is wrong, at most 100."`
}

// AuditFault is something wrong with the audit log.
type AuditFault struct {
	N    uint64 `json:"n" doc:"The row that shows it; 0 is the checkpoint."`
	What string `json:"what" doc:"What is wrong."`
}

const (
	auditScan = 500
	// maxAuditLooked bounds the rows that one page of a filtered list looks at;
	// the cursor goes on from there.
	maxAuditLooked = 50_000
)

// auditFilter is what a list leaves out.
type auditFilter struct {
	actor, action string
	since, until  time.Time
}

func (f auditFilter) takes(r store.AuditRow) bool {
	return (f.actor == "" || f.actor == r.Actor) && (f.action == "" || f.action == r.Action) &&
		(f.since.IsZero() || !r.At.Before(f.since)) && (f.until.IsZero() || r.At.Before(f.until))
}

// over reports whether no later row of the walk can be taken: times do not go
// back within the log.
func (f auditFilter) over(r store.AuditRow, newest bool) bool {
	if newest {
		return !f.since.IsZero() && r.At.Before(f.since)
	}
	return !f.until.IsZero() && !r.At.Before(f.until)
}

func (a *Admin) listAudit(w http.ResponseWriter, r *http.Request) {
	limit, badLimit := web.Limit(r, defaultPage, maxPage)
	q := r.URL.Query()
	f := auditFilter{actor: q.Get("actor"), action: q.Get("action")}
	var faults []model.Fault
	at := func(name string) (t time.Time) {
		v := q.Get(name)
		if v == "" {
			return t
		}
		t, err := time.Parse(time.RFC3339, v)
		if err != nil {
			faults = append(faults, web.InQuery(name, "give a time such as 2026-11-23T09:00:00Z"))
		}
		return t
	}
	f.since, f.until = at("since"), at("until")
	newest := q.Get("order") != "oldest"
	if v := q.Get("order"); v != "" && v != "oldest" && v != "newest" {
		faults = append(faults, web.InQuery("order", "give newest or oldest"))
	}
	var from uint64
	if v := q.Get("cursor"); v != "" {
		n, err := strconv.ParseUint(v, 10, 63)
		if from = n; err != nil || n == 0 {
			faults = append(faults, web.InQuery("cursor", "give a next_cursor of an earlier answer unchanged"))
		}
	}
	wrong := badLimit
	if faults != nil {
		wrong = web.AllFaults(badLimit, web.Invalid("The audit log cannot be listed like this.", faults...))
	}
	if wrong != nil {
		web.Fail(w, r, wrong)
		return
	}
	list, err := a.auditPage(r.Context(), f, from, newest, limit)
	answer(w, r, list, err)
}

func (a *Admin) auditPage(ctx context.Context, f auditFilter, from uint64, newest bool, limit int) (web.List[AuditEntry], error) {
	var out []AuditEntry
	for looked := 0; looked < maxAuditLooked; {
		rows, err := a.Store.AuditPage(ctx, from, newest, auditScan)
		if err != nil {
			return web.List[AuditEntry]{}, err
		}
		for _, row := range rows {
			if f.over(row, newest) {
				return web.ListOf(out, ""), nil
			}
			if f.takes(row) {
				if len(out) == limit {
					return web.ListOf(out, strconv.FormatUint(from, 10)), nil
				}
				out = append(out, auditEntry(row))
			}
			from = row.N
		}
		if looked += len(rows); len(rows) < auditScan || newest && from == 1 {
			return web.ListOf(out, ""), nil
		}
	}
	return web.ListOf(out, strconv.FormatUint(from, 10)), nil
}

func auditEntry(r store.AuditRow) AuditEntry {
	var since model.Time
	if !r.Since.IsZero() {
		since = model.At(r.Since)
	}
	return AuditEntry{
		N: r.N, At: model.At(r.At), Actor: r.Actor, Role: r.Role, Action: r.Action, Subject: r.Subject,
		Outcome: r.Outcome, RequestID: r.RequestID, Count: r.Count, Since: since, Prev: hex.EncodeToString(r.Prev[:]), Hash: hex.EncodeToString(r.Hash[:]),
	}
}

func (a *Admin) verifyAudit(w http.ResponseWriter, r *http.Request) {
	report, err := a.Store.VerifyAudit(r.Context())
	v := AuditVerdict{
		OK: len(report.Faults) == 0, Rows: report.Rows, Floor: report.Floor, Head: report.Head, Hash: hex.EncodeToString(report.Hash[:]),
		PublicKey: report.PublicKey, Faults: []AuditFault{},
	}
	for _, f := range report.Faults {
		v.Faults = append(v.Faults, AuditFault(f))
	}
	answer(w, r, v, err)
}

// exportAudit writes the whole log. What goes wrong behind the first byte cuts
// the answer off, which its reader sees.
func (a *Admin) exportAudit(w http.ResponseWriter, r *http.Request) {
	web.Lasting(r.Context())
	var began bool
	err := a.around(r, audit.AuditExport, "audit", func(ctx context.Context) error {
		out := &patient{w: w, rc: http.NewResponseController(w)}
		return audit.Export(ctx, a.Store, model.At(a.Now()), out, func() {
			began = true
			w.Header().Set("Content-Type", "application/jsonl")
			w.Header().Set("Cache-Control", "no-store")
		})
	})
	switch {
	case err != nil && began:
		panic(http.ErrAbortHandler)
	case err != nil:
		web.Fail(w, r, err)
	}
}

// patient is an answer whose every write has exportPatience.
type patient struct {
	w  http.ResponseWriter
	rc *http.ResponseController
}

func (p *patient) Write(b []byte) (int, error) {
	if err := p.rc.SetWriteDeadline(time.Now().Add(exportPatience)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return 0, err
	}
	return p.w.Write(b)
}
