package store_test

import (
	"fmt"
	"math"
	"path/filepath"
	"testing"
	"time"

	"github.com/channelhub/channelhub/hub/hubtest/storetest"
	"github.com/channelhub/channelhub/hub/storage/keys"
	"github.com/channelhub/channelhub/hub/storage/keys/localkeys"
	"github.com/channelhub/channelhub/hub/storage/table"
	"github.com/channelhub/channelhub/hub/storage/table/pebbletable"
	"github.com/channelhub/channelhub/hub/store"
	"github.com/channelhub/channelhub/internal/killtest"
)

// storeIn opens a store in a directory that outlives it.
func storeIn(t *testing.T, dir string, now func() time.Time) (*store.Store, table.Handle) {
	t.Helper()
	d, err := pebbletable.Open(filepath.Join(dir, "table"), nil)
	if err != nil {
		t.Fatal(err)
	}
	ring, err := localkeys.Open(filepath.Join(dir, "keyring.json"), nil)
	if err != nil {
		t.Fatal(err)
	}
	rows := storetest.With(t, table.New(d, nil), keys.New(ring), now)
	return rows.Store(), rows.Table.Hub()
}

// TestTrimCrash kills a trim of the audit log at each of its places: what is
// left is whole, and the next trim completes it.
func TestTrimCrash(t *testing.T) {
	noon := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	now := noon
	clock := func() time.Time { return now }
	before := noon.Add(4 * time.Hour)
	if child, ok := killtest.Child(); ok {
		s, _ := storeIn(t, child.Dir, clock)
		child.Arm(t)
		_, _ = s.TrimAudit(t.Context(), before, math.MaxUint64)
		t.Fatal("the trim came through")
	}
	for _, site := range []string{"audit.after_floor", "audit.after_trim"} {
		t.Run(site, func(t *testing.T) {
			dir := t.TempDir()
			t.Run("before", func(t *testing.T) {
				s, _ := storeIn(t, dir, clock)
				for i := range 10 {
					now = noon.Add(time.Duration(i) * time.Hour)
					if err := s.Audit(t.Context(), act("config.reload", fmt.Sprintf("config/%d", i))); err != nil {
						t.Fatal(err)
					}
				}
			})
			killtest.Kill(t, dir, site)
			s, rows := storeIn(t, dir, clock)
			wantWhole(t, s, 7, 4) // with the row that tells of the trim
			if _, err := s.TrimAudit(t.Context(), before, math.MaxUint64); err != nil {
				t.Fatal(err)
			}
			wantWhole(t, s, 7, 4)
			page, err := rows.Query(t.Context(), table.Query{PK: "audit", Limit: 100})
			if err != nil || len(page.Rows) != 8 {
				t.Errorf("%d rows, %v; want the seven and the checkpoint", len(page.Rows), err)
			}
		})
	}
}
