package audit

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/telemetry"
)

// TestTheLagOfTheCopyIsMeasured: what the sink has not accepted is counted and
// grows old, whatever the copy does meanwhile, and is nothing once it has all.
func TestTheLagOfTheCopyIsMeasured(t *testing.T) {
	now := start
	s := newStore(t, func() time.Time { return now })
	sink, metrics := &memorySink{err: model.Errorf(model.Unavailable, "write", "the sink is away")}, telemetry.New("test")
	k := NewKeeper(KeeperOptions{
		Store: s, Counts: NewCounts(nil), Sink: sink, Keep: func() time.Duration { return time.Hour }, Metrics: metrics, Now: func() time.Time { return now },
	})
	reads := func(rows, seconds float64) {
		t.Helper()
		k.measure(t.Context())
		samples, err := metrics.Snapshot()
		if err != nil {
			t.Fatal(err)
		}
		got := map[string]float64{}
		for _, sample := range samples {
			if strings.HasPrefix(sample.Name, "hub_audit_copy_lag_") {
				got[sample.Name] = sample.Value
			}
		}
		want := map[string]float64{"hub_audit_copy_lag_rows": rows, "hub_audit_copy_lag_seconds": seconds}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("the lag (-want +got):\n%s", diff)
		}
	}
	reads(0, 0)
	acts(t, s, 1, 2)
	now = now.Add(10 * time.Second)
	acts(t, s, 3, 3)
	now = now.Add(20 * time.Second)
	k.copy(t.Context())
	reads(3, 30)
	sink.err = nil
	k.copy(t.Context())
	reads(0, 0)
	acts(t, s, 4, 4)
	now = now.Add(time.Second)
	reads(1, 1)
}
