// Package web holds the manners that every HTTP face shares: the problem
// document of RFC 9457, authentication, strict reading of bodies, request ids.
package web

import (
	"encoding/json"
	"errors"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/channelhub/channelhub/hub/model"
)

// Problem is an error as callers see it: application/problem+json with one
// stable type for each code.
//
//nolint:errname // the document has its name from RFC 9457; being an error is its second trade
type Problem struct {
	// Type is "urn:channelhub:problem:" and a code. Act on it, or on Status.
	Type      string        `json:"type"`
	Title     string        `json:"title"`
	Status    int           `json:"status"`
	Detail    string        `json:"detail,omitempty"`
	Faults    []model.Fault `json:"faults,omitempty"`
	RequestID string        `json:"request_id,omitempty"`
	// Oldest is, with a cursor whose place is gone, the cursor to read on with.
	Oldest string `json:"oldest,omitempty"`

	retryAfter time.Duration
	allow      string
}

func (p *Problem) Error() string { return p.Title + ": " + p.Detail }

const typePrefix = "urn:channelhub:problem:"

// Problems that no model code stands for.
var (
	errUnauthenticated = Problem{Type: typePrefix + "unauthenticated", Title: "Unauthenticated", Status: 401}
	errMalformed       = Problem{Type: typePrefix + "malformed", Title: "Malformed request", Status: 400}
	errNoRoute         = Problem{Type: typePrefix + "not_found", Title: "Not found", Status: 404}
	errMethod          = Problem{Type: typePrefix + "method_not_allowed", Title: "Method not allowed", Status: 405}
	errMediaType       = Problem{Type: typePrefix + "unsupported_media_type", Title: "Unsupported media type", Status: 415}
	errGone            = Problem{Type: typePrefix + "gone", Title: "Gone", Status: 410}
)

func problem(base Problem, detail string, faults ...model.Fault) *Problem {
	base.Detail, base.Faults = detail, faults
	return &base
}

// Malformed is the error of a request that cannot be read at all.
func Malformed(detail string, faults ...model.Fault) *Problem {
	return problem(errMalformed, detail, faults...)
}

// Unauthenticated is the error of a request without a valid token.
func Unauthenticated(detail string) *Problem { return problem(errUnauthenticated, detail) }

// Gone is the error of a place that was there once and is no more.
func Gone(detail string) *Problem { return problem(errGone, detail) }

// GoneBefore is the error of a cursor whose place is no more, with the one to
// read on with.
func GoneBefore(oldest, detail string) *Problem {
	p := problem(errGone, detail)
	p.Oldest = oldest
	return p
}

// Invalid is the error of a request that can be read and not be done.
func Invalid(detail string, faults ...model.Fault) error {
	return &model.Error{Code: model.Invalid, Detail: detail, Faults: faults}
}

// problemOf turns any error into what the caller may see of it. What a code
// of the hub's own says is shown; anything else is an internal error whose
// cause stays in the log.
func problemOf(err error) Problem {
	if p, ok := errors.AsType[*Problem](err); ok {
		return *p
	}
	e, ok := errors.AsType[*model.Error](err)
	if !ok {
		e = &model.Error{Code: model.Internal}
	}
	p := Problem{
		Type: typePrefix + string(e.Code), Title: e.Code.Title(), Status: e.Code.HTTPStatus(),
		Detail: e.Detail, Faults: e.Faults, retryAfter: e.RetryAfter,
	}
	if e.Code == model.Internal || e.Code == model.Corrupt {
		p.Detail, p.Faults = "The hub could not do this. The request id finds the cause in its log.", nil
	}
	if e.Code == model.NotFound && p.Detail == "" {
		p.Detail = "There is no such thing, or it is not yours."
	}
	return p
}

// defaultRetryAfter goes with every 429 and 503 whose cause names no time.
const defaultRetryAfter = 2 * time.Second

// Fail answers a request with the problem that err is.
func Fail(w http.ResponseWriter, r *http.Request, err error) {
	p := problemOf(err)
	p.RequestID = RequestID(r.Context())
	if len(p.Faults) > 0 {
		p.Faults = placed(r, p.Faults)
	}
	if p.Status >= 500 && p.Status != http.StatusServiceUnavailable {
		noteFault(r.Context(), err)
	}
	h := w.Header()
	if p.Status == http.StatusTooManyRequests || p.Status == http.StatusServiceUnavailable {
		after := p.retryAfter
		if after <= 0 {
			after = defaultRetryAfter
		}
		h.Set("Retry-After", strconv.Itoa(int(math.Ceil(after.Seconds()))))
	}
	if p.Status == http.StatusUnauthorized {
		h.Set("WWW-Authenticate", `Bearer realm="channelhub"`)
	}
	if p.allow != "" {
		h.Set("Allow", p.allow)
	}
	h.Set("Content-Type", "application/problem+json")
	h.Set("Cache-Control", "no-store")
	body, err := json.Marshal(p)
	if err != nil {
		body = []byte(`{"type":"urn:channelhub:problem:internal","title":"Internal error","status":500}`)
	}
	w.WriteHeader(p.Status)
	_, _ = w.Write(append(body, '\n'))
}

// JSON answers a request with a value.
func JSON(w http.ResponseWriter, r *http.Request, status int, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		Fail(w, r, model.Wrap(model.Internal, "encode answer", err))
		return
	}
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write(append(body, '\n'))
}

// List is the answer of every list.
type List[T any] struct {
	Data       []T    `json:"data" doc:"One page of the list."`
	NextCursor string `json:"next_cursor" doc:"Goes on with the list; empty at its end."`
}

// ListOf returns data as a list that encodes as [] when it is empty.
func ListOf[T any](data []T, next string) List[T] {
	if data == nil {
		data = []T{}
	}
	return List[T]{data, next}
}

// MethodNotAllowed is the error of a path that takes other methods.
func MethodNotAllowed(method string, allowed []string) *Problem {
	p := problem(errMethod, "This path does not take "+method+".")
	p.allow = strings.Join(allowed, ", ")
	return p
}
