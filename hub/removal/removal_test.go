package removal_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/store"
	"github.com/channelhub/channelhub/internal/failpoint"
	"github.com/channelhub/channelhub/internal/killtest"
)

// TestClientLeavesNothing: once a client is removed, no row of the table holds
// its id, and the other client has everything.
func TestClientLeavesNothing(t *testing.T) {
	w := openWorld(t, t.TempDir())
	w.fill()
	before := others(w)
	w.order(acme, "")
	w.finish()
	if diff := cmp.Diff(before, others(w)); diff != "" {
		t.Errorf("the other client has changed: %s", diff)
	}
	m := receipt(w, acme, "")
	want := store.RemovedRows{
		Accounts: 2, Contacts: 3, Addresses: 5, Conversations: 4, Events: 4, Messages: 8, ProviderIDs: 8,
		DeadLetters: 2, Attachments: 2, Journaled: 2, Tokens: 1,
	}
	if diff := cmp.Diff(want, m.Removed); diff != "" {
		t.Error(diff)
	}
	if !slices.Contains(w.places, acme) || len(w.removed) != 2 {
		t.Errorf("files: %v, places: %v", w.removed, w.places)
	}
	if got := audited(w); !slices.Contains(got, "client.remove client/acme begun") || !slices.Contains(got, "client.remove client/acme done") {
		t.Errorf("audited: %v", got)
	}
	if left := w.rowsWith("acme", "visitor-of", "ada-of"); len(left) > 0 {
		t.Errorf("left behind:\n%s", strings.Join(left, "\n"))
	}
}

// TestClientComesBackEmpty: a client of the same id that is added afterwards
// has new keys, and finds nothing of the old one, in the same process too.
func TestClientComesBackEmpty(t *testing.T) {
	w := openWorld(t, t.TempDir())
	w.fill()
	old := w.client(acme)
	d, err := old.Find(t.Context(), shop, model.Address{Kind: model.Phone, Value: "bob@example.com"})
	w.must(err)
	w.order(acme, "")
	w.finish()
	now := w.client(acme)
	if now == old {
		t.Fatal("the process still has the client that was removed")
	}
	if _, err := now.Find(t.Context(), shop, model.Address{Kind: model.Phone, Value: "bob@example.com"}); !model.Is(err, model.NotFound) {
		t.Errorf("an address is known: %v", err)
	}
	again := w.talk(now, shop, "bob@example.com")
	if again.Contact == d.Contact || again.Conversation == d.Conversation {
		t.Error("Bob is who he was")
	}
	// What the new one writes is sealed under keys that outlive this process.
	w.must(now.PutSecret(t.Context(), shop, "token", "new"))
	w.close()
	w = openWorld(t, w.dir)
	secrets, err := w.client(acme).Secrets(t.Context(), shop)
	w.must(err)
	if secrets["token"] != "new" {
		t.Errorf("secrets: %v", secrets)
	}
}

// TestAccountLeavesOthers: an account takes along the contacts that nobody
// else knows, and nothing of the client's other account.
func TestAccountLeavesOthers(t *testing.T) {
	w := openWorld(t, t.TempDir())
	w.fill()
	c := w.client(acme)
	bob := model.Address{Kind: model.Phone, Value: "bob@example.com"}
	d, err := c.Find(t.Context(), desk, bob)
	w.must(err)
	w.order("", shop)
	w.finish()
	m := receipt(w, acme, shop)
	want := store.RemovedRows{
		Accounts: 1, Contacts: 1, Addresses: 1, Conversations: 2, Events: 2, Messages: 4, ProviderIDs: 4, DeadLetters: 1, Attachments: 1, Journaled: 1,
	}
	if diff := cmp.Diff(want, m.Removed); diff != "" {
		t.Error(diff)
	}
	if len(w.places) > 0 {
		t.Error("the client's place is gone with one account")
	}
	if got, err := c.Find(t.Context(), desk, bob); err != nil || got != d {
		t.Errorf("Bob on the other account: %v %v, want %v", got, err, d)
	}
	if _, err := c.Contact(t.Context(), d.Contact); err != nil {
		t.Errorf("Bob's row: %v", err)
	}
	if _, err := c.Find(t.Context(), shop, bob); !model.Is(err, model.NotFound) {
		t.Errorf("Bob on the removed account: %v", err)
	}
	key, err := c.EventKey(t.Context(), desk, bob.Value)
	w.must(err)
	if e, err := c.Event(t.Context(), d.Conversation, key); err != nil || e.Event.Message == nil {
		t.Errorf("what Bob said there: %v", err)
	}
	letters, err := c.DeadLetters(t.Context(), model.Random16{}, 9)
	w.must(err)
	if len(letters) != 1 || letters[0].Account != desk {
		t.Errorf("dead letters: %+v", letters)
	}
	// The records of the feed stay until they are trimmed: they name accounts
	// and conversations, and no contact.
	for _, row := range w.rowsWith(string(shop)) {
		if !strings.Contains(row, "c/acme/f/") {
			t.Errorf("left behind: %s", row)
		}
	}
}

// TestRemovalCrash kills a removal at each of its places: the next process
// completes it, and nothing is left either way.
func TestRemovalCrash(t *testing.T) {
	if child, ok := killtest.Child(); ok {
		w := openWorld(t, child.Dir)
		w.fill()
		child.Arm(t)
		w.order(acme, "")
		w.finish()
		t.Fatal("the removal came through")
	}
	tried := 0
	for _, site := range failpoint.Names() {
		if !strings.HasPrefix(site, "removal.") {
			continue
		}
		tried++
		t.Run(site, func(t *testing.T) {
			dir := t.TempDir()
			killtest.Kill(t, dir, site)
			w := openWorld(t, dir)
			w.clock = w.clock.Add(time.Minute)
			before := others(w)
			w.finish()
			if m := receipt(w, acme, ""); m.Done.IsZero() || m.By != "boss" {
				t.Errorf("receipt: %+v", m)
			}
			if diff := cmp.Diff(before, others(w)); diff != "" {
				t.Errorf("the other client has changed: %s", diff)
			}
			if left := w.rowsWith("acme"); len(left) > 0 {
				t.Errorf("left behind:\n%s", strings.Join(left, "\n"))
			}
		})
	}
	if tried < 12 {
		t.Fatalf("removal has lost its failpoints: %d are left", tried)
	}
}

// TestOrder: what can be removed, and what is answered when not.
func TestOrder(t *testing.T) {
	for _, c := range []struct {
		name    string
		client  model.ClientID
		account model.AccountID
		named   []string
		code    model.Code // empty: it is taken
	}{
		{name: "client", client: acme},
		{name: "client that is configured", client: acme, named: []string{"acme"}, code: model.Conflicting},
		{name: "client that never was", client: "nobody", code: model.NotFound},
		{name: "account", account: shop},
		{name: "account of a client that stays", account: shop, named: []string{"acme", "acme/acme-desk"}},
		{name: "account that is configured", account: shop, named: []string{"acme", "acme/acme-shop"}, code: model.Conflicting},
		{name: "account that never was", account: "nothing", code: model.NotFound},
		{name: "account of another client", client: other, account: shop, code: model.NotFound},
		{name: "account that two clients had", account: "other-shop", code: model.Invalid},
		{name: "account that two clients had, named", client: acme, account: "other-shop"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := openWorld(t, t.TempDir())
			w.fill()
			w.must(w.store.NoteAccount(t.Context(), acme, "other-shop"))
			for _, n := range c.named {
				w.named[n] = true
			}
			m, err := w.remover().Begin(t.Context(), c.client, c.account, store.Act{Actor: "boss", Role: "configurator"})
			if c.code != "" {
				if !model.Is(err, c.code) {
					t.Fatalf("error %v, want %s", err, c.code)
				}
				if got := audited(w); slices.ContainsFunc(got, func(s string) bool { return strings.Contains(s, ".remove") }) {
					t.Errorf("audited: %v", got)
				}
				return
			}
			if err != nil || m.Step != store.RemovalWaiting {
				t.Fatalf("%+v, %v", m, err)
			}
			// A repeat is the same order, told once.
			again, err := w.remover().Begin(t.Context(), c.client, c.account, store.Act{Actor: "second", Role: "configurator"})
			if err != nil || again.By != "boss" || !again.Asked.Equal(m.Asked) {
				t.Errorf("a repeat: %+v, %v", again, err)
			}
			if got := audited(w); len(slices.DeleteFunc(got, func(s string) bool { return !strings.HasSuffix(s, "begun") })) != 1 {
				t.Errorf("audited: %v", audited(w))
			}
		})
	}
}

// TestWaits: nothing goes before what was under way has had its time, and
// nothing while the configuration names it again.
func TestWaits(t *testing.T) {
	w := openWorld(t, t.TempDir())
	w.fill()
	w.order(acme, "")
	if _, err := w.store.Token(t.Context(), "tok-acme"); err != nil {
		t.Fatal(err)
	}
	w.clock = w.clock.Add(10*time.Second - time.Millisecond)
	r := w.remover()
	if wait, err := r.Pass(t.Context()); err != nil || wait != time.Millisecond {
		t.Fatalf("wait %s, %v", wait, err)
	}
	if _, err := w.store.Token(t.Context(), "tok-acme"); !model.Is(err, model.NotFound) {
		t.Errorf("a token of the client still opens: %v", err)
	}
	if len(w.removed) > 0 {
		t.Error("it did not wait")
	}
	w.clock = w.clock.Add(time.Millisecond)
	w.named["acme"] = true
	if wait, err := r.Pass(t.Context()); err != nil || wait == 0 || len(w.removed) > 0 {
		t.Errorf("it does not mind the configuration: %s %v %v", wait, err, w.removed)
	}
	w.named["acme"] = false
	w.finish()
}

func receipt(w *world, client model.ClientID, account model.AccountID) store.Removal {
	w.t.Helper()
	all, err := w.store.Removals(w.t.Context())
	w.must(err)
	for _, m := range all {
		if m.Client == client && m.Account == account && m.Step == store.RemovalDone {
			return m
		}
	}
	w.t.Fatalf("no receipt among %+v", all)
	return store.Removal{}
}

func audited(w *world) []string {
	w.t.Helper()
	rows, err := w.store.AuditRows(w.t.Context(), 0, 500)
	w.must(err)
	var out []string
	for _, r := range rows {
		out = append(out, r.Action+" "+r.Subject+" "+r.Outcome)
	}
	return out
}

// others is what the other client has, as far as its faces show it.
func others(w *world) []string {
	w.t.Helper()
	ctx := w.t.Context()
	c := w.client(other)
	var out []string
	for _, who := range []string{"bob@example.com", "ada-of-other-shop"} {
		d, err := c.Find(ctx, "other-shop", model.Address{Kind: model.Phone, Value: who})
		w.must(err)
		h, err := c.History(ctx, d.Conversation)
		w.must(err)
		key, err := c.EventKey(ctx, "other-shop", who)
		w.must(err)
		e, err := c.Event(ctx, d.Conversation, key)
		w.must(err)
		out = append(out, string(d.Contact), string(d.Conversation), e.Event.Message.Content.Text, fmt.Sprint(len(h.Outbound)))
	}
	secrets, err := c.Secrets(ctx, "other-shop")
	w.must(err)
	_, err = w.store.Token(ctx, "tok-other")
	w.must(err)
	_, err = w.store.AccountOf(ctx, "echo", "page-other-shop")
	w.must(err)
	letters, err := c.DeadLetters(ctx, model.Random16{}, 9)
	w.must(err)
	content, err := c.LetterContent(ctx, letters[0])
	w.must(err)
	return append(out, secrets["token"], string(content))
}
