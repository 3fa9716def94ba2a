package erasure_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/channelhub/channelhub/hub/erasure"
	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/store"
)

// TestNothingIsLeft: once a contact is erased, no row tells of it, the receipt
// counts what went, and who stands beside it has everything.
func TestNothingIsLeft(t *testing.T) {
	w := openWorld(t, t.TempDir())
	ada, bob := w.meet("ada"), w.meet("bob")
	untold := w.untold(shop)
	w.journals = []store.ErasureJournal{{Plugin: plugin, ErasureRest: store.ErasureRest{Count: 2, Ends: store.Millis(w.now().Add(3 * day))}}}
	hers, his := w.has(ada), w.has(bob)
	order := w.order(ada.Contact)
	if order.Step != store.ErasureBegun || !order.ID.Valid() {
		t.Errorf("order: %+v", order)
	}

	e := w.eraser()
	wait, err := e.Pass(t.Context())
	if err != nil || wait != grace {
		t.Fatalf("wait %s, %v", wait, err)
	}
	if !slices.Equal(w.changed, []model.ConversationID{ada.Shop, ada.Desk}) {
		t.Errorf("told of %v", w.changed)
	}
	waiting, err := w.store.Erasure(t.Context(), order.ID)
	w.must(err)
	if waiting.Step != store.ErasureWaiting || !waiting.Unreadable.Equal(w.now()) || !waiting.Done.IsZero() || !waiting.Expires.IsZero() {
		t.Errorf("while it waits: %+v", waiting)
	}
	for _, line := range w.has(ada) {
		if strings.Contains(line, "canary") && line != "file "+ada.mark("ahead")+".txt "+ada.mark("ahead") {
			t.Errorf("while it waits: %s", line) // that file no message has told of
		}
	}
	w.clock = w.clock.Add(wait - time.Millisecond)
	if left, err := e.Pass(t.Context()); err != nil || left != time.Millisecond {
		t.Errorf("wait %s, %v", left, err)
	}
	w.clock = w.clock.Add(time.Millisecond)
	if left, err := e.Pass(t.Context()); err != nil || left != 0 {
		t.Errorf("wait %s, %v", left, err)
	}

	got := w.receipt()
	want := store.Erasure{
		ID: order.ID, Client: acme, Contact: ada.Contact, By: "boss", Asked: order.Asked, Step: store.ErasureDone,
		Unreadable: order.Asked, Done: w.now(), Expires: w.now().Add(397 * day),
		Conversations: []store.ErasedConversation{{Account: shop, ID: ada.Shop}, {Account: desk, ID: ada.Desk}},
		Removed: store.RemovedRows{
			Contacts: 1, Addresses: 2, Conversations: 2, Events: 3, Messages: 4, ProviderIDs: 3, DeadLetters: 1, Attachments: 2,
		},
		Journals: w.journals, Letters: store.ErasureRest{Count: 1, Ends: store.Millis(untold.Expires)},
	}
	if diff := cmp.Diff(want, got, cmp.FilterPath(func(p cmp.Path) bool { return p.Last().String() == ".version" }, cmp.Ignore())); diff != "" {
		t.Errorf("receipt (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(his, w.has(bob)); diff != "" {
		t.Errorf("who stands beside has changed: %s", diff)
	}
	for _, line := range w.has(ada) {
		if slices.Contains(hers, line) {
			t.Errorf("it is as before: %s", line)
		}
	}
	if letters, err := w.client.DeadLetters(t.Context(), model.Random16{}, 9); err != nil || len(letters) != 2 {
		t.Errorf("dead letters: %+v, %v; want Bob's, and that of which nobody knows whose it is", letters, err)
	}
	w.audited(ada, order, "begun", "done")
	w.gone(ada)
}

// untold keeps a request that no connector took, of which nobody knows whose
// it is.
func (w *world) untold(account model.AccountID) store.DeadLetter {
	w.t.Helper()
	ctx := w.t.Context()
	id, err := w.client.LetterID(ctx, w.now(), string(account))
	w.must(err)
	d := store.DeadLetter{UUID: id, Account: account, Reason: "refused", At: w.now(), Expires: w.now().Add(14 * day), Route: store.JournalRoute{Plugin: plugin, Account: account}, Kind: store.JournalRequest}
	d.Parts, err = w.client.PutLetterContent(ctx, d, []byte("what nobody took"))
	w.must(err)
	w.must(w.client.PutDeadLetter(ctx, d))
	return d
}

// audited asserts what the audit log has of an erasure, and that it names
// nobody.
func (w *world) audited(p person, order store.Erasure, outcomes ...string) {
	w.t.Helper()
	rows, err := w.store.AuditRows(w.t.Context(), 0, 500)
	w.must(err)
	var got []string
	for _, r := range rows {
		if r.Action != erasure.Action {
			continue
		}
		got = append(got, r.Outcome)
		if r.Subject != "erasure/"+string(order.ID) || r.Actor != "boss" {
			w.t.Errorf("audited: %+v", r)
		}
		for _, word := range append(p.names(), p.marks()...) {
			if strings.Contains(fmt.Sprintf("%+v", r), word) {
				w.t.Errorf("the audit log names %q: %+v", word, r)
			}
		}
	}
	if !slices.Equal(got, outcomes) {
		w.t.Errorf("audited %v, want %v", got, outcomes)
	}
}

// TestNoByteIsLeft: what a person said never lies on disk in clear, and after
// the erasure neither does the key that opens it, as long as the hub runs and
// when it starts again.
func TestNoByteIsLeft(t *testing.T) {
	w := openWorld(t, t.TempDir())
	ada, bob := w.meet("ada"), w.meet("bob")
	for _, p := range []person{ada, bob} {
		if hits := w.hits(p); len(hits) != 1 || !strings.Contains(hits[0].Where, "contact-keys") {
			t.Fatalf("%s is at %v; want the key alone, in its slot", p.Who, hits)
		}
	}
	w.order(ada.Contact)
	w.finish()
	look := func(when string) {
		t.Helper()
		if hits := w.hits(ada); len(hits) > 0 {
			t.Errorf("%s: %v", when, hits)
		}
		if hits := w.hits(bob); len(hits) != 1 {
			t.Errorf("%s Bob is at %v: the search does not find what is there", when, hits)
		}
	}
	look("while the hub runs")
	w.close()
	look("when it has ended")
	w = openWorld(t, w.dir)
	look("when it has started again")
	if got := strings.Join(w.has(bob), "\n"); !strings.Contains(got, bob.mark("hello")) || !strings.Contains(got, bob.mark("taken.txt")) {
		t.Errorf("Bob does not open: %s", got)
	}
}
