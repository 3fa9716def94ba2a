package erasure_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/channelhub/channelhub/hub/hubtest/storetest"
	"github.com/channelhub/channelhub/hub/telemetry"
)

// TestOrdersAreCounted: an erasure that is not done shows, and once it is done
// it counts as that.
func TestOrdersAreCounted(t *testing.T) {
	w := openWorld(t, t.TempDir())
	w.metrics = telemetry.New("test")
	ada, bob := w.meet("ada"), w.meet("bob")
	w.order(ada.Contact)
	w.order(bob.Contact)
	wait, err := w.eraser().Pass(t.Context())
	w.must(err)
	if diff := cmp.Diff(map[string]float64{"hub_orders_pending contact.erase": 2}, storetest.Orders(t, w.metrics)); diff != "" {
		t.Errorf("while they wait (-want +got):\n%s", diff)
	}
	w.clock = w.clock.Add(wait)
	w.finish()
	if diff := cmp.Diff(map[string]float64{"hub_orders_done_total contact.erase": 2}, storetest.Orders(t, w.metrics)); diff != "" {
		t.Errorf("when they are done (-want +got):\n%s", diff)
	}
}
