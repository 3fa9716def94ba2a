package web

import (
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/channelhub/channelhub/hub/model"
)

// Query lets through only requests whose query next can take: each parameter
// is one of the names, and comes once. A parameter that is misspelt would
// otherwise do nothing, and nobody would say so.
func Query(next http.HandlerFunc, names ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		faults, err := QueryFaults(r, names...)
		if err == nil && len(faults) > 0 {
			err = Invalid("The query is not what this call takes.", faults...)
		}
		if err != nil {
			Fail(w, r, err)
			return
		}
		next(w, r)
	}
}

// QueryFaults names what Query refuses, for a call that has more to say. The
// error is that of a query that cannot be read at all.
func QueryFaults(r *http.Request, names ...string) ([]model.Fault, error) {
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, Malformed("The query cannot be read.", model.Fault{In: model.InQuery, Detail: "escape what is not a letter or a digit with % and two hexadecimal digits"})
	}
	takes := "this call takes none"
	if len(names) > 0 {
		takes = "this call takes " + strings.Join(names, ", ")
	}
	var faults []model.Fault
	for _, name := range slices.Sorted(maps.Keys(query)) {
		switch {
		case len(faults) == maxFaults:
			return faults, nil
		case slices.Contains(names, name):
			if len(query[name]) > 1 {
				faults = append(faults, InQuery(name, "give it once"))
			}
		case len(name) > maxFaultName:
			faults = append(faults, model.Fault{In: model.InQuery, Detail: "there is no parameter of so long a name; " + takes})
		default:
			faults = append(faults, InQuery(name, "there is no such parameter; "+takes))
		}
	}
	return faults, nil
}
