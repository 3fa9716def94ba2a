package erasure_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/channelhub/channelhub/hub/erasure"
	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/removal"
	"github.com/channelhub/channelhub/hub/storage/table/driver"
	"github.com/channelhub/channelhub/hub/store"
)

// TestOrder: whom an erasure can be ordered of, and what is answered when not.
func TestOrder(t *testing.T) {
	w := openWorld(t, t.TempDir())
	ada := w.meet("ada")
	nobody := model.NewContactID()
	for name, c := range map[string]struct {
		who  erasure.Who
		code model.Code // empty: it is taken
	}{
		"contact":                {erasure.Who{Client: acme, Contact: ada.Contact}, ""},
		"address":                {erasure.Who{Client: acme, Address: ada.phone()}, ""},
		"address it came to use": {erasure.Who{Client: acme, Address: ada.later()}, ""},
		"unknown client":         {erasure.Who{Client: "other", Contact: ada.Contact}, model.NotFound},
		"unknown contact":        {erasure.Who{Client: acme, Contact: nobody}, model.NotFound},
		"unknown address":        {erasure.Who{Client: acme, Address: model.Address{Kind: model.Phone, Value: "nobody's"}}, model.NotFound},
		"address of another kind": {
			erasure.Who{Client: acme, Address: model.Address{Kind: model.PSID, Value: ada.phone().Value}}, model.NotFound,
		},
	} {
		order, _, err := w.eraser().Begin(t.Context(), c.who, boss)
		switch {
		case !model.Is(err, c.code) && (err != nil || c.code != ""):
			t.Errorf("%s: %v, want %q", name, err, c.code)
		case err == nil && order.Contact != ada.Contact:
			t.Errorf("%s: the order is of %s", name, order.Contact)
		case err != nil && strings.Contains(err.Error(), "canary"):
			t.Errorf("%s: the error tells of the person: %v", name, err)
		}
	}
}

// TestRepeatedOrder: an order that is there already is the one, told once, also
// when nothing is left but its receipt. Somebody new from the address is not
// whom it was about.
func TestRepeatedOrder(t *testing.T) {
	w := openWorld(t, t.TempDir())
	ada := w.meet("ada")
	first, began, err := w.eraser().Begin(t.Context(), erasure.Who{Client: acme, Address: ada.later()}, boss)
	if err != nil || !began {
		t.Fatalf("%v, %v", began, err)
	}
	again := func(step store.ErasureStep) {
		t.Helper()
		w.clock = w.clock.Add(time.Minute)
		got, began, err := w.eraser().Begin(t.Context(), erasure.Who{Client: acme, Contact: ada.Contact}, store.Act{Actor: "second", Role: "privacy"})
		if err != nil || began || got.ID != first.ID || got.By != "boss" || !got.Asked.Equal(first.Asked) || got.Step != step {
			t.Errorf("a repeat: %+v, %v, %v", got, began, err)
		}
	}
	again(store.ErasureBegun)
	w.finish()
	again(store.ErasureDone)
	if _, _, err := w.eraser().Begin(t.Context(), erasure.Who{Client: acme, Address: ada.later()}, boss); !model.Is(err, model.NotFound) {
		t.Errorf("an order by an address that leads nowhere any more: %v", err)
	}
	w.audited(ada, first, "begun", "done")
	if r := w.writes(shop, "new", "good day", ada.phone()); r.Err != nil {
		t.Fatal(r.Err)
	}
	got, began, err := w.eraser().Begin(t.Context(), erasure.Who{Client: acme, Address: ada.phone()}, boss)
	if err != nil || !began || got.ID == first.ID {
		t.Errorf("an order of who came after: %+v, %v, %v", got, began, err)
	}
}

// TestClientIsRemoved: an order waits while its client is being removed, and
// ends once the client is gone with everything.
func TestClientIsRemoved(t *testing.T) {
	w := openWorld(t, t.TempDir())
	ada := w.meet("ada")
	w.order(ada.Contact)
	r := removal.New(removal.Options{
		Store: w.store, Configured: func(model.ClientID, model.AccountID) bool { return false },
		RemoveFile: w.media.Remove, FileKind: "attachment",
		DropJournal: func(context.Context, model.AccountID) (int, error) { return 0, nil },
		Undrained:   func() map[model.PluginID]int { return nil },
		Keep:        func() time.Duration { return 397 * day }, Now: w.now,
	})
	_, err := r.Begin(t.Context(), acme, "", store.Act{Actor: "boss", Role: "configurator"})
	w.must(err)
	e := w.eraser()
	if wait, err := e.Pass(t.Context()); err != nil || wait <= 0 {
		t.Fatalf("wait %s, %v", wait, err)
	}
	if w.led(ada.phone()) != ada.Contact {
		t.Error("both work on one client")
	}
	wait, err := r.Pass(t.Context())
	w.must(err)
	w.clock = w.clock.Add(wait)
	_, err = r.Pass(t.Context())
	w.must(err)
	if wait, err := e.Pass(t.Context()); err != nil || wait != 0 {
		t.Fatalf("wait %s, %v", wait, err)
	}
	got := w.receipt()
	if !got.Unreadable.Equal(w.now()) || !got.Done.Equal(w.now()) || got.Removed != (store.RemovedRows{Contacts: 1}) {
		t.Errorf("receipt: %+v", got)
	}
	w.audited(ada, got, "begun", "done")
	w.gone(ada)
}

// TestHalfMet: somebody whose first contact a crash cut off behind the address
// can be erased by that address, and comes back as somebody new.
func TestHalfMet(t *testing.T) {
	w := openWorld(t, t.TempDir())
	cut := errors.New("cut off by the test")
	w.disk.before = func(ops []driver.Op) error {
		if strings.HasPrefix(ops[0].PK, "c/acme/p/") {
			return cut
		}
		return nil
	}
	eve := person{Who: "eve"}
	if r := w.writes(shop, "1", "hello", eve.phone()); r.Err == nil {
		t.Fatal("the first contact came through")
	}
	w.disk.before = nil
	eve.Contact = w.led(eve.phone())
	order, began, err := w.eraser().Begin(t.Context(), erasure.Who{Client: acme, Address: eve.phone()}, boss)
	if err != nil || !began || order.Contact != eve.Contact || eve.Contact == "" {
		t.Fatalf("%+v, %v, %v", order, began, err)
	}
	w.finish()
	if left := w.led(eve.phone()); left != "" {
		t.Errorf("the address still leads to %s", left)
	}
	if got := w.receipt().Removed; got != (store.RemovedRows{Contacts: 1, Addresses: 1}) {
		t.Errorf("removed: %+v", got)
	}
	if r := w.writes(shop, "1", "hello", eve.phone()); r.Err != nil || w.led(eve.phone()) == eve.Contact {
		t.Errorf("Eve is who she was: %+v", r)
	}
	if _, err := w.slots.Load(acme, string(eve.Contact)); !model.Is(err, model.NotFound) {
		t.Errorf("the key is left: %v", err)
	}
}
