package audit

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"testing"

	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/store"
)

// benchRows is how long the log of the benchmarks is. AUDIT_ROWS=1000000 gives
// the figure of docs/guides/operate.md.
func benchRows() int {
	n, err := strconv.Atoi(os.Getenv("AUDIT_ROWS"))
	if err != nil {
		return 10_000
	}
	return n
}

func longLog(b *testing.B) *store.Store {
	b.Helper()
	s := newStore(b, nil)
	for i := 0; i < benchRows(); i += store.MaxAudit {
		acts := make([]store.Act, 0, store.MaxAudit)
		for j := range min(store.MaxAudit, benchRows()-i) {
			acts = append(acts, somebody.Did(ConfigReload, fmt.Sprintf("config/%d", i+j)))
		}
		if err := s.AuditAll(b.Context(), acts); err != nil {
			b.Fatal(err)
		}
	}
	return s
}

func BenchmarkVerify(b *testing.B) {
	s := longLog(b)
	for b.Loop() {
		r, err := s.VerifyAudit(b.Context())
		if err != nil || len(r.Faults) > 0 || r.Rows != uint64(benchRows()) {
			b.Fatalf("%d rows, faults %v, %v", r.Rows, r.Faults, err)
		}
	}
	b.ReportMetric(float64(benchRows())*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
}

func BenchmarkVerifyExport(b *testing.B) {
	s := longLog(b)
	var file bytes.Buffer
	if err := Export(b.Context(), s, model.At(start), &file, func() {}); err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(file.Len())/float64(benchRows()), "B/row")
	for b.Loop() {
		r, err := VerifyExport(bytes.NewReader(file.Bytes()))
		if err != nil || len(r.Faults) > 0 || r.Rows != uint64(benchRows()) {
			b.Fatalf("%d rows, faults %v, %v", r.Rows, r.Faults, err)
		}
	}
	b.ReportMetric(float64(benchRows())*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
}
