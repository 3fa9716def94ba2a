package admin

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/channelhub/channelhub/hub/access"
	"github.com/channelhub/channelhub/hub/api/web"
	"github.com/channelhub/channelhub/hub/model"
)

// fakeJournal holds n entries of plugin echo; entry i has the id i.
type fakeJournal struct{ n int }

func (f fakeJournal) Entries(_ context.Context, plugin model.PluginID, cursor string, limit int) ([]JournalEntry, string, error) {
	from := 0
	if cursor != "" {
		var err error
		if from, err = strconv.Atoi(cursor); err != nil {
			return nil, "", web.Invalid("The cursor is wrong.", model.Fault{Field: "cursor", Detail: "give the one before"})
		}
	}
	var out []JournalEntry
	for i := from; i < f.n && plugin != "old"; i++ {
		if len(out) == limit {
			return out, strconv.Itoa(i), nil
		}
		out = append(out, JournalEntry{ID: strconv.Itoa(i), Plugin: "echo", Bytes: 7})
	}
	return out, "", nil
}

func (f fakeJournal) Replay(context.Context, model.PluginID) (int, int, error) { return f.n, 1, nil }

func TestNoJournal(t *testing.T) {
	f := newFixture(t)
	for _, call := range [][3]string{
		{"GET", "/admin/v1/journal", ""},
		{"GET", "/admin/v1/journal/export", ""},
		{"POST", "/admin/v1/journal/replay", `{"plugin":"echo"}`},
	} {
		w := f.do(access.Operator, call[0], call[1], call[2])
		want[web.Problem](f, http.StatusServiceUnavailable, w)
		if w.Header().Get("Retry-After") == "" {
			t.Errorf("%s: no Retry-After", call[1])
		}
	}
}

func TestJournal(t *testing.T) {
	f := newFixture(t, func(o *Options) { o.Journal = fakeJournal{n: 3} })
	l := want[web.List[JournalEntry]](f, http.StatusOK, f.do(access.Operator, "GET", "/admin/v1/journal?limit=2", ""))
	if len(l.Data) != 2 || l.NextCursor != "2" {
		t.Errorf("first page %+v", l)
	}
	l = want[web.List[JournalEntry]](f, http.StatusOK, f.do(access.Operator, "GET", "/admin/v1/journal?plugin=old", ""))
	if l.Data == nil || len(l.Data) != 0 {
		t.Errorf("journal of old: %+v", l)
	}
	want[web.Problem](f, http.StatusNotFound, f.do(access.Operator, "GET", "/admin/v1/journal?plugin=none", ""))
	want[web.Problem](f, http.StatusUnprocessableEntity, f.do(access.Operator, "GET", "/admin/v1/journal?cursor=x", ""))
	want[web.Problem](f, http.StatusNotFound, f.do(access.Operator, "POST", "/admin/v1/journal/replay", `{"plugin":"none"}`))
	for _, body := range []string{`{}`, `{"plugin":""}`, `{"plugin":null}`} {
		p := want[web.Problem](f, http.StatusUnprocessableEntity, f.do(access.Operator, "POST", "/admin/v1/journal/replay", body))
		if len(p.Faults) != 1 || p.Faults[0].Pointer != "/plugin" {
			t.Errorf("replay of %s: %+v", body, p)
		}
	}
	got := want[Replayed](f, http.StatusOK, f.do(access.Operator, "POST", "/admin/v1/journal/replay", `{"plugin":"echo"}`))
	if diff := cmp.Diff(Replayed{"echo", 3, 1}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"journal.replay plugin/echo begun", "journal.replay plugin/echo done"}, f.audited()); diff != "" {
		t.Errorf("audit log (-want +got):\n%s", diff)
	}
}

func TestJournalExportIsWhole(t *testing.T) {
	const n = maxPage*2 + 3
	f := newFixture(t, func(o *Options) { o.Journal = fakeJournal{n} })
	server := httptest.NewServer(f.http)
	defer server.Close()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+"/admin/v1/journal/export", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+secretOf(access.Operator))
	w, err := server.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Body.Close()
	if w.StatusCode != http.StatusOK || w.Header.Get("Content-Type") != "application/jsonl" {
		t.Fatalf("%d %s", w.StatusCode, w.Header.Get("Content-Type"))
	}
	lines := 0
	for s := bufio.NewScanner(w.Body); s.Scan(); lines++ {
		var e JournalEntry
		if err := json.Unmarshal(s.Bytes(), &e); err != nil || e.ID != fmt.Sprint(lines) {
			t.Fatalf("line %d: %v %s", lines, err, s.Text())
		}
	}
	if lines != n {
		t.Errorf("%d lines, want %d", lines, n)
	}
}

// TestFaultsOfQueries: all that is wrong with a list's parameters is named at
// once, in an order that does not change.
func TestFaultsOfQueries(t *testing.T) {
	f := newFixture(t)
	for path, c := range map[string]struct {
		role access.Role
		want string
	}{
		"/admin/v1/audit?limit=0&since=x&until=y&order=z&cursor=0": {access.Auditor, "limit since until order cursor"},
		"/admin/v1/deadletters?limit=501&cursor=acme/x":            {access.Operator, "limit cursor"},
		"/admin/v1/plugins?limit=-1":                               {access.Operator, "limit"},
	} {
		var got []string
		for _, fault := range want[web.Problem](f, http.StatusUnprocessableEntity, f.do(c.role, "GET", path, "")).Faults {
			if got = append(got, fault.Field); fault.In != model.InQuery {
				t.Errorf("%s: %+v", path, fault)
			}
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%s: faults of %v, want %s", path, got, c.want)
		}
	}
}
