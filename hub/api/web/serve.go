package web

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"runtime/debug"
	"strings"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/channelhub/channelhub/hub/access"
	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/telemetry"
)

type requestKey struct{}

// requestInfo travels in the context of a request.
type requestInfo struct {
	id        string
	principal access.Principal
	fault     error
	lasting   bool // it lasts as long as the caller likes
	unhurried bool // its answer may be late

	ending   <-chan struct{} // of Options
	guarded  bool            // it asks for a token
	recorded bool            // what became of it is in the audit log
	jsonBody bool            // its body was read as JSON: faults are places in that

	bodyTimeout time.Duration
}

func infoOf(ctx context.Context) *requestInfo {
	i, ok := ctx.Value(requestKey{}).(*requestInfo)
	if !ok {
		return &requestInfo{bodyTimeout: defaultBodyTimeout}
	}
	return i
}

// RequestID returns the id of the request being served.
func RequestID(ctx context.Context) string { return infoOf(ctx).id }

func noteFault(ctx context.Context, err error) { infoOf(ctx).fault = err }

// Lasting tells that the request waits for something to happen: how long it
// takes says nothing about the hub.
func Lasting(ctx context.Context) { infoOf(ctx).lasting = true }

// Unhurried serves work that may take longer than the listener lets an answer
// wait: the answer is waited for all the same. The work ends when the hub begins
// to, whose end must not wait for it.
func Unhurried(work http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		info := infoOf(r.Context())
		info.lasting, info.unhurried = true, true
		_ = http.NewResponseController(w).SetWriteDeadline(time.Time{}) // one that knows no deadline has none
		ctx, cancel := context.WithCancel(r.Context())
		defer cancel()
		go func() {
			defer cancel()
			select {
			case <-info.ending: // nil where nobody ends anything
			case <-ctx.Done():
			}
		}()
		work(w, r.WithContext(ctx))
	}
}

// answerPatience is how long the caller may take to read an answer that was
// unhurried.
const answerPatience = 10 * time.Second

// Recorded tells that the audit log says what became of the request.
func Recorded(ctx context.Context) { infoOf(ctx).recorded = true }

// defaultBodyTimeout is for bodies of a few hundred KiB over a poor line.
const defaultBodyTimeout = 10 * time.Second

// Options for Handler.
type Options struct {
	Logger  hclog.Logger       // nil: none
	Metrics *telemetry.Metrics // nil: none
	// BodyTimeout is how long a body may take to arrive, and an upload may bring
	// nothing. 0: 10 s.
	BodyTimeout time.Duration
	// Closed is asked before a request is served; its error is the answer. Nil:
	// all are served.
	Closed func(r *http.Request) error
	// Ending, once closed, ends what is Unhurried. Nil: nothing does.
	Ending <-chan struct{}
	// Refused is told of each request behind Require that the answer's status
	// refuses, 4xx, unless it is Recorded. The principal is empty when the
	// token was none. It must not block. Nil: nobody is.
	Refused func(p access.Principal, pattern string, status int)
}

// Handler puts the shared manners in front of a mux: a request id, answers to
// unknown paths and methods as problems, a panic as a 500, metrics by route,
// and a log line for what went wrong inside.
func Handler(mux *http.ServeMux, o Options) http.Handler {
	log := o.Logger
	if log == nil {
		log = hclog.NewNullLogger()
	}
	if o.BodyTimeout <= 0 {
		o.BodyTimeout = defaultBodyTimeout
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		began := time.Now()
		info := &requestInfo{id: requestID(r), bodyTimeout: o.BodyTimeout, ending: o.Ending}
		r = r.WithContext(context.WithValue(r.Context(), requestKey{}, info))
		rec := &recorder{ResponseWriter: w, info: info}
		h := rec.Header()
		h.Set("X-Request-Id", info.id)
		h.Set("X-Content-Type-Options", "nosniff")
		_, pattern := mux.Handler(r)
		defer func() {
			if p := recover(); p != nil {
				if err, ok := p.(error); ok && errors.Is(err, http.ErrAbortHandler) {
					panic(p)
				}
				// The value could hold content; the stack says where.
				log.Error("a handler panicked", "route", pattern, "request_id", info.id, "type", fmt.Sprintf("%T", p), "stack", string(debug.Stack()))
				if !rec.wrote {
					Fail(rec, r, model.Errorf(model.Internal, "serve request", "panic"))
				}
			}
			if code := rec.status(); info.guarded && !info.recorded && code/100 == 4 && o.Refused != nil {
				o.Refused(info.principal, pattern, code)
			}
			if info.fault != nil {
				log.Error("a request failed", "route", pattern, "request_id", info.id, "error", info.fault)
			}
			if !info.lasting && !rec.endless() {
				o.Metrics.Request(route(pattern), rec.status(), time.Since(began))
			}
		}()
		if o.Closed != nil {
			if err := o.Closed(r); err != nil {
				Fail(rec, r, err)
				return
			}
		}
		if pattern == "" {
			unmatched(rec, r, mux)
			return
		}
		mux.ServeHTTP(rec, r)
	})
}

// route names a request in metrics: by its pattern, so that labels are few.
func route(pattern string) string {
	if pattern == "" {
		return "none"
	}
	return pattern
}

// unmatched answers a path or method that no route takes.
func unmatched(w http.ResponseWriter, r *http.Request, mux *http.ServeMux) {
	probe := &recorder{ResponseWriter: discard{http.Header{}}}
	mux.ServeHTTP(probe, r)
	if probe.code == http.StatusMethodNotAllowed {
		p := problem(errMethod, "This path does not take "+r.Method+".")
		p.allow = probe.Header().Get("Allow")
		Fail(w, r, p)
		return
	}
	if loc := probe.Header().Get("Location"); loc != "" && probe.code/100 == 3 {
		w.Header().Set("Location", loc)
		w.WriteHeader(probe.code)
		return
	}
	Fail(w, r, problem(errNoRoute, "There is nothing at this path."))
}

type discard struct{ h http.Header }

func (d discard) Header() http.Header         { return d.h }
func (d discard) Write(b []byte) (int, error) { return len(b), nil }
func (d discard) WriteHeader(int)             {}

// requestID takes over the caller's id when it is harmless to print.
func requestID(r *http.Request) string {
	id := r.Header.Get("X-Request-Id")
	if id == "" || len(id) > 64 || strings.Trim(id, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.") != "" {
		return "req_" + string(model.NewSessionID())[4:]
	}
	return id
}

// recorder remembers the status. It keeps the optional interfaces reachable
// through Unwrap, and Hijack for WebSockets.
type recorder struct {
	http.ResponseWriter
	info  *requestInfo // nil: of no request
	code  int
	wrote bool
}

// begin is called before the first byte of an answer.
func (r *recorder) begin() {
	if !r.wrote && r.info != nil && r.info.unhurried {
		_ = http.NewResponseController(r.ResponseWriter).SetWriteDeadline(time.Now().Add(answerPatience)) // as in Unhurried
	}
}

func (r *recorder) WriteHeader(code int) {
	r.begin()
	if !r.wrote {
		r.code, r.wrote = code, code >= 200
	}
	r.ResponseWriter.WriteHeader(code)
}

func (r *recorder) Write(b []byte) (int, error) {
	r.begin()
	if !r.wrote {
		r.code, r.wrote = http.StatusOK, true
	}
	return r.ResponseWriter.Write(b)
}

// Unwrap is for http.ResponseController.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

// Hijack is for WebSockets.
func (r *recorder) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	r.wrote, r.code = true, http.StatusSwitchingProtocols
	return http.NewResponseController(r.ResponseWriter).Hijack()
}

// endless reports whether the answer was a stream or a socket: how long it
// lasted says nothing about the hub.
func (r *recorder) endless() bool {
	return r.code == http.StatusSwitchingProtocols || r.Header().Get("Content-Type") == "text/event-stream"
}

func (r *recorder) status() int {
	if r.code == 0 {
		return http.StatusOK
	}
	return r.code
}

// Authenticator finds out who is calling.
type Authenticator interface {
	Authenticate(ctx context.Context, token string) (access.Principal, error)
}

// Require lets only callers of the given roles through; no role means any.
func Require(a Authenticator, next http.HandlerFunc, roles ...access.Role) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		info := infoOf(r.Context())
		info.guarded = true
		p, err := authenticate(a, r)
		if err != nil {
			Fail(w, r, err)
			return
		}
		info.principal = p
		if !allowed(p.Role, roles) {
			Fail(w, r, model.Errorf(model.Denied, "authorize", "This token's role (%s) does not allow the call; it takes %s.", p.Role, roleList(roles)))
			return
		}
		next(w, r)
	}
}

// PrincipalOf returns who is calling, behind Require.
func PrincipalOf(ctx context.Context) access.Principal { return infoOf(ctx).principal }

func authenticate(a Authenticator, r *http.Request) (access.Principal, error) {
	kind, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if token == "" || !strings.EqualFold(kind, "Bearer") {
		return access.Principal{}, Unauthenticated("Send the header Authorization: Bearer and a token.")
	}
	p, err := a.Authenticate(r.Context(), strings.TrimSpace(token))
	if model.Is(err, model.Denied) {
		return access.Principal{}, Unauthenticated("The token is unknown, expired or revoked.")
	}
	return p, err
}

func allowed(role access.Role, roles []access.Role) bool {
	for _, r := range roles {
		if r == role {
			return true
		}
	}
	return len(roles) == 0
}

func roleList(roles []access.Role) string {
	names := make([]string, len(roles))
	for i, r := range roles {
		names[i] = string(r)
	}
	return strings.Join(names, " or ")
}
