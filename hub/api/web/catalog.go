package web

import (
	"cmp"
	"slices"

	"github.com/channelhub/channelhub/hub/model"
)

// Problems lists every kind of problem that a call can be answered with, by
// status, for documents.
func Problems() []Problem {
	out := []Problem{errUnauthenticated, errMalformed, errNoRoute, errMethod, errMediaType, errGone}
	for _, code := range model.Codes() {
		if p := problemOf(&model.Error{Code: code}); p.Type != errNoRoute.Type {
			out = append(out, Problem{Type: p.Type, Title: p.Title, Status: p.Status})
		}
	}
	slices.SortStableFunc(out, func(a, b Problem) int { return cmp.Compare(a.Status, b.Status) })
	return out
}
