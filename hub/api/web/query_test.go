package web

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestQuery(t *testing.T) {
	long := strings.Repeat("n", maxFaultName+1)
	for query, want := range map[string][]string{
		"":                        {"204"},
		"limit=5&cursor=a%20b":    {"204"},
		"limit=":                  {"204"},
		"limt=5":                  {"422", "query limt: there is no such parameter; this call takes limit, cursor"},
		"limit=5&b=1&a=2&limit=6": {"422", "query a: there is no such parameter; this call takes limit, cursor", "query b: there is no such parameter; this call takes limit, cursor", "query limit: give it once"},
		long + "=1":               {"422", "query : there is no parameter of so long a name; this call takes limit, cursor"},
		"limit=%zz":               {"400", "query : escape what is not a letter or a digit with % and two hexadecimal digits"},
		"limit=1;cursor=2":        {"400", "query : escape what is not a letter or a digit with % and two hexadecimal digits"},
		"Limit=5":                 {"422", "query Limit: there is no such parameter; this call takes limit, cursor"},
	} {
		next := Query(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }, "limit", "cursor")
		w := serve(t, Options{}, "/", next, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/?"+query, nil))
		got := []string{fmt.Sprint(w.Code)}
		if w.Code != http.StatusNoContent {
			for _, f := range problemIn(t, w).Faults {
				got = append(got, fmt.Sprintf("%s %s: %s", f.In, f.Field, f.Detail))
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%q (-want +got):\n%s", query, diff)
		}
	}
	many := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
	var q strings.Builder
	for i := range 1000 {
		fmt.Fprintf(&q, "p%d=1&", i)
	}
	many.URL.RawQuery = q.String()
	if faults, err := QueryFaults(many); err != nil || len(faults) != maxFaults {
		t.Errorf("%d faults of 1000, %v; want %d", len(faults), err, maxFaults)
	}
}
