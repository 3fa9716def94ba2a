package erasure_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/channelhub/channelhub/hub/hubtest/storetest"
	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/retention"
	"github.com/channelhub/channelhub/hub/store"
)

// TestLedger: what went with an erased contact is erased, from the first step
// on; what is lost beside it is missed all the same.
func TestLedger(t *testing.T) {
	w := openWorld(t, t.TempDir())
	ada, bob := w.meet("ada"), w.meet("bob")
	lost := store.Record{Kind: store.EventRecord, Conversation: bob.Shop, Key: model.Random16{99}, Account: shop, At: store.Millis(w.now())}
	_, err := w.client.Feed(bob.Shop).Append(t.Context(), lost, 0)
	w.must(err)
	line := func(account model.AccountID, d model.Direction, l retention.Ledger) retention.Ledger {
		l.Client, l.Account, l.Direction = acme, account, d
		return l
	}
	before := []retention.Ledger{
		line(desk, model.Inbound, retention.Ledger{Accepted: 2, Pending: 2}),
		line(desk, model.Outbound, retention.Ledger{Accepted: 2, Failed: 2}),
		line(shop, model.Inbound, retention.Ledger{Accepted: 4, Pending: 4, Missing: 1}),
		line(shop, model.Outbound, retention.Ledger{Accepted: 6, Sent: 2, Delivered: 2, Pending: 2}),
	}
	if diff := cmp.Diff(before, storetest.Ledger(t, w.store, acme, w.now)); diff != "" {
		t.Error(diff)
	}
	w.order(ada.Contact)
	e := w.eraser()
	wait, err := e.Pass(t.Context())
	w.must(err)
	balanced := func(when string) {
		t.Helper()
		for _, l := range storetest.Ledger(t, w.store, acme, w.now) {
			if l.Missing != 0 && (l.Account != shop || l.Direction != model.Inbound) || l.Missing > 1 {
				t.Errorf("%s: %+v", when, l)
			}
		}
	}
	balanced("while it waits")
	w.clock = w.clock.Add(wait + time.Millisecond)
	_, err = e.Pass(t.Context())
	w.must(err)
	w.receipt()
	balanced("once it is done")
	// Her lanes went with her: the feed tells of what became of her messages.
	after := []retention.Ledger{
		line(desk, model.Inbound, retention.Ledger{Accepted: 2, Pending: 1, Erased: 1}),
		line(desk, model.Outbound, retention.Ledger{Accepted: 2, Failed: 1, Erased: 1}),
		line(shop, model.Inbound, retention.Ledger{Accepted: 4, Pending: 2, Erased: 2, Missing: 1}),
		line(shop, model.Outbound, retention.Ledger{Accepted: 6, Sent: 1, Delivered: 1, Pending: 1, Erased: 3}),
	}
	if diff := cmp.Diff(after, storetest.Ledger(t, w.store, acme, w.now)); diff != "" {
		t.Error(diff)
	}
}
