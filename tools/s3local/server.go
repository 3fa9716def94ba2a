package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/rclone/gofakes3/signature"
)

// request is what the control tells of a request that was served.
type request struct {
	Method string `json:"method"`
	Path   string `json:"path"`
	Query  string `json:"query"`
	Owner  string `json:"owner"`
	SSE    string `json:"sse"`
	KeyID  string `json:"key_id"`
	Bucket bool   `json:"bucket_key"`
	Status int    `json:"status"`
}

// server stands before gofakes3.
type server struct {
	account, access, secret string
	s3                      http.Handler

	mu       sync.Mutex
	at       time.Time // zero: the real time
	fault    string
	only     string // method that the fault waits for; empty: any
	left     int    // requests that the fault still meets
	requests []request
	sse      map[string]string // key of each object, and of "path?uploadId"
}

func (s *server) now() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.at.IsZero() {
		return time.Now()
	}
	return s.at
}

// takeFault says which fault meets this request; empty is none.
func (s *server) takeFault(method string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.left == 0 || s.only != "" && s.only != method {
		return ""
	}
	s.left--
	return s.fault
}

const sseHeader = "X-Amz-Server-Side-Encryption"

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	fault := s.takeFault(r.Method)
	switch fault {
	case "refuse":
		panic(http.ErrAbortHandler) // the connection ends without an answer
	case "hang":
		<-r.Context().Done()
		return
	case "slow":
		refuse(w, http.StatusServiceUnavailable, "SlowDown", "Please reduce your request rate.")
		return
	case "deny":
		refuse(w, http.StatusForbidden, "AccessDenied", "Access Denied")
		return
	}
	out := &watched{ResponseWriter: w, status: http.StatusOK}
	req := request{
		Method: r.Method, Path: r.URL.Path, Query: r.URL.RawQuery, Owner: ownerOf(r),
		SSE: r.Header.Get(sseHeader), KeyID: r.Header.Get(sseHeader + "-Aws-Kms-Key-Id"),
		Bucket: r.Header.Get(sseHeader+"-Bucket-Key-Enabled") == "true",
	}
	defer func() {
		req.Status = out.status
		s.mu.Lock()
		s.requests = append(s.requests, req)
		s.mu.Unlock()
		if fault == "lost" {
			panic(http.ErrAbortHandler)
		}
	}()
	if fault == "lost" {
		out.silent = true // done, and the answer never arrives
	}
	lookup := func(access string) (string, bool) { return s.secret, access == s.access }
	if code := signature.V4SignVerifyWithLookup(r, lookup); code != signature.ErrNone {
		e := signature.GetAPIError(code)
		refuse(out, e.HTTPStatusCode, e.Code, e.Description)
		return
	}
	if req.Owner != "" && req.Owner != s.account {
		refuse(out, http.StatusForbidden, "AccessDenied", "The bucket has another owner.")
		return
	}
	s.forward(out, r, req)
}

// forward serves a request whose signature holds. gofakes3 knows no SSE-KMS:
// its headers end here.
func (s *server) forward(w http.ResponseWriter, r *http.Request, req request) {
	query := r.URL.Query()
	_, begins := query["uploads"]
	object := strings.Count(strings.Trim(r.URL.Path, "/"), "/") > 0
	writes := object && (r.Method == http.MethodPut && !query.Has("partNumber") || r.Method == http.MethodPost && begins)
	if writes {
		if req.SSE != "aws:kms" {
			refuse(w, http.StatusForbidden, "AccessDenied", "Objects are written with SSE-KMS.")
			return
		}
		s.mu.Lock()
		s.sse[r.URL.Path] = req.KeyID
		s.mu.Unlock()
		for _, suffix := range []string{"", "-Aws-Kms-Key-Id", "-Bucket-Key-Enabled", "-Context"} {
			r.Header.Del(sseHeader + suffix)
		}
	}
	if object && (r.Method == http.MethodGet || r.Method == http.MethodHead) {
		s.mu.Lock()
		key, ok := s.sse[r.URL.Path]
		s.mu.Unlock()
		if ok {
			w.Header().Set(sseHeader, "aws:kms")
			w.Header().Set(sseHeader+"-Aws-Kms-Key-Id", key)
		}
	}
	if begins && !object && r.Method == http.MethodGet {
		// gofakes3 says that a bucket without uploads is not there.
		w = &forgiving{ResponseWriter: w}
	}
	s.s3.ServeHTTP(w, r)
}

// forgiving turns a 404 into an empty list of uploads.
type forgiving struct {
	http.ResponseWriter
	none bool
}

func (f *forgiving) WriteHeader(status int) {
	if f.none = status == http.StatusNotFound; f.none {
		status = http.StatusOK
	}
	f.ResponseWriter.WriteHeader(status)
	if f.none {
		_, _ = f.ResponseWriter.Write([]byte("<ListMultipartUploadsResult></ListMultipartUploadsResult>"))
	}
}

func (f *forgiving) Write(p []byte) (int, error) {
	if f.none {
		return len(p), nil
	}
	return f.ResponseWriter.Write(p)
}

// ownerOf is the owner that the caller expects, said in a header or, where the
// request was signed for others, in the query.
func ownerOf(r *http.Request) string {
	const name = "X-Amz-Expected-Bucket-Owner"
	if v := r.Header.Get(name); v != "" {
		return v
	}
	return r.URL.Query().Get(name)
}

func refuse(w http.ResponseWriter, status int, code, message string) {
	w.Header().Set("Content-Type", "application/xml")
	w.WriteHeader(status)
	fmt.Fprintf(w, "<Error><Code>%s</Code><Message>%s</Message></Error>", code, message)
}

// watched keeps the status of an answer.
type watched struct {
	http.ResponseWriter
	status int
	silent bool
}

func (w *watched) WriteHeader(status int) {
	w.status = status
	if !w.silent {
		w.ResponseWriter.WriteHeader(status)
	}
}

func (w *watched) Write(p []byte) (int, error) {
	if w.silent {
		return len(p), nil
	}
	return w.ResponseWriter.Write(p)
}

// control moves the clock, sets faults and tells of requests.
func (s *server) control() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /clock", func(w http.ResponseWriter, r *http.Request) {
		var at time.Time
		if v := r.FormValue("at"); v != "" {
			var err error
			if at, err = time.Parse(time.RFC3339Nano, v); err != nil {
				http.Error(w, err.Error(), http.StatusBadRequest)
				return
			}
		}
		s.mu.Lock()
		s.at = at
		s.mu.Unlock()
	})
	mux.HandleFunc("POST /fault", func(w http.ResponseWriter, r *http.Request) {
		n, err := strconv.Atoi(r.FormValue("n"))
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		s.mu.Lock()
		s.fault, s.only, s.left = r.FormValue("kind"), r.FormValue("method"), n
		s.mu.Unlock()
	})
	mux.HandleFunc("GET /requests", func(w http.ResponseWriter, _ *http.Request) {
		s.mu.Lock()
		defer s.mu.Unlock()
		_ = json.NewEncoder(w).Encode(s.requests) // a test that has gone needs no answer
	})
	return mux
}
