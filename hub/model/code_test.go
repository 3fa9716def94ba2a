package model

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
)

func TestEveryCodeHasItsStatuses(t *testing.T) {
	want := map[Code]struct {
		http int
		grpc uint32
		temp bool
	}{
		NotFound: {404, 5, false}, Conflicting: {409, 10, true}, Precondition: {412, 9, false}, Invalid: {422, 3, false}, Denied: {403, 7, false},
		Throttled: {429, 8, true}, Unavailable: {503, 14, true}, TooLarge: {413, 11, false}, Corrupt: {500, 15, false}, Internal: {500, 13, false},
	}
	seen, grpcs, titles := map[Code]bool{}, map[uint32]bool{}, map[string]bool{}
	for _, c := range Codes() {
		w, ok := want[c]
		if !ok || seen[c] {
			t.Errorf("%s is unknown, or listed twice", c)
		}
		seen[c] = true
		if c.HTTPStatus() != w.http || c.GRPCStatus() != w.grpc || c.Temporary() != w.temp {
			t.Errorf("%s: HTTP %d, gRPC %d, temporary %v; want %+v", c, c.HTTPStatus(), c.GRPCStatus(), c.Temporary(), w)
		}
		if c.Title() == "" || titles[c.Title()] || grpcs[c.GRPCStatus()] {
			t.Errorf("%s has no title or gRPC status of its own", c)
		}
		titles[c.Title()], grpcs[c.GRPCStatus()] = true, true
	}
	if len(seen) != len(want) || len(seen) != len(codeInfo) {
		t.Errorf("%d codes are listed, want %d; the table has %d", len(seen), len(want), len(codeInfo))
	}
	odd := Code("odd")
	if odd.HTTPStatus() != 500 || odd.GRPCStatus() != 13 || odd.Title() != Internal.Title() || odd.Temporary() {
		t.Error("an unknown code is not a fault of the hub")
	}
}

func TestErrorsCarryTheirCode(t *testing.T) {
	nothing := Wrap(Corrupt, "x", nil)
	if nothing != nil || CodeOf(nil) != "" || Is(nil, "") {
		t.Error("no error is one")
	}
	inner := Errorf(Throttled, "ask", "in %d s", 3)
	for name, err := range map[string]error{
		"plain": inner, "wrapped": fmt.Errorf("send: %w", inner), "joined": errors.Join(io.EOF, inner),
	} {
		if CodeOf(err) != Throttled || !Is(err, Throttled) || Is(err, Internal) {
			t.Errorf("%s: code %q", name, CodeOf(err))
		}
	}
	outer := Wrap(Unavailable, "send", fmt.Errorf("try: %w", inner))
	if CodeOf(outer) != Unavailable || !errors.Is(outer, inner) {
		t.Errorf("the outer code does not count, or the cause is lost: %v", outer)
	}
	if CodeOf(context.Canceled) != Internal {
		t.Error("an error without a code is not internal")
	}
}

func TestErrorTexts(t *testing.T) {
	err := &Error{
		Code: Invalid, Op: "accept message", Detail: "two faults", Err: io.ErrUnexpectedEOF,
		Faults: []Fault{{Field: "to", Detail: "missing"}, {Field: "content.text", Detail: "too long"}},
	}
	const want = "accept message: invalid: two faults; to: missing; content.text: too long: unexpected EOF"
	if err.Error() != want {
		t.Errorf("%q, want %q", err, want)
	}
	if got := (&Error{Code: NotFound}).Error(); got != "not_found" {
		t.Errorf("%q, want the code alone", got)
	}
	if strings.Contains(Errorf(Denied, "a", "100%%").Error(), "!") {
		t.Error("a detail is formatted twice")
	}
}
