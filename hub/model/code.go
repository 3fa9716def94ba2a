package model

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// Code says what kind of thing went wrong. Callers act on the code and never
// on the text. The set is closed: drivers, rooms and HTTP faces share it.
type Code string

// The codes, each with one HTTP status, one gRPC status and one problem type.
const (
	NotFound     Code = "not_found"    // there is no such thing, or it is not the caller's
	Conflicting  Code = "conflict"     // another call is changing, or has changed, the same thing
	Precondition Code = "precondition" // a stated condition did not hold; nothing was written
	Invalid      Code = "invalid"      // the request can never succeed as it is
	Denied       Code = "denied"       // the caller, or the hub's own role, may not do this
	Throttled    Code = "throttled"    // too many; the same request may succeed later
	Unavailable  Code = "unavailable"  // a dependency is away; the same request may succeed later
	TooLarge     Code = "too_large"    // over a stated limit
	Corrupt      Code = "corrupt"      // stored bytes do not open or decode
	Internal     Code = "internal"     // a fault of the hub itself
)

// codeInfo is the one table that ties a code to its statuses.
var codeInfo = map[Code]struct {
	http  int
	grpc  uint32
	title string
}{
	NotFound:     {404, 5, "Not found"},
	Conflicting:  {409, 10, "Conflict"},
	Precondition: {412, 9, "Precondition failed"},
	Invalid:      {422, 3, "Invalid request"},
	Denied:       {403, 7, "Denied"},
	Throttled:    {429, 8, "Too many requests"},
	Unavailable:  {503, 14, "Unavailable"},
	TooLarge:     {413, 11, "Too large"},
	Corrupt:      {500, 15, "Stored data is damaged"},
	Internal:     {500, 13, "Internal error"},
}

// Codes lists every code, in the order of their declaration.
func Codes() []Code {
	return []Code{
		NotFound, Conflicting, Precondition, Invalid, Denied,
		Throttled, Unavailable, TooLarge, Corrupt, Internal,
	}
}

// HTTPStatus is the status an HTTP face answers with for this code.
func (c Code) HTTPStatus() int {
	if i, ok := codeInfo[c]; ok {
		return i.http
	}
	return 500
}

// GRPCStatus is the numeric google.rpc.Code for this code. It is a plain
// number because this package imports the standard library alone.
func (c Code) GRPCStatus() uint32 {
	if i, ok := codeInfo[c]; ok {
		return i.grpc
	}
	return 13
}

// Title is the short human name of the code, the title of a problem document.
func (c Code) Title() string {
	if i, ok := codeInfo[c]; ok {
		return i.title
	}
	return "Internal error"
}

// Temporary reports whether the same request may succeed later unchanged.
func (c Code) Temporary() bool { return c == Throttled || c == Unavailable || c == Conflicting }

// FaultIn is a part of a request other than its body.
type FaultIn string

// The parts of a request that faults are in.
const (
	InQuery  FaultIn = "query"
	InHeader FaultIn = "header"
)

// Fault names one thing wrong with a request: where, and how to mend it.
type Fault struct {
	// Field is the place in the request, as a path such as "content.text".
	Field string `json:"field,omitempty"`
	// Pointer is the same place as a JSON pointer (RFC 6901) into the body of
	// the request; empty when it is elsewhere, or the whole body.
	Pointer string `json:"pointer,omitempty"`
	// In says where Field is when it is not in the body.
	In FaultIn `json:"in,omitempty"`
	// Detail says what is wrong and what would be right. It never holds a
	// secret, a contact address or message text.
	Detail string `json:"detail"`
}

// Error is the error type of the hub. Op says what was attempted. Detail is
// safe to show to the caller; Err is for the operator's log only.
type Error struct {
	Code       Code
	Op         string
	Detail     string
	Faults     []Fault
	RetryAfter time.Duration // a hint, with Throttled and Unavailable
	Err        error
}

// Errorf returns an *Error whose detail is formatted. It does not wrap: use
// Wrap to keep a cause.
func Errorf(code Code, op, format string, args ...any) *Error {
	return &Error{Code: code, Op: op, Detail: fmt.Sprintf(format, args...)}
}

// Wrap returns an *Error with the given code around err; nil stays nil.
func Wrap(code Code, op string, err error) error {
	if err == nil {
		return nil
	}
	return &Error{Code: code, Op: op, Err: err}
}

func (e *Error) Error() string {
	var b strings.Builder
	if e.Op != "" {
		b.WriteString(e.Op)
		b.WriteString(": ")
	}
	b.WriteString(string(e.Code))
	if e.Detail != "" {
		b.WriteString(": ")
		b.WriteString(e.Detail)
	}
	for _, f := range e.Faults {
		fmt.Fprintf(&b, "; %s: %s", f.Field, f.Detail)
	}
	if e.Err != nil {
		b.WriteString(": ")
		b.WriteString(e.Err.Error())
	}
	return b.String()
}

func (e *Error) Unwrap() error { return e.Err }

// CodeOf returns the code of the first *Error in err's chain; any other
// non-nil error is Internal, and nil has no code.
func CodeOf(err error) Code {
	if err == nil {
		return ""
	}
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Code
	}
	return Internal
}

// Is reports whether err carries the given code.
func Is(err error, code Code) bool { return err != nil && CodeOf(err) == code }
