package removal_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/channelhub/channelhub/hub/hubtest/storetest"
	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/retention"
	"github.com/channelhub/channelhub/hub/store"
)

// TestLedger: what went with a removed account is erased. What is lost of an
// account that came back after it, or of another one, is missed.
func TestLedger(t *testing.T) {
	w := openWorld(t, t.TempDir())
	w.fill()
	w.order("", shop)
	w.finish()
	line := func(account model.AccountID, d model.Direction, l retention.Ledger) retention.Ledger {
		l.Client, l.Account, l.Direction = acme, account, d
		return l
	}
	want := []retention.Ledger{
		line(desk, model.Inbound, retention.Ledger{Accepted: 3, Pending: 2, DeadLettered: 1}),
		line(desk, model.Outbound, retention.Ledger{Accepted: 4, Sent: 4}),
		line(shop, model.Inbound, retention.Ledger{Accepted: 2, Erased: 2}),
	}
	if diff := cmp.Diff(want, storetest.Ledger(t, w.store, acme, w.now)); diff != "" {
		t.Error(diff)
	}
	w.clock = w.clock.Add(day)
	c := w.client(acme)
	d := w.talk(c, shop, "bob@example.com")
	for n, account := range []model.AccountID{shop, desk} {
		lost := store.Record{Kind: store.EventRecord, Conversation: d.Conversation, Key: model.Random16{byte(99 + n)}, Account: account, At: store.Millis(w.now())}
		_, err := c.Feed(d.Conversation).Append(t.Context(), lost, 0)
		w.must(err)
	}
	want[0].Missing = 1
	want[2] = line(shop, model.Inbound, retention.Ledger{Accepted: 3, Pending: 1, Erased: 2, Missing: 1})
	want = append(want, line(shop, model.Outbound, retention.Ledger{Accepted: 2, Sent: 2}))
	if diff := cmp.Diff(want, storetest.Ledger(t, w.store, acme, w.now)); diff != "" {
		t.Error(diff)
	}
	w.order(acme, "")
	for _, l := range storetest.Ledger(t, w.store, acme, w.now) {
		if !l.Balanced() {
			t.Errorf("while the client goes: %+v", l)
		}
	}
}
