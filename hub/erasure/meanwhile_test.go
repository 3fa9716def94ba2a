package erasure_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/channelhub/channelhub/hub/flow/inbound"
	"github.com/channelhub/channelhub/hub/flow/media"
	"github.com/channelhub/channelhub/hub/hubtest/storetest"
	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/storage/table/driver"
	"github.com/channelhub/channelhub/hub/store"
)

// TestWhoWritesMeanwhile has somebody write before each commit of their erasure
// in turn, from an address the hub knows and from one that it does not know
// yet, by way of the process that erases, or of another that remembers who they
// were. As soon as the addresses are gone they are somebody new, or are asked
// to come again, and in the other process as soon as the conversation is closed;
// what was taken of somebody new stays, and of whom they were nothing does. The
// other process writes until the wait is over: what it remembers for longer is
// a matter of several hubs over one table.
func TestWhoWritesMeanwhile(t *testing.T) {
	for _, elsewhere := range []bool{false, true} {
		n, came := 0, true
		for came && !t.Failed() {
			n++
			t.Run(fmt.Sprintf("before commit %d, elsewhere %v", n, elsewhere), func(t *testing.T) { came = writesBefore(t, n, elsewhere) })
		}
		if n < 6 && !t.Failed() {
			t.Fatalf("an erasure is %d commits: the test does not see them", n-1)
		}
	}
}

// writesBefore reports false when the erasure has no such commit.
func writesBefore(t *testing.T, n int, elsewhere bool) bool {
	w := openWorld(t, t.TempDir())
	p := person{Who: "ada"}
	met := w.scene().Say(storetest.Said{Account: shop, Addresses: []model.Address{p.phone()}, Name: p.mark("name"), Text: p.mark("hello"), Key: "1"})
	w.scene().Answer(storetest.Answer{To: met, Account: shop, Text: p.mark("waiting"), Key: "2", Status: model.Queued})
	_, err := w.media.Claim(t.Context(), w.client, w.file(p, "taken", media.File{}).ID, media.Taking{Account: shop, Conversation: met.Conversation, Message: "msg_1", SealKey: met.Key()})
	w.must(err)
	p.Contact, p.Shop = met.Contact, met.Conversation
	with := w.process
	if elsewhere {
		with = w.start()
		if r := with.writes(shop, "1", p.mark("hello"), p.phone()); r.Err != nil || r.Conversation != p.Shop {
			t.Fatalf("the other process does not know her: %+v", r)
		}
	}
	ordered := w.order(p.Contact).Asked

	var (
		seen   int
		marked bool // nothing may lead to her any more
		over   bool // she may not be taken for who she was any more
		wrote  []inbound.Result
	)
	w.disk.before = func(ops []driver.Op) error {
		late := elsewhere && w.now().After(ordered)
		if !inLog(ops) && !late { // whoever appends to a log waits for this commit
			seen++
		}
		if seen == n && wrote == nil {
			watch := w.disk.before
			w.disk.before = nil
			for _, account := range []model.AccountID{shop, desk} {
				d, err := with.client.Resolve(t.Context(), account, []model.Address{p.phone(), p.later()}, p.mark("name"))
				if err != nil && !store.IsErased(err) || err == nil && d.Contact == p.Contact && marked {
					t.Errorf("a further address on %s: %s, %v", account, d.Contact, err)
				}
			}
			for i, from := range []model.Address{p.phone(), p.later()} {
				r := with.writes(shop, fmt.Sprintf("meanwhile-%d", i), fmt.Sprintf("new %d", i), from)
				wrote = append(wrote, r)
				if r.Err == nil && r.Conversation == p.Shop && over {
					t.Errorf("%s was taken for who they were", from.Kind)
				}
				if r.Err != nil && inbound.Worth([]error{r.Err}) == nil {
					t.Errorf("%s was refused for good: %v", from.Kind, r.Err)
				}
			}
			w.disk.before = watch
		}
		marked = marked || ops[0].PK == "c/acme/p/"+string(p.Contact)
		over = over || slices.ContainsFunc(ops, func(o driver.Op) bool {
			if elsewhere { // behind the conversation come its messages
				return o.PK == "c/acme/v/"+string(p.Shop) && strings.HasPrefix(o.SK, "m/")
			}
			return o.Kind == driver.OpDelete && strings.HasPrefix(o.PK, "c/acme/x/")
		})
		return nil
	}
	w.finish()
	w.disk.before = nil
	if seen < n {
		return false
	}
	for i, from := range []model.Address{p.phone(), p.later()} {
		if w.led(from) == p.Contact {
			t.Errorf("%s leads to who they were", from.Kind)
		}
		// A provider that was not answered comes again.
		text := fmt.Sprintf("new %d", i)
		r := w.writes(shop, fmt.Sprintf("meanwhile-%d", i), text, from)
		if r.Err != nil || r.Conversation == p.Shop || !slices.Contains(w.reads(r), text) {
			t.Errorf("%s afterwards: %+v", from.Kind, r)
		}
		if was := wrote[i]; was.Err == nil && was.Conversation != p.Shop && (was.Conversation != r.Conversation || was.Event != r.Event) {
			t.Errorf("%s was taken as %+v, and is %+v", from.Kind, was, r)
		}
		if id := w.led(from); id == "" || id == p.Contact {
			t.Errorf("%s is %q afterwards", from.Kind, id)
		}
	}
	if _, err := w.slots.Load(acme, string(p.Contact)); !model.Is(err, model.NotFound) {
		t.Errorf("the key is there: %v", err)
	}
	w.close()
	if left := storetest.RowsWith(t, w.dir+"/table", w.clock, meant, string(p.Contact), string(p.Shop)); len(left) > 0 {
		t.Errorf("left behind:\n%s", strings.Join(left, "\n"))
	}
	return true
}

// TestErasedWhileTheyWrite has somebody known write from an account and an
// address that are new, and erases them before each commit of that in turn.
// What was half done leads to nobody in the end.
func TestErasedWhileTheyWrite(t *testing.T) {
	n, came := 0, true
	for came && !t.Failed() {
		n++
		t.Run(fmt.Sprintf("before commit %d", n), func(t *testing.T) { came = erasedBefore(t, n) })
	}
	if n < 5 && !t.Failed() {
		t.Fatalf("an event is %d commits: the test does not see them", n-1)
	}
}

// erasedBefore reports false when the event has no such commit.
func erasedBefore(t *testing.T, n int) bool {
	w := openWorld(t, t.TempDir())
	p := person{Who: "ada"}
	p.Contact = w.scene().Say(storetest.Said{Account: shop, Addresses: []model.Address{p.phone()}, Name: p.mark("name"), Text: p.mark("hello"), Key: "1"}).Contact
	seen := 0
	w.disk.before = func(ops []driver.Op) error {
		if !inLog(ops) {
			seen++
		}
		if seen == n {
			w.disk.before = nil
			w.order(p.Contact)
			if wait, err := w.eraser().Pass(t.Context()); err != nil || wait != grace {
				t.Errorf("wait %s, %v", wait, err)
			}
		}
		return nil
	}
	r := w.writes(desk, "2", "new", p.phone(), p.later())
	w.disk.before = nil
	if seen < n {
		return false
	}
	if r.Err != nil && inbound.Worth([]error{r.Err}) == nil {
		t.Errorf("they were refused for good: %v", r.Err)
	}
	w.clock = w.clock.Add(grace)
	w.finish()
	for _, from := range []model.Address{p.phone(), p.later()} {
		if w.led(from) == p.Contact {
			t.Errorf("%s leads to who they were", from.Kind)
		}
	}
	again := w.writes(desk, "2", "new", p.phone(), p.later())
	if again.Err != nil || !slices.Contains(w.reads(again), "new") || r.Err == nil && r.Event != again.Event {
		t.Errorf("taken as %+v, and afterwards as %+v", r, again)
	}
	if _, err := w.slots.Load(acme, string(p.Contact)); !model.Is(err, model.NotFound) {
		t.Errorf("the key is there: %v", err)
	}
	w.close()
	if left := storetest.RowsWith(t, w.dir+"/table", w.clock, meant, string(p.Contact)); len(left) > 0 {
		t.Errorf("left behind:\n%s", strings.Join(left, "\n"))
	}
	return true
}

// inLog reports a commit that appends to a log.
func inLog(ops []driver.Op) bool {
	return slices.ContainsFunc(ops, func(o driver.Op) bool {
		return strings.HasPrefix(o.PK, "c/acme/f/") || strings.HasPrefix(o.PK, "c/acme/l/") && o.Kind == driver.OpPut
	})
}
