package store

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/storage/table"
)

func TestClientsAreFixedAtFirstSight(t *testing.T) {
	f := newFixture(t)
	hubs := make([]*Store, 8)
	for i := range hubs {
		hubs[i] = f.store()
	}
	var wg sync.WaitGroup
	for _, s := range hubs {
		wg.Go(func() {
			c, err := s.Client(t.Context(), "acme")
			if err != nil {
				t.Error(err)
				return
			}
			if len(c.FeedLogs()) != 1 || c.Feed("cnv_1") != c.FeedLogs()[0] {
				t.Error("a client has one feed log")
			}
		})
	}
	wg.Wait()
	s := f.store()
	c := f.clientOf(s, "acme")
	if again := f.clientOf(s, "acme"); c != again {
		t.Error("a client is opened twice")
	}
	if l := c.Lane("cnv_1"); l != f.clientOf(s, "acme").Lane("cnv_1") {
		t.Error("a lane has two logs in one process")
	}
}

func TestAConversationKeepsItsFeed(t *testing.T) {
	f := newFixture(t)
	value, err := encodePlain(1, clientHeader{Shards: 8})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.table.For("wide").Commit(t.Context(), table.Put("meta", "client", value)); err != nil {
		t.Fatal(err)
	}
	one, two := f.client("wide"), f.client("wide")
	used := map[string]bool{}
	for range 100 {
		conv := model.NewConversationID()
		if one.Feed(conv).pk != two.Feed(conv).pk {
			t.Fatal("two processes put a conversation into two feeds")
		}
		used[one.Feed(conv).pk] = true
	}
	if len(used) != 8 {
		t.Errorf("100 conversations use %d of 8 logs", len(used))
	}
}

func TestConsumersNeverGoBack(t *testing.T) {
	f := newFixture(t)
	hubs := []*Client{f.client("acme"), f.client("acme")}
	k, err := hubs[0].Consumer(t.Context(), "crm")
	if err != nil || !cmp.Equal(k.Marks, []Position{{}}) {
		t.Fatalf("a new consumer: %+v, %v", k, err)
	}
	var wg sync.WaitGroup
	for i := range 32 {
		wg.Go(func() {
			var last Position
			for n := range 8 {
				mark := Position{N: uint64((i*7+n*13)%50) + 1, Index: i % 3}
				k, err := hubs[i%2].Acknowledge(t.Context(), "crm", []Position{mark})
				if err != nil {
					t.Error(err)
					return
				}
				if k.Marks[0].Less(mark) || k.Marks[0].Less(last) {
					t.Errorf("acknowledged %v behind %v and was told %v", mark, last, k.Marks[0])
				}
				last = k.Marks[0]
			}
		})
	}
	wg.Wait()
	best := Position{}
	for i := range 32 {
		for n := range 8 {
			if m := (Position{N: uint64((i*7+n*13)%50) + 1, Index: i % 3}); best.Less(m) {
				best = m
			}
		}
	}
	k, err = f.client("acme").Consumer(t.Context(), "crm")
	if err != nil || k.Marks[0] != best || !k.At.Equal(f.Now()) {
		t.Errorf("the mark is %v of %s, %v; want %v", k.Marks, k.At, err, best)
	}
	if other, err := hubs[0].Consumer(t.Context(), "bi"); err != nil || !cmp.Equal(other.Marks, []Position{{}}) {
		t.Errorf("another consumer has marks %v, %v", other.Marks, err)
	}
	// What is known already is not written.
	f.gate.Before(nil)
	came := f.crashAt(1, false)
	if _, err := hubs[0].Acknowledge(t.Context(), "crm", []Position{{N: 1}}); err != nil {
		t.Error(err)
	}
	if came() {
		t.Error("acknowledging what is acknowledged wrote a row")
	}
}

func TestCursors(t *testing.T) {
	f := newFixture(t)
	c := f.client("acme")
	want := []Position{{N: 1 << 40, Index: maxBatch}}
	token, err := c.Cursor(t.Context(), want)
	if err != nil {
		t.Fatal(err)
	}
	got, err := f.client("acme").ParseCursor(t.Context(), token)
	if err != nil || !cmp.Equal(got, want) {
		t.Errorf("%v came back as %v, %v", want, got, err)
	}
	refused := map[string]string{
		"empty": "", "rubbish": "!!", "too short": "AAAA", "too long": strings.Repeat("A", 8192),
		"padded": token + "=", "a line break": token[:4] + "\n" + token[4:],
		"standard alphabet": strings.NewReplacer("-", "+", "_", "/").Replace(token) + "+",
	}
	raw, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil {
		t.Fatal(err)
	}
	for i := range raw {
		for bit := range 8 {
			bad := bytes.Clone(raw)
			bad[i] ^= 1 << bit
			refused[fmt.Sprintf("bit %d of byte %d", bit, i)] = base64.RawURLEncoding.EncodeToString(bad)
		}
		refused[fmt.Sprintf("cut at %d", i)] = base64.RawURLEncoding.EncodeToString(raw[:i])
	}
	// The spare bits of the last character are no second spelling.
	alphabet := "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	for _, last := range alphabet {
		if other := token[:len(token)-1] + string(last); other != token {
			refused["last character "+string(last)] = other
		}
	}
	foreign, err := f.client("beta").Cursor(t.Context(), want)
	if err != nil {
		t.Fatal(err)
	}
	refused["another client's"] = foreign
	if refused["more logs"], err = c.Cursor(t.Context(), []Position{{}, {}}); err != nil {
		t.Fatal(err)
	}
	if refused["no logs"], err = c.Cursor(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	if refused["a place in no row"], err = c.Cursor(t.Context(), []Position{{N: 1, Index: maxBatch + 1}}); err != nil {
		t.Fatal(err)
	}
	for name, token := range refused {
		if at, err := c.ParseCursor(t.Context(), token); !model.Is(err, model.Invalid) {
			t.Errorf("%s: %v, %v; want invalid", name, at, err)
		}
	}
}

func TestConnectorState(t *testing.T) {
	f := newFixture(t)
	c := f.client("acme")
	put := func(c *Client, k, v string, expected uint64, ttl time.Duration) (uint64, error) {
		return c.PutState(t.Context(), "acct", State{Key: k, Value: []byte(v)}, expected, ttl)
	}
	if _, err := c.State(t.Context(), "acct", "k"); !model.Is(err, model.NotFound) {
		t.Errorf("absent: %v, want not_found", err)
	}
	for i, v := range []string{"one", "two", "three"} {
		if n, err := put(c, "k", v, uint64(i), 0); err != nil || n != uint64(i)+1 {
			t.Fatalf("write %d: version %d, %v", i, n, err)
		}
	}
	for _, expected := range []uint64{0, 1, 2, 4} {
		if _, err := put(f.client("acme"), "k", "x", expected, 0); !model.Is(err, model.Conflicting) {
			t.Errorf("write over version 3 as if it were %d: %v, want conflict", expected, err)
		}
		if err := c.DeleteState(t.Context(), "acct", "k", expected); !model.Is(err, model.Conflicting) {
			t.Errorf("delete version 3 as if it were %d: %v, want conflict", expected, err)
		}
	}
	if _, err := put(c, "absent", "x", 1, 0); !model.Is(err, model.Conflicting) {
		t.Errorf("write over what is not there: %v, want conflict", err)
	}
	got, err := f.client("acme").State(t.Context(), "acct", "k")
	if diff := cmp.Diff(State{Key: "k", Value: []byte("three"), Version: 3}, got); err != nil || diff != "" {
		t.Errorf("read: %v (-want +got):\n%s", err, diff)
	}
	for name, read := range map[string]func() error{
		"another account": func() error { _, err := c.State(t.Context(), "other", "k"); return err },
		"another client":  func() error { _, err := f.client("beta").State(t.Context(), "acct", "k"); return err },
	} {
		if err := read(); !model.Is(err, model.NotFound) {
			t.Errorf("%s: %v, want not_found", name, err)
		}
	}
	for name, k := range map[string]string{"no key": "", "a long key": strings.Repeat("k", maxStateKey+1)} {
		if _, err := put(c, k, "", 0, 0); !model.Is(err, model.Invalid) {
			t.Errorf("%s: %v, want invalid", name, err)
		}
	}
	if _, err := put(c, "big", strings.Repeat("v", maxStateValue+1), 0, 0); !model.Is(err, model.TooLarge) {
		t.Errorf("a large value: %v, want too_large", err)
	}
	if _, err := put(c, "big", strings.Repeat("v", maxStateValue), 0, 0); err != nil {
		t.Errorf("the largest value: %v", err)
	}
	if all, err := c.States(t.Context(), "acct"); err != nil || len(all) != 2 {
		t.Errorf("%d pieces, %v; want 2", len(all), err)
	}
	if err := c.DeleteState(t.Context(), "acct", "k", 3); err != nil {
		t.Error(err)
	}
	if err := c.DeleteState(t.Context(), "acct", "k", 0); err != nil {
		t.Errorf("delete what is absent: %v", err)
	}
	if _, err := put(c, "k", "anew", 0, 0); err != nil {
		t.Errorf("write anew: %v", err)
	}
}

// What has expired can be written anew at once.
func TestConnectorStateExpires(t *testing.T) {
	f := newFixture(t)
	c := f.client("acme")
	s := State{Key: "nonce", Value: []byte("v")}
	for range 3 {
		if _, err := c.PutState(t.Context(), "acct", s, 0, time.Minute); err != nil {
			t.Fatalf("write: %v", err)
		}
		if _, err := c.PutState(t.Context(), "acct", s, 0, time.Minute); !model.Is(err, model.Conflicting) {
			t.Errorf("write twice: %v, want conflict", err)
		}
		f.pass(time.Minute)
		if _, err := c.State(t.Context(), "acct", "nonce"); !model.Is(err, model.NotFound) {
			t.Errorf("past its end: %v, want not_found", err)
		}
	}
}

func TestConnectorStateIsBounded(t *testing.T) {
	f := newFixture(t)
	c := f.client("acme")
	var ops []table.Op
	for n := range maxStateKeys {
		if ops = append(ops, table.Put(statePK("acct"), fmt.Sprintf("%04d", n), []byte("x"))); len(ops) == 100 {
			if _, err := f.table.For("acme").Commit(t.Context(), ops...); err != nil {
				t.Fatal(err)
			}
			ops = nil
		}
	}
	if _, err := c.PutState(t.Context(), "acct", State{Key: "one more"}, 0, 0); !model.Is(err, model.TooLarge) {
		t.Errorf("one key too many: %v, want too_large", err)
	}
	if err := c.DeleteState(t.Context(), "acct", "absent", 0); err != nil {
		t.Errorf("delete what is absent from a full account: %v", err)
	}
	if _, err := c.PutState(t.Context(), "other", State{Key: "k"}, 0, 0); err != nil {
		t.Errorf("another account: %v", err)
	}
}

func TestOneOfManyStateWritersWins(t *testing.T) {
	f := newFixture(t)
	hubs := []*Client{f.client("acme"), f.client("acme")}
	var wg sync.WaitGroup
	var mu sync.Mutex
	won := 0
	for i := range 32 {
		wg.Go(func() {
			_, err := hubs[i%2].PutState(t.Context(), "acct", State{Key: "k"}, 0, 0)
			if err != nil && !model.Is(err, model.Conflicting) {
				t.Error(err)
			}
			if err == nil {
				mu.Lock()
				won++
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if won != 1 {
		t.Errorf("%d first writes succeeded", won)
	}
}

func TestActiveLanes(t *testing.T) {
	f := newFixture(t)
	s := f.store()
	want := map[string]bool{}
	var notes []ActiveLane
	for i := range 200 {
		client := model.ClientID([]string{"acme", "beta"}[i%2])
		conv := model.NewConversationID()
		a, err := s.PutActive(t.Context(), client, conv)
		if err != nil {
			t.Fatal(err)
		}
		notes = append(notes, a)
		want[activeSK(client, conv)] = true
	}
	read := func() map[string]bool {
		t.Helper()
		f.flaky.CutPages(1)
		defer f.flaky.CutPages(0)
		lanes, err := f.store().ActiveLanes(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		got := map[string]bool{}
		for _, a := range lanes {
			got[activeSK(a.Client, a.Conversation)] = true
		}
		return got
	}
	if diff := cmp.Diff(want, read()); diff != "" {
		t.Errorf("active lanes (-want +got):\n%s", diff)
	}
	// A note that was renewed stays; one that was not goes.
	if _, err := f.store().PutActive(t.Context(), notes[0].Client, notes[0].Conversation); err != nil {
		t.Fatal(err)
	}
	for _, a := range []ActiveLane{notes[0], notes[1], notes[1]} {
		if err := s.RemoveActive(t.Context(), a); err != nil {
			t.Error(err)
		}
	}
	delete(want, activeSK(notes[1].Client, notes[1].Conversation))
	if diff := cmp.Diff(want, read()); diff != "" {
		t.Errorf("after a removal (-want +got):\n%s", diff)
	}
	// What was read can be removed.
	lanes, err := s.ActiveLanes(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range lanes {
		if err := s.RemoveActive(t.Context(), a); err != nil {
			t.Error(err)
		}
	}
	if left := read(); len(left) != 0 {
		t.Errorf("%d lanes are left", len(left))
	}
}

func TestAccountAddresses(t *testing.T) {
	f := newFixture(t)
	s := f.store()
	mine, theirs := AccountAddress{"acme", "a"}, AccountAddress{"beta", "b"}
	gone := func(AccountAddress) bool { return true }
	claim := func(who AccountAddress, gone func(AccountAddress) bool) error {
		return f.store().ClaimAccountAddress(t.Context(), "echo", "addr", who, gone)
	}
	if _, err := s.AccountOf(t.Context(), "echo", "addr"); !model.Is(err, model.NotFound) {
		t.Errorf("nobody's: %v, want not_found", err)
	}
	for range 2 {
		if err := claim(mine, nil); err != nil {
			t.Errorf("claim: %v", err)
		}
	}
	if err := claim(theirs, nil); !model.Is(err, model.Conflicting) {
		t.Errorf("a second claimant: %v, want conflict", err)
	}
	if err := claim(theirs, func(AccountAddress) bool { return false }); !model.Is(err, model.Conflicting) {
		t.Errorf("a claimant while the owner is there: %v, want conflict", err)
	}
	if err := s.ClaimAccountAddress(t.Context(), "other", "addr", theirs, nil); err != nil {
		t.Errorf("the same address at another provider: %v", err)
	}
	if err := claim(theirs, gone); err != nil {
		t.Errorf("take over: %v", err)
	}
	if got, err := s.AccountOf(t.Context(), "echo", "addr"); err != nil || got != theirs {
		t.Errorf("the owner is %+v, %v; want %+v", got, err, theirs)
	}
	// Of two that take over at once, one is told.
	won := 0
	var wg sync.WaitGroup
	var mu sync.Mutex
	for i := range 8 {
		wg.Go(func() {
			err := claim(AccountAddress{"acme", model.AccountID(fmt.Sprint("n", i))}, func(a AccountAddress) bool { return a == theirs })
			if err != nil && !model.Is(err, model.Conflicting) {
				t.Error(err)
			}
			if err == nil {
				mu.Lock()
				won++
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if won != 1 {
		t.Errorf("%d accounts took the address over", won)
	}
}

func TestTokens(t *testing.T) {
	f := newFixture(t)
	s := f.store()
	if _, err := s.Token(t.Context(), "a"); !model.Is(err, model.NotFound) {
		t.Errorf("unknown: %v, want not_found", err)
	}
	want := Token{
		ID: "a", Hash: []byte("hash"), Role: "client", Client: "acme", Consumer: "crm", Created: f.Now(), Expires: f.Now().Add(time.Hour),
	}
	for _, id := range []string{"a", "b", "c"} {
		w := want
		w.ID = id
		if err := s.PutToken(t.Context(), w, Act{}); err != nil {
			t.Fatal(err)
		}
	}
	got, err := f.store().Token(t.Context(), "a")
	if diff := cmp.Diff(want, got, unversioned); err != nil || diff != "" {
		t.Errorf("read: %v (-want +got):\n%s", err, diff)
	}
	if err := s.PutToken(t.Context(), want, Act{}); !model.Is(err, model.Conflicting) {
		t.Errorf("a second of one id: %v, want conflict", err)
	}
	revoked := got
	revoked.Revoked = f.Now()
	if err := s.PutToken(t.Context(), revoked, Act{}); err != nil {
		t.Error(err)
	}
	if err := s.PutToken(t.Context(), revoked, Act{}); !model.Is(err, model.Conflicting) {
		t.Errorf("from an old version: %v, want conflict", err)
	}
	f.flaky.CutPages(1)
	all, err := s.Tokens(t.Context())
	if err != nil || len(all) != 3 || all[0].Revoked.IsZero() || !all[1].Revoked.IsZero() {
		t.Errorf("%d tokens, %v", len(all), err)
	}
}

func TestRowsOfAnotherSchemaAreRefused(t *testing.T) {
	f := newFixture(t)
	value, err := encodePlain(250, struct{}{})
	if err != nil {
		t.Fatal(err)
	}
	c := f.client("acme")
	d := f.met(c, "1")
	at, err := c.addressKey(t.Context(), phone("9"))
	if err != nil {
		t.Fatal(err)
	}
	rows := f.table.For("acme")
	for name, row := range map[string]struct {
		pk, sk string
		read   func() error
	}{
		"address":      {addressPK(at), "a", func() error { _, err := c.Find(t.Context(), "acct", phone("9")); return err }},
		"contact":      {contactPK("cnt_9"), "c", func() error { _, err := c.Contact(t.Context(), "cnt_9"); return err }},
		"directory":    {directoryPK("acct"), "cnt_9", func() error { _, err := c.DirectoryOf(t.Context(), "acct", "cnt_9"); return err }},
		"conversation": {conversationPK("cnv_9"), conversationSK, func() error { _, err := c.Conversation(t.Context(), "cnv_9"); return err }},
		"event":        {conversationPK("cnv_9"), eventSK(key(1)), func() error { _, err := c.Event(t.Context(), "cnv_9", key(1)); return err }},
		"message":      {conversationPK("cnv_9"), messageSK(key(1)), func() error { _, err := c.Outbound(t.Context(), "cnv_9", key(1)); return err }},
		"consumer":     {"u/crm", "u", func() error { _, err := c.Consumer(t.Context(), "crm"); return err }},
		"intent":       {"i/" + hexKey(key(1)), "i", func() error { _, err := c.Intent(t.Context(), key(1)); return err }},
		"claim":        {"l/cnv_9", claimSK, func() error { _, err := c.Claim(t.Context(), "cnv_9"); return err }},
		"provider id":  {providerPK(key(1)), "r", func() error { _, err := c.ProviderRow(t.Context(), key(1)); return err }},
		"dead letter":  {"dl", "1234567890123456", func() error { _, err := c.DeadLetters(t.Context(), model.Random16{}, 1); return err }},
		"log head":     {"f/0", logHeadSK, func() error { _, err := c.Feed(d.Conversation).Floor(t.Context()); return err }},
	} {
		if _, err := rows.Commit(t.Context(), table.Put(row.pk, row.sk, value)); err != nil {
			t.Fatal(err)
		}
		if err := row.read(); !model.Is(err, model.Corrupt) {
			t.Errorf("%s: %v, want corrupt", name, err)
		}
	}
}

func FuzzDecodeHeader(f *testing.F) {
	good, err := encodePlain(1, conversationHeader{Account: "a", In: 7})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add(append(good, "sealed"...))
	f.Add([]byte{1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1})
	f.Fuzz(func(t *testing.T, value []byte) {
		var h conversationHeader
		sealed, err := decodeHeader(value, 1, &h)
		if err != nil {
			if !model.Is(err, model.Corrupt) {
				t.Errorf("error %v has another code than corrupt", err)
			}
			return
		}
		if !bytes.HasSuffix(value, sealed) {
			t.Error("the body is not the end of the row")
		}
	})
}
