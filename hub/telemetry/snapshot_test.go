package telemetry

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestSnapshotReadsCountersAndGauges(t *testing.T) {
	m := New("1.2.3")
	m.Inbound("echo", InboundAccepted)
	m.Inbound("echo", InboundAccepted)
	m.InboundCommitted("echo", time.Second) // a histogram
	m.LaneActive(1)
	samples, err := m.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []Sample{
		{inboundEvents, map[string]string{labelChannel: "echo", labelResult: "accepted"}, 2},
		{lanesActive, nil, 1},
	} {
		i := slices.IndexFunc(samples, func(s Sample) bool { return s.Name == want.Name })
		if i < 0 {
			t.Errorf("%s is missing", want.Name)
			continue
		}
		if diff := cmp.Diff(want, samples[i]); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
	own := Names()
	for _, s := range samples {
		if !slices.Contains(own, s.Name) || s.Name == inboundSeconds {
			t.Errorf("%s is no counter or gauge of the hub's own", s.Name)
		}
	}
	if samples, err := (*Metrics)(nil).Snapshot(); samples != nil || err != nil {
		t.Errorf("no metrics: %v, %v", samples, err)
	}
}
