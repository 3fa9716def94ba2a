package store

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/storage/table"
)

func (f *fixture) outbound(d Directory, n int) Outbound {
	return Outbound{
		Conversation: d.Conversation, UUID: key(n), Account: "acct", SealKey: d.Key(), Status: model.Queued,
		Tail: 4, Moved: f.Now(), NextTry: f.Now(), HeldUntil: f.Now(), Created: f.Now(), ExpireAfter: f.Now().Add(time.Hour),
		ContentUntil: f.Now().Add(2 * time.Hour), Expires: f.Now().Add(3 * time.Hour), Traceparent: "00-1-2-03",
		Message:  model.Message{Author: model.CSR, Content: &model.Content{Type: model.ContentText, Text: fmt.Sprintf("answer %d", n)}},
		To:       []model.Address{phone("1")},
		Timeline: []Move{{Status: model.Queued, At: model.At(f.Now())}},
	}
}

func TestOutboundMessages(t *testing.T) {
	f := newFixture(t)
	c := f.client("acme")
	d := f.met(c, "1")
	want := f.outbound(d, 1)
	made, err := c.CreateOutbound(t.Context(), want)
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := made.Promise(); ok {
		t.Error("a message that never moved promises a record")
	}
	again := f.outbound(d, 1)
	again.Message.Content.Text = "another text"
	found, err := c.CreateOutbound(t.Context(), again)
	if diff := cmp.Diff(want, found, unversioned); err != nil || diff != "" {
		t.Errorf("a repeat: %v (-want +got):\n%s", err, diff)
	}

	next := made
	next.Was, next.Status, next.Seq, next.Tail = next.Status, model.Sent, 1, 9
	next.Moved, next.Attempts = f.Now().Add(time.Second), 1
	next.ProviderIDs = []string{"p1", "p2"}
	next.Failure = &model.Failure{Code: "x"}
	next.Note(Move{Status: model.Sent, At: model.At(next.Moved), Attempt: 1})
	written, ok, err := c.PutOutbound(t.Context(), next)
	if err != nil || !ok {
		t.Fatalf("put: %v, %v", ok, err)
	}
	read, err := f.client("acme").Outbound(t.Context(), d.Conversation, key(1))
	if diff := cmp.Diff(written, read, unversioned); err != nil || diff != "" {
		t.Errorf("read back: %v (-want +got):\n%s", err, diff)
	}
	if _, ok, err := c.PutOutbound(t.Context(), read); err != nil || !ok {
		t.Errorf("put from a read: %v, %v", ok, err)
	}
	now, ok, err := c.PutOutbound(t.Context(), made)
	if err != nil || ok || now.Status != model.Sent {
		t.Errorf("put from an old version: %v, %v, status %s", ok, err, now.Status)
	}

	promise, ok := read.Promise()
	wantRecord := Record{
		Kind: StatusRecord, Conversation: d.Conversation, Key: key(1), Seq: 1, Type: model.MessageStatus, Account: "acct",
		Direction: model.Outbound, Old: model.Queued, New: model.Sent, At: Millis(next.Moved), Author: model.CSR,
	}
	if diff := cmp.Diff(wantRecord, promise); !ok || diff != "" {
		t.Errorf("promise (-want +got):\n%s", diff)
	}
	view := read.View()
	if view.ID != read.ID() || view.ProviderID != "p1" || view.Direction != model.Outbound || view.Status != model.Sent || !view.CreatedAt.Equal(read.Created) {
		t.Errorf("view %+v", view)
	}
	f.pass(3 * time.Hour)
	if _, err := c.Outbound(t.Context(), d.Conversation, key(1)); !model.Is(err, model.NotFound) {
		t.Errorf("past its end: %v, want not_found", err)
	}
	f.pass(table.ExpiryGrace)
	if _, _, err := c.PutOutbound(t.Context(), read); !model.Is(err, model.NotFound) {
		t.Errorf("put past its end: %v, want not_found", err)
	}
}

func TestTimelinesKeepTheirEnds(t *testing.T) {
	var o Outbound
	for n := range 100 {
		before := o.Timeline
		o.Note(Move{Attempt: n})
		for i, m := range before {
			if i < maxTimeline/2 && m.Attempt != i {
				t.Fatalf("noting move %d changed the slice that others hold", n)
			}
		}
	}
	if len(o.Timeline) != maxTimeline {
		t.Fatalf("%d moves, want %d", len(o.Timeline), maxTimeline)
	}
	for i, m := range o.Timeline {
		want := i
		if i >= maxTimeline/2 {
			want = 100 - maxTimeline + i
		}
		if m.Attempt != want {
			t.Errorf("move %d is attempt %d, want %d", i, m.Attempt, want)
		}
	}
}

// TestTimelinesKeepDoubts: however often a delivery is tried again, that one of
// its attempts may have got there is not forgotten.
func TestTimelinesKeepDoubts(t *testing.T) {
	var o Outbound
	doubts := map[int]Move{
		2:  {Status: model.Queued, Attempt: 2, Outcome: "unknown"},
		25: {Status: model.Held, Attempt: 25},
		30: {Status: model.Queued, Attempt: 30, Outcome: "unknown"},
	}
	for n := range 200 {
		m := Move{Status: model.Queued, Attempt: n, Outcome: "retry"}
		if doubt, ok := doubts[n]; ok {
			m = doubt
		}
		o.Note(m)
	}
	for n, doubt := range doubts {
		if !slices.Contains(o.Timeline, doubt) {
			t.Errorf("the doubt of attempt %d is gone", n)
		}
	}
	for n := range 200 {
		o.Note(Move{Status: model.Queued, Attempt: 200 + n, Outcome: "unknown"})
	}
	if len(o.Timeline) != maxTimeline || !o.Timeline[maxTimeline-1].Doubtful() {
		t.Errorf("%d moves, want %d", len(o.Timeline), maxTimeline)
	}
}

func TestClaims(t *testing.T) {
	f := newFixture(t)
	c := f.client("acme")
	none, err := c.Claim(t.Context(), "cnv_1")
	if diff := cmp.Diff(Claim{Conversation: "cnv_1"}, none, unversioned); err != nil || diff != "" {
		t.Errorf("nobody's lane: %v\n%s", err, diff)
	}
	want := Claim{
		Conversation: "cnv_1", Owner: "me", Epoch: 1, Open: Position{N: 3, Index: 2}, Message: key(1), Attempt: 2,
		SendUntil: f.Now(), Held: []model.Random16{key(2), key(3)},
	}
	mine, ok, err := c.PutClaim(t.Context(), want)
	if err != nil || !ok {
		t.Fatalf("claim: %v, %v", ok, err)
	}
	got, err := f.client("acme").Claim(t.Context(), "cnv_1")
	if diff := cmp.Diff(want, got, unversioned); err != nil || diff != "" {
		t.Errorf("read back: %v (-want +got):\n%s", err, diff)
	}
	// Who read nothing, or an older claim, is told what is there.
	for name, k := range map[string]Claim{"none": none, "older": mine} {
		if name == "older" {
			if _, ok, err := c.PutClaim(t.Context(), got); err != nil || !ok {
				t.Fatalf("renew: %v, %v", ok, err)
			}
		}
		k.Owner = "thief"
		now, ok, err := c.PutClaim(t.Context(), k)
		if err != nil || ok || now.Owner != "me" {
			t.Errorf("claim made from %s: %v, %v, owner %q", name, ok, err, now.Owner)
		}
	}
	// One of many wins.
	var wg sync.WaitGroup
	won := make([]bool, 32)
	for i := range won {
		wg.Go(func() {
			var err error
			if _, won[i], err = c.PutClaim(t.Context(), Claim{Conversation: "cnv_2", Owner: fmt.Sprint(i), Epoch: 1}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	winners := 0
	for _, w := range won {
		if w {
			winners++
		}
	}
	if winners != 1 {
		t.Errorf("%d claims on one lane succeeded", winners)
	}
}

func TestProviderRows(t *testing.T) {
	f := newFixture(t)
	c := f.client("acme")
	if _, err := c.ProviderRow(t.Context(), key(1)); !model.Is(err, model.NotFound) {
		t.Errorf("unknown: %v, want not_found", err)
	}
	early := ProviderRow{Key: key(1), Early: model.Delivered, EarlyAt: f.Now(), EarlyCode: "c", ProviderCode: "pc"}
	if early.Known() {
		t.Error("an early receipt knows its message")
	}
	if _, ok, err := c.PutProvider(t.Context(), early); err != nil || !ok {
		t.Fatalf("put: %v, %v", ok, err)
	}
	// The outcome comes second and is handed the receipt.
	outcome := ProviderRow{Key: key(1), Conversation: "cnv_1", UUID: key(9), Expires: f.Now().Add(48 * time.Hour)}
	met, ok, err := c.PutProvider(t.Context(), outcome)
	want := early
	want.Expires = f.Now().Add(earlyWait)
	if diff := cmp.Diff(want, met, unversioned); err != nil || ok || diff != "" {
		t.Errorf("the second: %v, %v (-want +got):\n%s", ok, err, diff)
	}
	met.Conversation, met.UUID, met.Expires = outcome.Conversation, outcome.UUID, outcome.Expires
	if _, ok, err := c.PutProvider(t.Context(), met); err != nil || !ok {
		t.Fatalf("merge: %v, %v", ok, err)
	}
	got, err := f.client("acme").ProviderRow(t.Context(), key(1))
	if diff := cmp.Diff(met, got, unversioned); err != nil || !got.Known() || diff != "" {
		t.Errorf("read back: %v (-want +got):\n%s", err, diff)
	}
	f.pass(earlyWait + table.ExpiryGrace)
	if _, err := c.ProviderRow(t.Context(), key(1)); err != nil {
		t.Errorf("after an hour, known: %v", err)
	}
	// A receipt that nobody claims is gone after an hour.
	if _, ok, err := c.PutProvider(t.Context(), ProviderRow{Key: key(2), Early: model.Read}); err != nil || !ok {
		t.Fatalf("put: %v, %v", ok, err)
	}
	waiting, err := c.ProviderRow(t.Context(), key(2))
	if err != nil {
		t.Fatal(err)
	}
	f.pass(earlyWait)
	if _, err := c.ProviderRow(t.Context(), key(2)); !model.Is(err, model.NotFound) {
		t.Errorf("after an hour, waiting: %v, want not_found", err)
	}
	f.pass(table.ExpiryGrace)
	now, ok, err := c.PutProvider(t.Context(), waiting)
	if err != nil || ok || now.Early != "" {
		t.Errorf("put over a row that is gone: %+v, %v, %v; want nothing found", now, ok, err)
	}
	if _, ok, err := c.PutProvider(t.Context(), now); err != nil || !ok {
		t.Errorf("and once more: %v, %v", ok, err)
	}
}

func TestIntents(t *testing.T) {
	f := newFixture(t)
	c := f.client("acme")
	want := Intent{
		Key: key(1), Body: key(2), Conversation: "cnv_1", UUID: key(3), LaneTail: 4, Created: f.Now(), Expires: f.Now().Add(time.Hour),
	}
	if _, err := c.Intent(t.Context(), key(1)); !model.Is(err, model.NotFound) {
		t.Errorf("unknown: %v, want not_found", err)
	}
	if got, made, err := c.PutIntent(t.Context(), want); err != nil || !made || got != want {
		t.Fatalf("put: %+v, %v, %v", got, made, err)
	}
	other := want
	other.Body, other.UUID = key(7), key(8)
	got, made, err := f.client("acme").PutIntent(t.Context(), other)
	if diff := cmp.Diff(want, got); err != nil || made || diff != "" {
		t.Errorf("a second: %v, %v (-want +got):\n%s", made, err, diff)
	}
	if !got.SameBody(key(2)) || got.SameBody(key(7)) {
		t.Error("bodies are told apart wrongly")
	}
	if got, err := c.Intent(t.Context(), key(1)); err != nil || got != want {
		t.Errorf("read: %+v, %v", got, err)
	}
	f.pass(time.Hour)
	if _, err := c.Intent(t.Context(), key(1)); !model.Is(err, model.NotFound) {
		t.Errorf("past its end: %v, want not_found", err)
	}
}

func TestDeadLetters(t *testing.T) {
	f := newFixture(t)
	c := f.client("acme")
	var want []DeadLetter
	for n := range 5 {
		d := DeadLetter{
			Conversation: "cnv_1", UUID: key(n + 1), Account: "acct", Reason: "retries_exhausted",
			Attempts: n, At: f.Now(), Expires: f.Now().Add(time.Duration(n+1) * time.Hour),
		}
		want = append(want, d)
		for range 2 {
			if err := c.PutDeadLetter(t.Context(), d); err != nil {
				t.Fatal(err)
			}
			d.Reason = "another" // a repeat changes nothing
		}
	}
	got, err := c.DeadLetters(t.Context(), model.Random16{}, 10)
	if diff := cmp.Diff(want, got, unversioned); err != nil || diff != "" {
		t.Errorf("letters: %v (-want +got):\n%s", err, diff)
	}
	got, err = c.DeadLetters(t.Context(), key(2), 2)
	if diff := cmp.Diff(want[2:4], got, unversioned); err != nil || diff != "" {
		t.Errorf("a page: %v (-want +got):\n%s", err, diff)
	}
	f.pass(3 * time.Hour)
	if got, err = c.DeadLetters(t.Context(), model.Random16{}, 10); err != nil || len(got) != 2 {
		t.Errorf("after three hours: %d letters, %v; want 2", len(got), err)
	}
	if got, err = f.client("beta").DeadLetters(t.Context(), model.Random16{}, 10); err != nil || len(got) != 0 {
		t.Errorf("another client has %d letters, %v", len(got), err)
	}
}
