package journal

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/pluginhost"
	"github.com/channelhub/channelhub/hub/store"
)

func TestReplayInOrder(t *testing.T) {
	w := newWorld(t)
	w.connector.set(true)
	if w.active() {
		t.Fatal("a route that holds nothing is in journal mode")
	}
	all, texts := some("ada", 40)
	w.keep(all...)
	if !w.active() {
		t.Fatal("a route that holds something is not in journal mode")
	}
	if w.Requests().Active(acme.Plugin, other.ID) {
		t.Error("another account is in journal mode with it")
	}
	if taken, waiting := w.replay(); taken != 0 || waiting != 40 {
		t.Fatalf("while the connector is away %d were taken and %d wait", taken, waiting)
	}
	w.connector.set(false)
	if taken, waiting := w.replay(); taken != 40 || waiting != 0 {
		t.Fatalf("%d were taken and %d wait, want 40 and 0", taken, waiting)
	}
	if w.active() {
		t.Error("the route did not leave journal mode")
	}
	if diff := cmp.Diff(texts, w.feed()); diff != "" {
		t.Errorf("I4: the feed (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]int{16, 16, 8}, w.connector.sizes()); diff != "" {
		t.Errorf("entries in each call (-want +got):\n%s", diff)
	}
	want := w.request(all[3])
	want.Replayed = true
	if diff := cmp.Diff(want, w.connector.requests[3]); diff != "" {
		t.Errorf("the request as the connector gets it (-want +got):\n%s", diff)
	}
	if got := w.tally(); got != (store.JournalTally{Replayed: 40}) {
		t.Errorf("the tally is %+v", got)
	}
}

// TestNothingOvertakes has a request come in during each call of a replay, as
// live traffic does: it is kept as long as anything before it is under way.
func TestNothingOvertakes(t *testing.T) {
	w := newWorld(t)
	all, texts := some("ada", 60)
	w.keep(all[0])
	next := 1
	w.connector.inCall = func([]string) {
		for range 3 {
			if next == len(all) {
				return
			}
			if !w.active() {
				t.Errorf("request %d would have gone past what is being handed over", next)
			}
			w.keep(all[next])
			next++
		}
	}
	if taken, waiting := w.replay(); taken != 60 || waiting != 0 {
		t.Fatalf("%d were taken and %d wait", taken, waiting)
	}
	if diff := cmp.Diff(texts, w.feed()); diff != "" {
		t.Errorf("I4: the feed (-want +got):\n%s", diff)
	}
}

// TestRunsByItself brings the connector back under a running journal, with
// callers that keep posting: whatever way each request takes, every customer's
// messages end in the order in which they were acknowledged.
func TestRunsByItself(t *testing.T) {
	w := newWorld(t)
	w.connector.set(true)
	w.run()
	live := func(s said) {
		req := w.request(s)
		if !w.active() {
			if results, err := w.connector.ReceiveHTTP(t.Context(), acme.Plugin, []pluginhost.HTTPRequest{req}); err == nil {
				if _, err := w.Commit(t.Context(), acme.Plugin, acme.ID, req.ReceivedAt, results[0]); err != nil {
					t.Error(err)
				}
				return
			}
		}
		w.keep(s)
	}
	var customers sync.WaitGroup
	want := map[string][]string{}
	for _, who := range []string{"ada", "bob", "eve"} {
		all, texts := some(who, 40)
		want[who] = texts
		customers.Go(func() {
			for i, s := range all {
				live(s)
				if who == "ada" && i%10 == 5 {
					w.connector.set(i%20 == 15)
					w.StateChanged()
				}
			}
		})
	}
	customers.Wait()
	w.connector.set(false)
	w.StateChanged()
	w.until("the journal is empty", func() bool { return !w.active() })
	got := map[string][]string{}
	for _, text := range w.feed() {
		who, _, _ := strings.Cut(text, " ")
		got[who] = append(got[who], text)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("I1, I3, I4: the feed by customer (-want +got):\n%s", diff)
	}
}

func TestRefusedIsNotInTheWay(t *testing.T) {
	w := newWorld(t)
	w.keep(
		said{"1", "ada", "first"},
		said{"2", "ada", "refuse"},
		said{"", "ada", "has no key"},
		said{"4", "ada", "last"},
	)
	// An item that inbound can never take ends like one taken live: it is
	// logged there, and its request is done with.
	if taken, waiting := w.replay(); taken != 3 || waiting != 0 {
		t.Errorf("%d were taken and %d wait, want 3 and 0", taken, waiting)
	}
	if diff := cmp.Diff([]string{"first", "last"}, w.feed()); diff != "" {
		t.Errorf("the feed (-want +got):\n%s", diff)
	}
	if got := w.tally(); got != (store.JournalTally{Replayed: 3, Refused: 1}) {
		t.Errorf("the tally is %+v", got)
	}
	// It is not lost: the request lies with its letter.
	reasons, requests := w.letters()
	var texts []string
	for i, r := range requests {
		if reasons[i] == reasonRefused {
			texts = append(texts, string(r.Body))
		}
	}
	want := w.request(said{"2", "ada", "refuse"})
	if diff := cmp.Diff([]string{string(want.Body)}, texts); diff != "" {
		t.Errorf("dead letters (-want +got):\n%s", diff)
	}
}

// TestPoison has the connector fail on one entry whenever it sees it.
func TestPoison(t *testing.T) {
	for _, poison := range []string{"poison", "break"} {
		t.Run(poison, func(t *testing.T) {
			w := newWorld(t)
			w.connector.failsOn["poison"] = -1
			w.keep(said{"1", "ada", "first"}, said{"2", "bob", poison}, said{"3", "ada", "last"})
			for attempt := 1; attempt < maxAttempts; attempt++ {
				if _, waiting := w.replay(); waiting != 2 {
					t.Fatalf("after attempt %d %d wait, want 2", attempt, waiting)
				}
				if attempt == 2 {
					w.restart(nil) // attempts outlive the process
				}
			}
			if _, waiting := w.replay(); waiting != 0 {
				t.Errorf("%d wait after the last attempt", waiting)
			}
			if diff := cmp.Diff([]string{"first", "last"}, w.feed()); diff != "" {
				t.Errorf("the feed (-want +got):\n%s", diff)
			}
			if got := w.tally(); got != (store.JournalTally{Replayed: 2, Refused: 1}) {
				t.Errorf("the tally is %+v", got)
			}
			reasons, requests := w.letters()
			if len(requests) != 1 || reasons[0] != reasonFails || requests[0].URL != w.request(said{}).URL {
				t.Errorf("dead letters %q %+v", reasons, requests)
			}
		})
	}
}

// TestPauses counts the attempts that a running journal makes by itself.
func TestPauses(t *testing.T) {
	w := newWorld(t)
	w.restart(func(o *Options) { o.Pause = 10 * time.Second })
	w.connector.failsOn["poison"] = 2
	w.keep(said{"1", "ada", "poison"})
	var work sync.WaitGroup
	round := func(want int) {
		t.Helper()
		w.round(t.Context(), &work)
		work.Wait()
		if got := len(w.connector.sizes()); got != want {
			t.Fatalf("%d attempts, want %d", got, want)
		}
	}
	round(1)
	w.pass(9 * time.Second)
	round(1)
	w.pass(time.Second)
	round(2)
	w.pass(29 * time.Second)
	round(2)
	w.StateChanged() // something happened: no need to wait
	round(3)
	if w.active() {
		t.Error("the route did not leave journal mode")
	}
}

// TestDenied has the root of keys refuse: an entry that the hub may not open or
// whose events it may not seal waits, however often it is tried.
func TestDenied(t *testing.T) {
	w := newWorld(t)
	commit := w.Commit
	denied := false
	w.restart(func(o *Options) {
		o.Commit = func(ctx context.Context, plugin model.PluginID, account model.AccountID, received time.Time, res pluginhost.HTTPResult) (pluginhost.HTTPReply, error) {
			if denied {
				return pluginhost.HTTPReply{}, model.Wrap(model.Unavailable, "commit", model.Wrap(model.Denied, "wrap key", errTest))
			}
			return commit(ctx, plugin, account, received, res)
		}
	})
	all, texts := some("ada", 3)
	w.keep(all...)
	waits := func(what string) {
		t.Helper()
		for range 2 * maxAttempts {
			if taken, waiting := w.replay(); taken != 0 || waiting != 3 {
				t.Fatalf("%s: %d were taken and %d wait, want none and 3", what, taken, waiting)
			}
		}
	}
	denied = true
	waits("seal")
	denied = false
	w.root.Deny(true)
	w.pass(5 * time.Minute) // a keyset serves that long before the root is asked again
	waits("open")
	if err := w.Requests().Keep(t.Context(), acme.Plugin, acme, w.request(said{"4", "ada", "more"})); !model.Is(err, model.Unavailable) {
		t.Errorf("kept while the keys refuse: %v, want unavailable: the provider has to come again", err)
	}
	w.root.Deny(false)
	w.pass(time.Second) // a refusal stands that long, so that the root is not asked for every record
	if taken, waiting := w.replay(); taken != 3 || waiting != 0 {
		t.Fatalf("%d were taken and %d wait", taken, waiting)
	}
	if diff := cmp.Diff(texts, w.feed()); diff != "" {
		t.Errorf("the feed (-want +got):\n%s", diff)
	}
	if reasons, _ := w.letters(); len(reasons) != 0 {
		t.Errorf("they left letters: %v", reasons)
	}
}

// TestCommitFails has one customer's message fail to commit: what that
// customer said behind it waits, and comes in order.
func TestCommitFails(t *testing.T) {
	w := newWorld(t)
	commit := w.Commit
	failing := true
	var mu sync.Mutex
	w.restart(func(o *Options) {
		o.Commit = func(ctx context.Context, plugin model.PluginID, account model.AccountID, received time.Time, res pluginhost.HTTPResult) (pluginhost.HTTPReply, error) {
			mu.Lock()
			fail := failing && res.Items[0].Event.DedupeKey == "ada-1"
			mu.Unlock()
			if fail {
				return pluginhost.HTTPReply{}, model.Wrap(model.Unavailable, "commit", errTest)
			}
			return commit(ctx, plugin, account, received, res)
		}
	})
	ada, texts := some("ada", 4)
	bob, _ := some("bob", 1)
	w.keep(ada[0], bob[0], ada[1], ada[2], ada[3])
	if taken, waiting := w.replay(); taken != 2 || waiting != 3 {
		t.Fatalf("%d were taken and %d wait, want 2 and 3", taken, waiting)
	}
	if got := w.feed(); slices.Contains(got, "ada says 2") {
		t.Fatalf("I4: the feed is %v", got)
	}
	mu.Lock()
	failing = false
	mu.Unlock()
	if _, waiting := w.replay(); waiting != 0 {
		t.Fatalf("%d wait", waiting)
	}
	got := slices.DeleteFunc(w.feed(), func(s string) bool { return strings.HasPrefix(s, "bob") })
	if diff := cmp.Diff(texts, got); diff != "" {
		t.Errorf("I4: the feed (-want +got):\n%s", diff)
	}
}

func TestRepeatIsHarmless(t *testing.T) {
	w := newWorld(t)
	all, texts := some("ada", 5)
	w.keep(all...)
	w.keep(all[2], all[4]) // the provider was not sure
	w.replay()
	w.keep(all...) // nor later
	w.replay()
	if diff := cmp.Diff(texts, w.feed()); diff != "" {
		t.Errorf("I3: the feed (-want +got):\n%s", diff)
	}
}

func TestRestartKeepsTheMode(t *testing.T) {
	w := newWorld(t)
	w.connector.set(true)
	all, texts := some("ada", 3)
	w.keep(all[:2]...)
	w.restart(nil)
	if !w.active() {
		t.Fatal("what waits is overtaken after a restart")
	}
	w.keep(all[2])
	w.connector.set(false)
	w.replay()
	if diff := cmp.Diff(texts, w.feed()); diff != "" {
		t.Errorf("the feed (-want +got):\n%s", diff)
	}
	w.restart(nil)
	if w.active() {
		t.Error("an empty route is in journal mode after a restart")
	}
}

func TestBound(t *testing.T) {
	w := newWorld(t)
	w.connector.set(true)
	w.restart(func(o *Options) { o.Limit = store.JournalCount{Entries: 3, Bytes: 1 << 20} })
	all, _ := some("ada", 4)
	w.keep(all[:3]...)
	err := w.Requests().Keep(t.Context(), acme.Plugin, acme, w.request(all[3]))
	if !model.Is(err, model.Unavailable) {
		t.Fatalf("got %v, want unavailable", err)
	}
	if kept, err := w.Frames().Keep(t.Context(), acme.Plugin, frame(w, all[3]), true); kept || !model.Is(err, model.Unavailable) {
		t.Errorf("a frame is bound by it too: %t, %v", kept, err)
	}
	elsewhere := w.request(all[3])
	elsewhere.AccountID = other.ID
	if err := w.Requests().Keep(t.Context(), other.Plugin, other, elsewhere); err != nil {
		t.Errorf("another account has a bound of its own: %v", err)
	}
	w.connector.set(false)
	w.replay()
	w.keep(all[3])
}

func TestExpiry(t *testing.T) {
	w := newWorld(t)
	w.connector.set(true)
	all, _ := some("ada", 3)
	w.keep(all[:2]...)
	w.pass(48 * time.Hour)
	w.keep(all[2])
	sweep := func() {
		t.Helper()
		if err := w.Sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	sweep()
	if got := w.tally(); got != (store.JournalTally{}) {
		t.Fatalf("something ended before its time: %+v", got)
	}
	w.pass(24 * time.Hour)
	if entries, _, err := w.Entries(t.Context(), "", "", 10); err != nil || len(entries) != 1 {
		t.Errorf("I9: %d entries are shown at the end of two of three, %v", len(entries), err)
	}
	sweep()
	if got := w.tally(); got != (store.JournalTally{Expired: 2}) {
		t.Errorf("the tally is %+v, want 2 expired", got)
	}
	w.pass(48 * time.Hour)
	w.connector.set(false)
	if taken, waiting := w.replay(); taken != 0 || waiting != 0 {
		t.Errorf("%d were taken and %d wait: want the last one expired on the way", taken, waiting)
	}
	if w.active() || len(w.feed()) != 0 || len(w.connector.requests) != 0 {
		t.Error("I9: something came of what had expired")
	}
}

func frame(w *world, s said) pluginhost.SocketFrame {
	w.t.Helper()
	text, err := json.Marshal(s)
	if err != nil {
		w.t.Fatal(err)
	}
	return pluginhost.SocketFrame{
		AccountID: acme.ID, SocketID: "ses_1", Visitor: model.Address{Kind: model.Visitor, Value: s.From},
		Frame: text, ReceivedAt: w.Now(),
	}
}

func TestFrames(t *testing.T) {
	w := newWorld(t)
	all, _ := some("ada", 4)
	keep := func(s said, away, want bool) {
		t.Helper()
		kept, err := w.Frames().Keep(t.Context(), acme.Plugin, frame(w, s), away)
		if err != nil || kept != want {
			t.Fatalf("kept %t, %v; want %t", kept, err, want)
		}
	}
	keep(all[0], false, false) // the connector is there, and nothing waits
	keep(all[0], true, true)
	keep(all[1], false, true) // earlier ones wait
	keep(said{ID: "x", From: "ada", Text: "refuse"}, false, true)
	w.keep(said{"r", "bob", "a request"})
	keep(all[2], false, true)
	keep(said{From: "ada", Text: "has no key"}, false, true)
	if taken, waiting := w.replay(); taken != 4 || waiting != 0 {
		t.Errorf("%d were taken and %d wait, want 4 and 0", taken, waiting)
	}
	if diff := cmp.Diff([]string{"ada says 0", "ada says 1", "a request", "ada says 2"}, w.feed()); diff != "" {
		t.Errorf("the feed (-want +got):\n%s", diff)
	}
	if got := w.tally(); got != (store.JournalTally{Replayed: 4, Refused: 2}) {
		t.Errorf("the tally is %+v", got)
	}
	keep(all[3], false, false)
}

func TestEntries(t *testing.T) {
	w := newWorld(t)
	w.connector.set(true)
	all, _ := some("ada", 5)
	w.keep(all...)
	elsewhere := w.request(all[0])
	elsewhere.AccountID = other.ID
	if err := w.Requests().Keep(t.Context(), other.Plugin, other, elsewhere); err != nil {
		t.Fatal(err)
	}
	var ids []string
	for cursor := ""; ; {
		page, next, err := w.Entries(t.Context(), "echo", cursor, 2)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range page {
			ids = append(ids, e.ID)
		}
		if cursor = next; cursor == "" {
			break
		}
	}
	want := []string{"echo/acme-echo/1", "echo/acme-echo/2", "echo/acme-echo/3", "echo/acme-echo/4", "echo/acme-echo/5", "echo/other-echo/1"}
	if diff := cmp.Diff(want, ids); diff != "" {
		t.Errorf("the entries (-want +got):\n%s", diff)
	}
	page, next, err := w.Entries(t.Context(), "", "", 6)
	if err != nil || len(page) != 6 || next != "" {
		t.Errorf("a page that takes all: %d entries, next %q, %v", len(page), next, err)
	}
	if e := page[0]; e.Kind != store.JournalRequest || !e.Received.Equal(w.Now()) || !e.Expires.Equal(w.Now().Add(72*time.Hour)) || e.Size == 0 {
		t.Errorf("the entry is %+v", e)
	}
	if page, _, err := w.Entries(t.Context(), "sms", "", 6); err != nil || len(page) != 0 {
		t.Errorf("another connector: %d entries, %v", len(page), err)
	}
	for _, cursor := range []string{"x", "echo/acme-echo", "echo/acme-echo/01", "echo/acme-echo/-1", "echo/acme-echo/1/2"} {
		if _, _, err := w.Entries(t.Context(), "", cursor, 2); !model.Is(err, model.Invalid) {
			t.Errorf("cursor %q: got %v, want invalid", cursor, err)
		}
	}
}

func TestApart(t *testing.T) {
	event := func(addresses ...string) pluginhost.Item {
		ev := &pluginhost.Event{}
		for _, a := range addresses {
			ev.Addresses = append(ev.Addresses, model.Address{Kind: "echo", Value: a})
		}
		return pluginhost.Item{Event: ev}
	}
	receipt := func(id string) pluginhost.Item {
		return pluginhost.Item{Status: &pluginhost.StatusReport{ProviderID: id}}
	}
	of := func(items ...pluginhost.Item) translated { return translated{items: items} }
	tests := []struct {
		name string
		in   []translated
		want [][]int
	}{
		{"nobody", []translated{of(), of()}, [][]int{{0}, {1}}},
		{"strangers", []translated{of(event("a")), of(event("b"))}, [][]int{{0}, {1}}},
		{"one person", []translated{of(event("a")), of(event("b")), of(event("a"))}, [][]int{{0, 2}, {1}}},
		{"two names of one person", []translated{of(event("a", "x")), of(event("b")), of(event("x"))}, [][]int{{0, 2}, {1}}},
		{"a link between two", []translated{of(event("a")), of(event("b")), of(event("c")), of(event("b", "a"))}, [][]int{{0, 1, 3}, {2}}},
		{"receipts of one message", []translated{of(receipt("p")), of(receipt("q")), of(receipt("p"))}, [][]int{{0, 2}, {1}}},
		{"a message is not an address", []translated{of(receipt("a")), of(event("a"))}, [][]int{{0}, {1}}},
		{"several in one", []translated{of(event("a"), event("b")), of(event("b")), of(event("a"))}, [][]int{{0, 1, 2}}},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, apart(tc.in)); diff != "" {
				t.Errorf("groups (-want +got):\n%s", diff)
			}
		})
	}
}

func FuzzUnpack(f *testing.F) {
	good, err := packRequest(pluginhost.HTTPRequest{Method: "POST", Body: []byte("body")}, "")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add([]byte{0xff})
	f.Fuzz(func(t *testing.T, content []byte) {
		r, err := unpackRequest(store.JournalRoute{Account: acme.ID}, content)
		if err == nil && !strings.HasSuffix(string(content), string(r.Body)) {
			t.Errorf("the body is %q, which is not the end of what was packed", r.Body)
		}
		if err != nil && !model.Is(err, model.Corrupt) {
			t.Errorf("got %v, want corrupt", err)
		}
	})
}

// TestAppLevel: what came for the connector as a whole waits in a log of its
// own, and leaves its letter with whose secret verified it.
func TestAppLevel(t *testing.T) {
	w := newWorld(t)
	for _, s := range []said{{"1", "ada", "first"}, {"2", "ada", "refuse"}} {
		r := w.request(s)
		r.AccountID = ""
		if err := w.Requests().Keep(t.Context(), acme.Plugin, acme, r); err != nil {
			t.Fatal(err)
		}
	}
	if w.active() || !w.Requests().Active(acme.Plugin, "") {
		t.Error("the requests wait in the wrong log")
	}
	if taken, waiting := w.replay(); taken != 1 || waiting != 0 {
		t.Errorf("%d were taken and %d wait, want 1 and 0", taken, waiting)
	}
	if reasons, _ := w.letters(); len(reasons) != 1 {
		t.Errorf("dead letters %q", reasons)
	}
}
