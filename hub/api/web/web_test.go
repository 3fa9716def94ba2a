package web

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/go-hclog"

	"github.com/channelhub/channelhub/hub/access"
	"github.com/channelhub/channelhub/hub/model"
)

// serve answers one request with the shared manners in front of h.
func serve(t *testing.T, o Options, pattern string, h http.HandlerFunc, r *http.Request) *httptest.ResponseRecorder {
	t.Helper()
	mux := http.NewServeMux()
	mux.HandleFunc(pattern, h)
	w := httptest.NewRecorder()
	Handler(mux, o).ServeHTTP(w, r)
	return w
}

func problemIn(t *testing.T, w *httptest.ResponseRecorder) Problem {
	t.Helper()
	var p Problem
	if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil {
		t.Fatalf("%v: %s", err, w.Body)
	}
	return p
}

// TestProblems: each code has one status and type, hides what is not for
// callers, and says when to come again.
func TestProblems(t *testing.T) {
	const cause = "the cause, for the operator alone"
	for _, code := range model.Codes() {
		err := fmt.Errorf("attempted: %w", &model.Error{
			Code: code, Op: "op", Detail: "what callers may see", Faults: []model.Fault{{Field: "f", Detail: "d"}}, Err: errors.New(cause),
		})
		w := serve(t, Options{}, "/", func(w http.ResponseWriter, r *http.Request) { Fail(w, r, err) }, httptest.NewRequestWithContext(t.Context(), "GET", "/", nil))
		p := problemIn(t, w)
		if w.Code != code.HTTPStatus() || p.Status != w.Code || p.Type != "urn:channelhub:problem:"+string(code) || p.Title != code.Title() {
			t.Errorf("%s: %d %s", code, w.Code, w.Body)
		}
		if strings.Contains(w.Body.String(), cause) {
			t.Errorf("%s shows its cause: %s", code, w.Body)
		}
		inside := code == model.Internal || code == model.Corrupt
		if shown := strings.Contains(w.Body.String(), "what callers may see") && len(p.Faults) == 1; shown == inside {
			t.Errorf("%s: detail and faults shown %v: %s", code, shown, w.Body)
		}
		again := w.Code == http.StatusTooManyRequests || w.Code == http.StatusServiceUnavailable
		if (w.Header().Get("Retry-After") != "") != again {
			t.Errorf("%s: Retry-After %q", code, w.Header().Get("Retry-After"))
		}
		if p.RequestID == "" || p.RequestID != w.Header().Get("X-Request-Id") || w.Header().Get("Cache-Control") != "no-store" {
			t.Errorf("%s: request id %q, headers %v", code, p.RequestID, w.Header())
		}
	}
}

func TestRetryAfterIsRoundedUp(t *testing.T) {
	for d, want := range map[time.Duration]string{0: "2", time.Millisecond: "1", 1500 * time.Millisecond: "2", time.Minute: "60"} {
		w := serve(t, Options{}, "/", func(w http.ResponseWriter, r *http.Request) {
			Fail(w, r, &model.Error{Code: model.Throttled, RetryAfter: d})
		}, httptest.NewRequestWithContext(t.Context(), "GET", "/", nil))
		if got := w.Header().Get("Retry-After"); got != want {
			t.Errorf("%v: Retry-After %q, want %q", d, got, want)
		}
	}
}

func TestForeignErrorsAreInternal(t *testing.T) {
	var log bytes.Buffer
	logger := hclog.New(&hclog.LoggerOptions{Output: &log})
	w := serve(t, Options{Logger: logger}, "/x/{id}", func(w http.ResponseWriter, r *http.Request) {
		Fail(w, r, errors.New("some library said no"))
	}, httptest.NewRequestWithContext(t.Context(), "GET", "/x/secret-id", nil))
	if w.Code != 500 || strings.Contains(w.Body.String(), "library") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if !strings.Contains(log.String(), "library") || !strings.Contains(log.String(), "/x/{id}") || strings.Contains(log.String(), "secret-id") {
		t.Errorf("log %q", log.String())
	}
}

func TestPanics(t *testing.T) {
	var log bytes.Buffer
	logger := hclog.New(&hclog.LoggerOptions{Output: &log})
	w := serve(t, Options{Logger: logger}, "/", func(http.ResponseWriter, *http.Request) { panic("content of a message") }, httptest.NewRequestWithContext(t.Context(), "GET", "/", nil))
	if w.Code != 500 || problemIn(t, w).Type != "urn:channelhub:problem:internal" {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if strings.Contains(w.Body.String()+log.String(), "content of a message") || !strings.Contains(log.String(), "panicked") {
		t.Errorf("log %q", log.String())
	}
	w = serve(t, Options{}, "/", func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusNoContent)
		panic("too late")
	}, httptest.NewRequestWithContext(t.Context(), "GET", "/", nil))
	if w.Code != http.StatusNoContent || w.Body.Len() != 0 {
		t.Errorf("behind its answer: %d %s", w.Code, w.Body)
	}
}

func TestReadBody(t *testing.T) {
	for name, c := range map[string]struct {
		body     string
		unknown  bool // the length is not announced
		encoding string
		status   int
	}{
		"at the limit": {body: "1234567890", status: 200}, "over it": {body: "12345678901", status: 413},
		"over it, unannounced": {body: "12345678901", unknown: true, status: 413}, "none": {status: 200},
		"encoded": {body: "x", encoding: "br", status: 415}, "identity": {body: "x", encoding: "Identity", status: 200},
	} {
		r := httptest.NewRequestWithContext(t.Context(), "POST", "/", strings.NewReader(c.body))
		if c.unknown {
			r.ContentLength = -1
		}
		if c.encoding != "" {
			r.Header.Set("Content-Encoding", c.encoding)
		}
		w := serve(t, Options{}, "/", func(w http.ResponseWriter, r *http.Request) {
			b, err := ReadBody(w, r, 10)
			if err != nil {
				Fail(w, r, err)
				return
			}
			_, _ = w.Write(b)
		}, r)
		if w.Code != c.status || c.status == 200 && w.Body.String() != c.body {
			t.Errorf("%s: %d %s", name, w.Code, w.Body)
		}
	}
}

// TestBodyDeadlineIsTheBodysAlone: what the handler does behind the body may
// take longer.
func TestBodyDeadlineIsTheBodysAlone(t *testing.T) {
	read, goOn := make(chan struct{}), make(chan struct{})
	mux := http.NewServeMux()
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		if _, err := ReadBody(w, r, 10); err != nil {
			Fail(w, r, err)
			return
		}
		close(read)
		<-goOn
		if err := r.Context().Err(); err != nil {
			Fail(w, r, err)
		}
	})
	const timeout = 50 * time.Millisecond
	server := httptest.NewServer(Handler(mux, Options{BodyTimeout: timeout}))
	defer server.Close()
	go func() {
		<-read
		time.Sleep(3 * timeout) // makes the deadline pass; nothing is measured
		close(goOn)
	}()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL, strings.NewReader("x"))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := server.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if body, err := io.ReadAll(resp.Body); err != nil || resp.StatusCode != 200 {
		t.Errorf("%d %s, %v", resp.StatusCode, body, err)
	}
}

// TestSlowBodyIsToldSo: a body that stops half-way is the caller's fault.
func TestSlowBodyIsToldSo(t *testing.T) {
	mux := http.NewServeMux()
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		_, err := ReadBody(w, r, 10)
		Fail(w, r, err)
	})
	server := httptest.NewServer(Handler(mux, Options{BodyTimeout: 20 * time.Millisecond}))
	defer server.Close()
	body, half := io.Pipe()
	defer func() { _ = half.Close() }()
	go func() { _, _ = half.Write([]byte("x")) }()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL, body)
	if err != nil {
		t.Fatal(err)
	}
	req.ContentLength = 2
	resp, err := server.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if got, err := io.ReadAll(resp.Body); err != nil || resp.StatusCode != 400 || !strings.Contains(string(got), "whole and in time") {
		t.Errorf("%d %s, %v", resp.StatusCode, got, err)
	}
}

// TestAllFaults: faults are joined, and what is none goes before them.
func TestAllFaults(t *testing.T) {
	a, b := Invalid("a", InQuery("a", "d")), Invalid("b", InQuery("b", "d"), InHeader("c", "d"))
	e, ok := errors.AsType[*model.Error](AllFaults(nil, a, nil, b))
	if !ok || e.Detail != "a" || len(e.Faults) != 3 {
		t.Errorf("joined: %v", e)
	}
	if err := AllFaults(a); err == nil || len(AllFaults(nil, a).(*model.Error).Faults) != 1 { //nolint:errorlint,forcetypeassert // made above
		t.Errorf("one: %v", err)
	}
	if err := AllFaults(nil, nil); err != nil {
		t.Errorf("none: %v", err)
	}
	away := model.Errorf(model.Unavailable, "op", "away")
	if err := AllFaults(a, away); !errors.Is(err, away) {
		t.Errorf("not a fault: %v", err)
	}
}

func TestTraceparent(t *testing.T) {
	const good = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	for in, want := range map[string]string{
		good: good, "": "", strings.ToUpper(good): "", good + "-more": "", "ff" + good[2:]: "", good[:54]: "", "Ada called +15551234567 about her order today, at noon.": "",
	} {
		r := httptest.NewRequestWithContext(t.Context(), "GET", "/", nil)
		r.Header.Set("Traceparent", in)
		if got := Traceparent(r); got != want {
			t.Errorf("%q became %q", in, got)
		}
	}
}

func TestDuration(t *testing.T) {
	for in, want := range map[string]time.Duration{"": time.Second, "30s": 30 * time.Second, "30": 30 * time.Second, "0": 0, "1m": time.Minute, "61s": -1, "-1s": -1, "x": -1, "99999999999999999999": -1} {
		r := httptest.NewRequestWithContext(t.Context(), "GET", "/?wait="+in, nil)
		got, err := Duration(r, "wait", time.Second, time.Minute)
		if (err != nil) != (want < 0) || err == nil && got != want {
			t.Errorf("%q: %v, %v", in, got, err)
		}
	}
}

func TestListsAreNeverNull(t *testing.T) {
	b, err := json.Marshal(ListOf[int](nil, ""))
	if err != nil || string(b) != `{"data":[],"next_cursor":""}` {
		t.Errorf("%s, %v", b, err)
	}
}

// tokens knows the roles as tokens of the same name.
type tokens struct{ err error }

func (a tokens) Authenticate(_ context.Context, token string) (access.Principal, error) {
	if a.err != nil {
		return access.Principal{}, a.err
	}
	return access.Principal{Token: token, Role: access.Role(token)}, nil
}

func TestRequire(t *testing.T) {
	for name, c := range map[string]struct {
		header string
		err    error
		roles  []access.Role
		status int
	}{
		"allowed":        {"Bearer operator", nil, []access.Role{access.Operator}, 200},
		"any case":       {"bearer  operator", nil, []access.Role{access.Operator}, 200},
		"any role":       {"Bearer auditor", nil, nil, 200},
		"another role":   {"Bearer auditor", nil, []access.Role{access.Operator, access.Privacy}, 403},
		"none":           {"", nil, nil, 401},
		"no token":       {"Bearer ", nil, nil, 401},
		"another scheme": {"Basic operator", nil, nil, 401},
		"unknown":        {"Bearer x", model.Errorf(model.Denied, "authenticate", "unknown"), nil, 401},
		"store away":     {"Bearer x", model.Errorf(model.Unavailable, "authenticate", "away"), nil, 503},
	} {
		r := httptest.NewRequestWithContext(t.Context(), "GET", "/", nil)
		if c.header != "" {
			r.Header.Set("Authorization", c.header)
		}
		w := serve(t, Options{}, "/", Require(tokens{c.err}, func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.WriteString(w, PrincipalOf(r.Context()).Token)
		}, c.roles...), r)
		if w.Code != c.status || c.status == 200 && !strings.HasSuffix(c.header, w.Body.String()) {
			t.Errorf("%s: %d %s", name, w.Code, w.Body)
		}
		if (w.Header().Get("WWW-Authenticate") != "") != (w.Code == 401) {
			t.Errorf("%s: WWW-Authenticate %q", name, w.Header().Get("WWW-Authenticate"))
		}
	}
}

// TestCatalog: every kind of problem is listed once.
func TestCatalog(t *testing.T) {
	var types []string
	for _, p := range Problems() {
		if p.Status < 400 || p.Title == "" {
			t.Errorf("%+v", p)
		}
		types = append(types, p.Type)
	}
	slices.Sort(types)
	if diff := cmp.Diff(slices.Compact(slices.Clone(types)), types); diff != "" {
		t.Errorf("listed twice:\n%s", diff)
	}
	for _, code := range model.Codes() {
		if !slices.Contains(types, typePrefix+string(code)) {
			t.Errorf("%s is missing", code)
		}
	}
}

// TestUnhurriedEndsWithTheHub: work that may take long ends when the hub begins
// to; any other request is finished.
func TestUnhurriedEndsWithTheHub(t *testing.T) {
	ending := make(chan struct{})
	mux := http.NewServeMux()
	var long, short error
	mux.HandleFunc("GET /long", Unhurried(func(_ http.ResponseWriter, r *http.Request) {
		close(ending)
		<-r.Context().Done()
		long = r.Context().Err()
	}))
	mux.HandleFunc("GET /short", func(_ http.ResponseWriter, r *http.Request) { short = r.Context().Err() })
	h := Handler(mux, Options{Ending: ending})
	for _, path := range []string{"/long", "/short"} {
		h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil))
	}
	if !errors.Is(long, context.Canceled) || short != nil {
		t.Errorf("long work ended with %v, a short request with %v", long, short)
	}
}
