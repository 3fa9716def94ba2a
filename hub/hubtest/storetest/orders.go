package storetest

import (
	"strings"
	"testing"

	"github.com/channelhub/channelhub/hub/telemetry"
)

// Orders is what the metrics say of erasures and removals: each figure that is
// not zero, by its name and kind.
func Orders(t *testing.T, m *telemetry.Metrics) map[string]float64 {
	t.Helper()
	all, err := m.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]float64{}
	for _, s := range all {
		if strings.HasPrefix(s.Name, "hub_orders_") && s.Value > 0 {
			out[s.Name+" "+s.Labels["kind"]] = s.Value
		}
	}
	return out
}
