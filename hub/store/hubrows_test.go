package store

import (
	"bytes"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/storage/table"
)

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
