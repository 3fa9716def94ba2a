package audit

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/storage/keys"
	"github.com/channelhub/channelhub/hub/storage/keys/localkeys"
	"github.com/channelhub/channelhub/hub/storage/table"
	"github.com/channelhub/channelhub/hub/storage/table/pebbletable"
	"github.com/channelhub/channelhub/hub/store"
)

// start is when the clock of a test begins.
var start = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// newStore is a real store, whose clock the test sets.
func newStore(t testing.TB, now func() time.Time) *store.Store {
	t.Helper()
	dir := t.TempDir()
	rows, err := pebbletable.Open(filepath.Join(dir, "table"), nil)
	if err != nil {
		t.Fatal(err)
	}
	tab := table.New(rows, nil)
	t.Cleanup(func() {
		if err := tab.Close(); err != nil {
			t.Error(err)
		}
	})
	ring, err := localkeys.Open(filepath.Join(dir, "keyring"), nil)
	if err != nil {
		t.Fatal(err)
	}
	return store.New(tab, keys.New(ring), &store.Options{Now: now})
}

// exported is the export of ten rows, the first three of them trimmed if asked.
func exported(t *testing.T, trimmed bool) []string {
	t.Helper()
	return exportedBy(t, somebody, trimmed)
}

func exportedBy(t *testing.T, by By, trimmed bool) []string {
	t.Helper()
	now := start
	s := newStore(t, func() time.Time { return now })
	for i := range 10 {
		now = start.Add(time.Duration(i) * time.Minute)
		act := by.Did(ConfigReload, fmt.Sprintf("config/%d", i))
		if i == 6 {
			act.Count, act.Since = 7, start
		}
		if err := s.Audit(t.Context(), act); err != nil {
			t.Fatal(err)
		}
	}
	if trimmed {
		if n, err := s.TrimAudit(t.Context(), start.Add(3*time.Minute), math.MaxUint64); err != nil || n != 3 {
			t.Fatalf("trimmed %d, %v", n, err)
		}
	}
	var out bytes.Buffer
	begun := 0
	if err := Export(t.Context(), s, model.At(now), &out, func() { begun++ }); err != nil || begun != 1 {
		t.Fatalf("export: %v, begun %d times", err, begun)
	}
	return strings.SplitAfter(strings.TrimSuffix(out.String(), "\n"), "\n")
}

func judged(t *testing.T, lines []string) (store.AuditReport, []uint64) {
	t.Helper()
	report, err := VerifyExport(strings.NewReader(strings.Join(lines, "")))
	if err != nil {
		t.Fatal(err)
	}
	named := []uint64{}
	for _, f := range report.Faults {
		named = append(named, f.N)
	}
	return report, named
}

// replaced is a line with one text in place of another, which must be there.
func replaced(t *testing.T, line, old, by string) string {
	t.Helper()
	if !strings.Contains(line, old) {
		t.Fatalf("%q is not in %s", old, line)
	}
	return strings.Replace(line, old, by, 1)
}

func valueOf(line string) string {
	_, rest, _ := strings.Cut(line, `"value":"`)
	value, _, _ := strings.Cut(rest, `"`)
	return value
}

func TestAnExportIsVerifiedWithoutTheHub(t *testing.T) {
	for name, tt := range map[string]struct {
		tamper func(l []string) []string // the checkpoint, then rows 1 to 10
		want   []uint64
	}{
		"untouched": {func(l []string) []string { return l }, []uint64{}},
		"shown text changed": {func(l []string) []string {
			l[4] = replaced(t, l[4], "config/3", "config/9")
			return l
		}, []uint64{4}},
		"count changed": {func(l []string) []string {
			l[7] = replaced(t, l[7], `"count":7`, `"count":6`)
			return l
		}, []uint64{7}},
		"bytes changed": {func(l []string) []string {
			l[4] = replaced(t, l[4], valueOf(l[4]), valueOf(l[5]))
			return l
		}, []uint64{4}},
		"written anew": {func(l []string) []string {
			l[4] = exportedBy(t, By{Token: "other"}, false)[4]
			return l
		}, []uint64{4}},
		"first dropped": {func(l []string) []string { return slices.Delete(l, 1, 2) }, []uint64{1}},
		"dropped":       {func(l []string) []string { return slices.Delete(l, 5, 6) }, []uint64{5}},
		"two dropped":   {func(l []string) []string { return slices.Delete(l, 5, 7) }, []uint64{5}},
		"end cut":       {func(l []string) []string { return l[:9] }, []uint64{9}},
		"all rows cut":  {func(l []string) []string { return l[:1] }, []uint64{1}},
		"swapped": {func(l []string) []string {
			l[2], l[7] = l[7], l[2]
			return l
		}, []uint64{2, 7}},
		"doubled": {func(l []string) []string { return slices.Insert(l, 5, l[4]) }, []uint64{4}},
		"broken line": {func(l []string) []string {
			l[4] = "{\n"
			return l
		}, []uint64{4}},
		"checkpoint set back": {func(l []string) []string {
			l[0] = replaced(t, l[0], `"head":10`, `"head":9`)
			return l[:10]
		}, []uint64{0, 9}},
		"signature of another": {func(l []string) []string {
			l[0] = exportedBy(t, By{Token: "other"}, false)[0]
			return l
		}, []uint64{10}},
	} {
		t.Run(name, func(t *testing.T) {
			report, named := judged(t, tt.tamper(exported(t, false)))
			if diff := cmp.Diff(tt.want, named); diff != "" {
				t.Errorf("named rows (-want +got):\n%s%v", diff, report.Faults)
			}
		})
	}
}

func TestAnExportOfATrimmedLogIsProven(t *testing.T) {
	lines := exported(t, true)
	report, named := judged(t, lines)
	if len(named) > 0 || report.Floor != 3 || report.Head != 11 || report.Rows != 8 || len(report.PublicKey) != 64 {
		t.Errorf("report %+v; want rows 4 to 11 without a fault", report)
	}
	if _, named = judged(t, slices.Delete(slices.Clone(lines), 1, 2)); !cmp.Equal(named, []uint64{4}) {
		t.Errorf("named %v, want the row that is missing behind the floor", named)
	}
	lines[0] = replaced(t, lines[0], `"floor":3`, `"floor":4`)
	if _, named = judged(t, slices.Delete(lines, 1, 2)); !slices.Contains(named, 0) {
		t.Errorf("named %v, want the checkpoint", named)
	}
}

func TestAnEmptyLogIsExported(t *testing.T) {
	var out bytes.Buffer
	if err := Export(t.Context(), newStore(t, nil), model.At(start), &out, func() {}); err != nil {
		t.Fatal(err)
	}
	if _, named := judged(t, []string{out.String()}); len(named) > 0 {
		t.Errorf("named %v", named)
	}
}

func TestWhatIsNoExportIsRefused(t *testing.T) {
	for _, text := range []string{"", "{}\n", "not JSON\n", `{"format":"channelhub audit export 1","hash":"zz"}` + "\n"} {
		if _, err := VerifyExport(strings.NewReader(text)); !model.Is(err, model.Invalid) {
			t.Errorf("%q: error %v, want invalid", text, err)
		}
	}
}

// full takes some bytes and then no more.
type full struct{ left int }

var errFull = errors.New("no space left")

func (f *full) Write(b []byte) (int, error) {
	if f.left -= len(b); f.left < 0 {
		return 0, errFull
	}
	return len(b), nil
}

func TestAnExportThatIsNotTakenIsAnError(t *testing.T) {
	s := newStore(t, nil)
	if err := s.Audit(t.Context(), somebody.Did(ConfigReload, "config")); err != nil {
		t.Fatal(err)
	}
	var w io.Writer = &full{left: 10}
	if err := Export(t.Context(), s, model.At(start), w, func() {}); !errors.Is(err, errFull) {
		t.Errorf("error %v, want the writer's", err)
	}
}
