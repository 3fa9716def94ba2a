package removal_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/channelhub/channelhub/hub/hubtest/storetest"
	"github.com/channelhub/channelhub/hub/telemetry"
)

// TestOrdersAreCounted: an order that is not done shows, also when it cannot go
// on, and once it is done it counts as that.
func TestOrdersAreCounted(t *testing.T) {
	w := openWorld(t, t.TempDir())
	w.metrics = telemetry.New("test")
	w.fill()
	w.order(acme, "")
	w.order(other, "other-shop")
	if _, err := w.remover().Pass(t.Context()); err != nil {
		t.Fatal(err)
	}
	want := map[string]float64{"hub_orders_pending client.remove": 1, "hub_orders_pending account.remove": 1}
	if diff := cmp.Diff(want, storetest.Orders(t, w.metrics)); diff != "" {
		t.Errorf("while they wait (-want +got):\n%s", diff)
	}
	w.clock = w.clock.Add(day)
	w.named["acme"] = true // it cannot go on
	if _, err := w.remover().Pass(t.Context()); err != nil {
		t.Fatal(err)
	}
	want = map[string]float64{"hub_orders_pending client.remove": 1, "hub_orders_done_total account.remove": 1}
	if diff := cmp.Diff(want, storetest.Orders(t, w.metrics)); diff != "" {
		t.Errorf("with one that is stuck (-want +got):\n%s", diff)
	}
	w.named["acme"] = false
	w.finish()
	want = map[string]float64{"hub_orders_done_total client.remove": 1, "hub_orders_done_total account.remove": 1}
	if diff := cmp.Diff(want, storetest.Orders(t, w.metrics)); diff != "" {
		t.Errorf("when both are done (-want +got):\n%s", diff)
	}
}
