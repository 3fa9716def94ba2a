package store_test

import (
	"errors"
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/storage/table"
	"github.com/channelhub/channelhub/hub/store"
	"github.com/channelhub/channelhub/internal/failpoint"
)

// hourlyActs is a log of ten rows, written an hour apart from noon on.
func hourlyActs(t *testing.T) (s *store.Store, other *store.Store, rows table.Handle, noon time.Time) {
	t.Helper()
	noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	now := noon
	tab, all := adminStoresAt(t, 2, &store.Options{Now: func() time.Time { return now }})
	for i := range 10 {
		now = noon.Add(time.Duration(i) * time.Hour)
		if err := all[0].Audit(t.Context(), act("config.reload", fmt.Sprintf("config/%d", i))); err != nil {
			t.Fatal(err)
		}
	}
	return all[0], all[1], tab.Hub(), noon
}

func trimAudit(t *testing.T, s *store.Store, before time.Time, upTo uint64, want int) {
	t.Helper()
	if n, err := s.TrimAudit(t.Context(), before, upTo); err != nil || n != want {
		t.Fatalf("removed %d, %v; want %d", n, err, want)
	}
}

func wantWhole(t *testing.T, s *store.Store, rows, floor uint64) {
	t.Helper()
	r, err := s.VerifyAudit(t.Context())
	if err != nil || len(r.Faults) > 0 || r.Rows != rows || r.Floor != floor {
		t.Errorf("%d rows behind %d, faults %v, %v; want %d behind %d and no fault", r.Rows, r.Floor, r.Faults, err, rows, floor)
	}
}

func TestTrimmingKeepsTheRestProven(t *testing.T) {
	s, other, _, noon := hourlyActs(t)
	trimAudit(t, s, noon, math.MaxUint64, 0) // the first row is of noon, not before it
	wantWhole(t, s, 10, 0)
	trimAudit(t, s, noon.Add(time.Millisecond), math.MaxUint64, 1)
	wantWhole(t, s, 10, 1)                           // with the row that tells of it
	trimAudit(t, other, noon.Add(5*time.Hour), 3, 2) // no further than allowed
	wantWhole(t, other, 9, 3)
	trimAudit(t, s, noon.Add(100*time.Hour), math.MaxUint64, 8) // never the newest
	wantWhole(t, s, 2, 11)
	if diff := cmp.Diff([]string{"audit.trim audit/3", "audit.trim audit/11"}, subjects(auditPage(t, s))); diff != "" {
		t.Errorf("what is kept (-want +got):\n%s", diff)
	}
	if err := other.Audit(t.Context(), act("config.reload", "config")); err != nil {
		t.Fatal(err)
	}
	wantWhole(t, s, 3, 11)
}

func auditPage(t *testing.T, s *store.Store) []store.AuditRow {
	t.Helper()
	rows, err := s.AuditPage(t.Context(), 0, false, 100)
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

// A trim that was cut off is completed by the next, and until then what lies
// below the floor is no fault.
func TestATrimThatWasCutOffIsCompleted(t *testing.T) {
	for _, site := range []string{"audit.after_floor", "audit.after_trim"} {
		t.Run(site, func(t *testing.T) {
			s, other, rows, noon := hourlyActs(t)
			if err := failpoint.Enable(site + "=error:1"); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = failpoint.Enable("") })
			if _, err := s.TrimAudit(t.Context(), noon.Add(4*time.Hour), math.MaxUint64); !errors.Is(err, failpoint.ErrInjected) {
				t.Fatalf("error %v, want the injected one", err)
			}
			wantWhole(t, other, 7, 4)
			if _, err := other.TrimAudit(t.Context(), noon.Add(4*time.Hour), math.MaxUint64); err != nil {
				t.Fatal(err)
			}
			wantWhole(t, other, 7, 4)
			page, err := rows.Query(t.Context(), table.Query{PK: "audit", Limit: 100})
			if err != nil || len(page.Rows) != 8 {
				t.Errorf("%d rows, %v; want the seven and the checkpoint", len(page.Rows), err)
			}
		})
	}
}

func TestVerifyNamesTheRowOfATrimmedLog(t *testing.T) {
	for name, tt := range map[string]struct {
		tamper func(rows []table.Row) []table.Op // the checkpoint, then rows 4 to 11
		want   []uint64
	}{
		"first changed": {func(r []table.Row) []table.Op {
			return []table.Op{table.Put("audit", r[1].SK, edited(r[1], "config/3", "config/9"))}
		}, []uint64{4}},
		"beginning cut": {func(r []table.Row) []table.Op {
			return []table.Op{table.Delete("audit", r[1].SK), table.Delete("audit", r[2].SK)}
		}, []uint64{4}},
		"floor raised": {func(r []table.Row) []table.Op {
			return []table.Op{table.Put("audit", r[0].SK, edited(r[0], `"f":3`, `"f":4`)), table.Delete("audit", r[1].SK)}
		}, []uint64{0}},
		"trim forgotten": {func(r []table.Row) []table.Op {
			return []table.Op{table.Delete("audit", r[8].SK)}
		}, []uint64{11}},
	} {
		t.Run(name, func(t *testing.T) {
			s, _, rows, noon := hourlyActs(t)
			trimAudit(t, s, noon.Add(3*time.Hour), math.MaxUint64, 3)
			page, err := rows.Query(t.Context(), table.Query{PK: "audit", Limit: 100})
			if err != nil || len(page.Rows) != 9 {
				t.Fatalf("%d rows, %v", len(page.Rows), err)
			}
			if _, err := rows.Commit(t.Context(), tt.tamper(page.Rows)...); err != nil {
				t.Fatal(err)
			}
			report, err := s.VerifyAudit(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			var named []uint64
			for _, f := range report.Faults {
				named = append(named, f.N)
			}
			if diff := cmp.Diff(tt.want, named); diff != "" {
				t.Errorf("named rows (-want +got):\n%s%v", diff, report.Faults)
			}
		})
	}
}

// What was changed is evidence: trimming stops before it.
func TestAChangedRowIsNotTrimmed(t *testing.T) {
	s, _, rows, noon := hourlyActs(t)
	page, err := rows.Query(t.Context(), table.Query{PK: "audit", Limit: 100})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := rows.Commit(t.Context(), table.Put("audit", page.Rows[3].SK, edited(page.Rows[3], "config/2", "config/9"))); err != nil {
		t.Fatal(err)
	}
	trimAudit(t, s, noon.Add(8*time.Hour), math.MaxUint64, 2)
	report, err := s.VerifyAudit(t.Context())
	if err != nil || len(report.Faults) != 1 || report.Faults[0].N != 3 {
		t.Errorf("faults %v, %v; want row 3 named", report.Faults, err)
	}
}

func TestHowFarTheLogIsCopiedIsSavedOnce(t *testing.T) {
	s, other, _, _ := hourlyActs(t)
	was, err := s.AuditCopied(t.Context())
	if err != nil || was.N != 0 {
		t.Fatalf("copied %d, %v; want nothing", was.N, err)
	}
	if err := s.SaveAuditCopied(t.Context(), was, 4); err != nil {
		t.Fatal(err)
	}
	if err := other.SaveAuditCopied(t.Context(), was, 7); !model.Is(err, model.Conflicting) {
		t.Errorf("error %v, want conflict", err)
	}
	if was, err = other.AuditCopied(t.Context()); err != nil || was.N != 4 {
		t.Errorf("copied %d, %v; want 4", was.N, err)
	}
	wantWhole(t, s, 10, 0)
}
