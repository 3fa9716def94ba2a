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
		seen    int
		over    bool // she may not be taken for who she was any more
		wrote   []inbound.Result
		claimed error
	)
	w.disk.before = func(ops []driver.Op) error {
		late := elsewhere && w.now().After(ordered)
		if !inLog(ops) && !late { // whoever appends to a log waits for this commit
			seen++
		}
		if seen == n && wrote == nil {
			watch := w.disk.before
			w.disk.before = nil
			_, claimed = with.client.Resolve(t.Context(), desk, []model.Address{p.phone(), p.later()}, p.mark("name"))
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
		over = over || slices.ContainsFunc(ops, func(o driver.Op) bool {
			if elsewhere {
				return o.PK == "c/acme/v/"+string(p.Shop) && o.SK == "t"
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
	if claimed != nil && !store.IsErased(claimed) {
		t.Errorf("a further address: %v", claimed)
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

// inLog reports a commit that appends to a log.
func inLog(ops []driver.Op) bool {
	return slices.ContainsFunc(ops, func(o driver.Op) bool {
		return strings.HasPrefix(o.PK, "c/acme/f/") || strings.HasPrefix(o.PK, "c/acme/l/") && o.Kind == driver.OpPut
	})
}
