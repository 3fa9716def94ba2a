package web

import (
	"errors"
	"net/http"
	"strings"

	"github.com/channelhub/channelhub/hub/model"
)

// InQuery is the fault of a parameter of the query.
func InQuery(name, detail string) model.Fault {
	return model.Fault{Field: name, In: model.InQuery, Detail: detail}
}

// InHeader is the fault of a header.
func InHeader(name, detail string) model.Fault {
	return model.Fault{Field: name, In: model.InHeader, Detail: detail}
}

// AllFaults joins what was found wrong with one request, so that it is named
// at once; nil when nothing was. An error that is no fault of the request goes
// before those that are.
func AllFaults(errs ...error) error {
	var first *model.Error
	var faults []model.Fault
	for _, err := range errs {
		if err == nil {
			continue
		}
		e, ok := errors.AsType[*model.Error](err)
		if !ok || e.Code != model.Invalid {
			return err
		}
		if first == nil {
			first = e
		}
		faults = append(faults, e.Faults...)
	}
	if first == nil {
		return nil
	}
	all := *first // it may be shared
	all.Faults = faults
	return &all
}

// placed says of each fault where in the request it is. The rooms inside name
// a field and know no requests: it is one of the JSON body when there was one,
// and else of the query.
func placed(r *http.Request, faults []model.Fault) []model.Fault {
	out := make([]model.Fault, len(faults)) // the error may be anybody's
	inBody := infoOf(r.Context()).jsonBody
	for i, f := range faults {
		if f.In == "" && f.Pointer == "" && f.Field != "" {
			switch {
			case inBody:
				f.Pointer = pointerOf(f.Field)
			case bodiless(r.Method) || r.URL.Query().Has(f.Field):
				f.In = model.InQuery
			}
		}
		out[i] = f
	}
	return out
}

func bodiless(method string) bool {
	return method == http.MethodGet || method == http.MethodHead || method == http.MethodDelete
}

// pointerOf turns a path such as content.cards[0].title into a JSON pointer.
func pointerOf(field string) string {
	var b strings.Builder
	for name := range strings.SplitSeq(field, ".") {
		for i, part := range strings.Split(name, "[") {
			if i > 0 {
				part = strings.TrimSuffix(part, "]")
			}
			b.WriteByte('/')
			b.WriteString(escapePointer.Replace(part))
		}
	}
	return b.String()
}
