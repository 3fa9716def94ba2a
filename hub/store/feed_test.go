package store

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"strings"
	"sync"
	"testing"

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
