package store_test

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/storage/keys"
	"github.com/channelhub/channelhub/hub/storage/keys/localkeys"
	"github.com/channelhub/channelhub/hub/storage/table"
	"github.com/channelhub/channelhub/hub/storage/table/driver"
	"github.com/channelhub/channelhub/hub/storage/table/pebbletable"
	"github.com/channelhub/channelhub/hub/store"
)

// tenActs is a log of ten rows; the first of rows is its checkpoint.
func tenActs(t *testing.T) (*store.Store, table.Handle, []table.Row) {
	t.Helper()
	tab, all := adminStores(t, 1)
	for i := range 10 {
		if err := all[0].Audit(t.Context(), act("config.reload", fmt.Sprintf("config/%d", i))); err != nil {
			t.Fatal(err)
		}
	}
	page, err := tab.Hub().Query(t.Context(), table.Query{PK: "audit", Limit: 100})
	if err != nil || len(page.Rows) != 11 {
		t.Fatalf("%d rows, %v; want ten and a checkpoint", len(page.Rows), err)
	}
	return all[0], tab.Hub(), page.Rows
}

func edited(row table.Row, old, by string) []byte {
	return []byte(strings.Replace(string(row.Value), old, by, 1))
}

func TestVerifyNamesTheRow(t *testing.T) {
	for name, tt := range map[string]struct {
		tamper func(rows []table.Row) []table.Op
		want   []uint64
	}{
		"untouched": {func([]table.Row) []table.Op { return nil }, nil},
		"changed": {func(r []table.Row) []table.Op {
			return []table.Op{table.Put("audit", r[4].SK, edited(r[4], "config/3", "config/9"))}
		}, []uint64{4}},
		"first changed": {func(r []table.Row) []table.Op {
			return []table.Op{table.Put("audit", r[1].SK, edited(r[1], "config/0", "config/9"))}
		}, []uint64{1}},
		"newest changed": {func(r []table.Row) []table.Op {
			return []table.Op{table.Put("audit", r[10].SK, edited(r[10], "config/9", "config/8"))}
		}, []uint64{10}},
		"link changed": {func(r []table.Row) []table.Op {
			return []table.Op{table.Put("audit", r[5].SK, edited(r[5], `"p":"`+linkOf(r[5])[:4], `"p":"AAAA`))}
		}, []uint64{5}},
		"dropped": {func(r []table.Row) []table.Op {
			return []table.Op{table.Delete("audit", r[6].SK)}
		}, []uint64{6}},
		"swapped": {func(r []table.Row) []table.Op {
			return []table.Op{table.Put("audit", r[2].SK, r[7].Value), table.Put("audit", r[7].SK, r[2].Value)}
		}, []uint64{2, 7}},
		"end cut": {func(r []table.Row) []table.Op {
			return []table.Op{table.Delete("audit", r[10].SK), table.Delete("audit", r[9].SK)}
		}, []uint64{9}},
		"beginning cut": {func(r []table.Row) []table.Op {
			return []table.Op{table.Delete("audit", r[1].SK)}
		}, []uint64{1}},
		"checkpoint set back": {func(r []table.Row) []table.Op {
			return []table.Op{table.Put("audit", r[0].SK, edited(r[0], `"n":10`, `"n":9`)), table.Delete("audit", r[10].SK)}
		}, []uint64{0}},
		"checkpoint removed": {func(r []table.Row) []table.Op {
			return []table.Op{table.Delete("audit", r[0].SK)}
		}, []uint64{1}},
	} {
		t.Run(name, func(t *testing.T) {
			s, rows, all := tenActs(t)
			if ops := tt.tamper(all); ops != nil {
				if _, err := rows.Commit(t.Context(), ops...); err != nil {
					t.Fatal(err)
				}
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

// linkOf is the hash of the row before, as it stands in a row.
func linkOf(row table.Row) string {
	_, rest, _ := strings.Cut(string(row.Value), `"p":"`)
	link, _, _ := strings.Cut(rest, `"`)
	return link
}

// A log that lost its checkpoint together with its end is taken up again, and
// shows it for ever.
func TestALostCheckpointIsNotForgotten(t *testing.T) {
	s, rows, all := tenActs(t)
	if _, err := rows.Commit(t.Context(), table.Delete("audit", all[0].SK), table.Delete("audit", all[10].SK)); err != nil {
		t.Fatal(err)
	}
	if err := s.Audit(t.Context(), act("config.reload", "config/11")); err != nil {
		t.Fatal(err)
	}
	report, err := s.VerifyAudit(t.Context())
	if err != nil || len(report.Faults) != 1 || report.Faults[0].N != 10 {
		t.Errorf("faults %v, %v; want row 10 to tell that it took the log up", report.Faults, err)
	}
}

// A checkpoint that is not this hub's takes no further act: fail closed.
func TestAForgedCheckpointTakesNoAct(t *testing.T) {
	s, rows, all := tenActs(t)
	if _, err := rows.Commit(t.Context(), table.Put("audit", all[0].SK, edited(all[0], `"n":10`, `"n":11`))); err != nil {
		t.Fatal(err)
	}
	if err := s.PutToken(t.Context(), store.Token{ID: "one"}, act("token.create", "token/one")); !model.Is(err, model.Corrupt) {
		t.Errorf("error %v, want corrupt", err)
	}
	if _, err := s.Token(t.Context(), "one"); !model.Is(err, model.NotFound) {
		t.Errorf("token: %v, want none", err)
	}
}

// hanging is a driver whose commits stand still, and do not hear a context.
type hanging struct {
	driver.Driver
	release chan struct{}
}

func (h *hanging) Commit(context.Context, driver.ID, []driver.Op) (driver.Cost, error) {
	<-h.release
	return driver.Cost{}, model.Errorf(model.Unavailable, "commit", "the table hangs")
}

func TestAHangingTableRefusesActsAtTheDeadline(t *testing.T) {
	dir := t.TempDir()
	rows, err := pebbletable.Open(filepath.Join(dir, "table"), nil)
	if err != nil {
		t.Fatal(err)
	}
	ring, err := localkeys.Open(filepath.Join(dir, "keyring"), nil)
	if err != nil {
		t.Fatal(err)
	}
	// The hub's keysets are made while the table still works.
	before := store.New(table.New(rows, nil), keys.New(ring), nil)
	if err := before.Audit(t.Context(), act("config.reload", "config")); err != nil {
		t.Fatal(err)
	}
	h := &hanging{Driver: rows, release: make(chan struct{})}
	s := store.New(table.New(h, nil), keys.New(ring), nil)
	// The caller has left already, and cannot shorten the wait either.
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err = s.PutToken(ctx, store.Token{ID: "one"}, act("token.create", "token/one"))
	if !model.Is(err, model.Unavailable) {
		t.Errorf("error %v, want unavailable", err)
	}
	close(h.release)
	if _, err := before.Token(t.Context(), "one"); !model.Is(err, model.NotFound) {
		t.Errorf("token: %v, want none", err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

func TestACallerCannotCancelAnAct(t *testing.T) {
	_, all := adminStores(t, 1)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := all[0].PutToken(ctx, store.Token{ID: "one"}, act("token.create", "token/one")); err != nil {
		t.Fatal(err)
	}
	if _, err := all[0].Token(t.Context(), "one"); err != nil {
		t.Error(err)
	}
}
