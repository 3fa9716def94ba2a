package audit

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/storage/logsink"
	"github.com/channelhub/channelhub/hub/store"
	"github.com/channelhub/channelhub/internal/failpoint"
)

// memorySink keeps what it is given, unless it is away.
type memorySink struct {
	err   error
	lines []string
}

func (m *memorySink) Deliver(_ context.Context, records []logsink.Record) error {
	if m.err != nil {
		return m.err
	}
	for _, r := range records {
		m.lines = append(m.lines, string(r.Line))
	}
	return nil
}

func (m *memorySink) numbers(t *testing.T) []uint64 {
	t.Helper()
	out := []uint64{}
	for _, line := range m.lines {
		var l struct{ N uint64 }
		if err := json.Unmarshal([]byte(line), &l); err != nil {
			t.Fatal(err)
		}
		out = append(out, l.N)
	}
	return out
}

func acts(t *testing.T, s *store.Store, from, to int) {
	t.Helper()
	for i := from; i <= to; i++ {
		if err := s.Audit(t.Context(), somebody.Did(ConfigReload, fmt.Sprintf("config/%d", i))); err != nil {
			t.Fatal(err)
		}
	}
}

func numbers(from, to uint64) []uint64 {
	out := []uint64{}
	for n := from; n <= to; n++ {
		out = append(out, n)
	}
	return out
}

func newKeeper(s *store.Store, sink Sink) *Keeper {
	return NewKeeper(KeeperOptions{Store: s, Counts: NewCounts(nil), Sink: sink, Keep: func() time.Duration { return 397 * 24 * time.Hour }})
}

func TestEveryRowIsCopiedOnceInOrder(t *testing.T) {
	s, sink := newStore(t, func() time.Time { return start }), &memorySink{}
	acts(t, s, 1, copyRows+5)
	for range 2 {
		if err := newKeeper(s, sink).Copy(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(numbers(1, copyRows+5), sink.numbers(t)); diff != "" {
		t.Errorf("copied rows (-want +got):\n%s", diff)
	}
	var line map[string]any
	if err := json.Unmarshal([]byte(sink.lines[0]), &line); err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]any{
		"@module": "hub.audit", "at": "2026-11-23T12:00:00.000Z", "actor": "ops", "role": "operator",
		"action": "config.reload", "subject": "config/1", "outcome": "done", "request_id": "req_1",
	} {
		if line[key] != want {
			t.Errorf("%s is %v, want %v in %s", key, line[key], want, sink.lines[0])
		}
	}
	rows, err := s.AuditPage(t.Context(), 0, false, 1)
	if err != nil || line["hash"] != fmt.Sprintf("%x", rows[0].Hash) {
		t.Errorf("hash %v, want %x; %v", line["hash"], rows[0].Hash, err)
	}
}

func TestTheCopyWaitsForASinkThatIsAway(t *testing.T) {
	s := newStore(t, nil)
	sink := &memorySink{err: model.Errorf(model.Unavailable, "write", "the sink is away")}
	acts(t, s, 1, 3)
	k := newKeeper(s, sink)
	if err := k.Copy(t.Context()); !errors.Is(err, sink.err) {
		t.Fatalf("error %v, want the sink's", err)
	}
	sink.err = nil
	acts(t, s, 4, 5)
	if err := k.Copy(t.Context()); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(numbers(1, 5), sink.numbers(t)); diff != "" {
		t.Errorf("copied rows (-want +got):\n%s", diff)
	}
}

// A hub that ends between the sink's answer and the cursor copies those rows
// again; none is left out.
func TestACopyThatWasCutOffIsRepeated(t *testing.T) {
	s, sink := newStore(t, nil), &memorySink{}
	acts(t, s, 1, copyRows+50)
	if err := failpoint.Enable("audit.after_accept=error:2"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = failpoint.Enable("") })
	if err := newKeeper(s, sink).Copy(t.Context()); !errors.Is(err, failpoint.ErrInjected) {
		t.Fatalf("error %v, want the injected one", err)
	}
	if err := newKeeper(s, sink).Copy(t.Context()); err != nil {
		t.Fatal(err)
	}
	want := append(numbers(1, copyRows+50), numbers(copyRows+1, copyRows+50)...)
	if diff := cmp.Diff(want, sink.numbers(t)); diff != "" {
		t.Errorf("copied rows (-want +got):\n%s", diff)
	}
}

func TestRowsGoByWholeDaysAndNotBeforeTheyAreCopied(t *testing.T) {
	now := start
	s, sink := newStore(t, func() time.Time { return now }), &memorySink{}
	k := NewKeeper(KeeperOptions{
		Store: s, Counts: NewCounts(nil), Sink: sink, Now: func() time.Time { return now },
		Keep: func() time.Duration { return 48 * time.Hour },
	})
	acts(t, s, 1, 3) // at noon
	now = start.Add(24 * time.Hour)
	acts(t, s, 4, 6)
	trim := func(at time.Time, want int) {
		t.Helper()
		now = at
		if n, err := k.Trim(t.Context()); err != nil || n != want {
			t.Errorf("at %s: removed %d, %v; want %d", at, n, err, want)
		}
	}
	midnight := start.Truncate(24 * time.Hour).Add(72 * time.Hour)
	trim(midnight, 0) // nothing is copied yet
	if err := k.Copy(t.Context()); err != nil {
		t.Fatal(err)
	}
	trim(midnight.Add(-time.Millisecond), 0)
	trim(midnight, 3)
	trim(midnight.Add(24*time.Hour-time.Millisecond), 0)
	if err := k.Copy(t.Context()); err != nil { // the row that tells of the trim
		t.Fatal(err)
	}
	trim(midnight.Add(24*time.Hour), 3)
	report, err := s.VerifyAudit(t.Context())
	if err != nil || len(report.Faults) > 0 || report.Floor != 6 {
		t.Errorf("floor %d, faults %v, %v; want 6 and none", report.Floor, report.Faults, err)
	}
}

// What was counted is in the log, and copied, when the hub has ended in order.
func TestAnOrderlyEndLosesNoCount(t *testing.T) {
	s, sink := newStore(t, nil), &memorySink{}
	k := newKeeper(s, sink)
	k.o.Counts.Access(somebody, ReadEvents, "acme", 7)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	k.Run(ctx)
	rows, err := s.AuditPage(t.Context(), 0, false, 10)
	if err != nil || len(rows) != 1 || rows[0].Count != 7 || rows[0].Action != string(ReadEvents) || rows[0].Since.IsZero() {
		t.Errorf("rows %+v, %v; want the count", rows, err)
	}
	if diff := cmp.Diff([]uint64{1}, sink.numbers(t)); diff != "" {
		t.Errorf("copied rows (-want +got):\n%s", diff)
	}
}
