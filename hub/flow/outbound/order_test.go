package outbound_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/channelhub/channelhub/hub/accounts"
	"github.com/channelhub/channelhub/hub/flow/outbound"
	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/storage/table/driver"
	"github.com/channelhub/channelhub/hub/store"
)

// TestOrder holds one conversation's head up and sees another go on.
func TestOrder(t *testing.T) {
	w := newWorld(t)
	head := newGate(retry)
	w.provider.script("ada 0", head.answer, retry)
	out := w.pool(nil)
	var last store.Outbound
	var want []string
	for i := range 5 {
		last = w.submit(out, "ada", fmt.Sprintf("ada %d", i))
		want = append(want, fmt.Sprintf("ada %d", i))
	}
	head.wait(t)
	w.await(w.submit(out, "bob", "bob 0"), model.Sent)
	if got := w.provider.texts(); !slices.Equal(got, []string{"ada 0", "bob 0"}) {
		t.Errorf("I4: with the head under way, attempts were %v", got)
	}
	close(head.leave)
	w.await(last, model.Sent)
	var got []string
	for _, text := range w.provider.texts() {
		if text[:3] == "ada" && (len(got) == 0 || got[len(got)-1] != text) {
			got = append(got, text)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("I4: order of attempts (-want +got):\n%s", diff)
	}
}

// TestOrderUnderLoad submits to several conversations at once.
func TestOrderUnderLoad(t *testing.T) {
	w := newWorld(t)
	out := w.pool(nil)
	const lanes, each = 8, 12
	var wg sync.WaitGroup
	last := make([]store.Outbound, lanes)
	for lane := range lanes {
		wg.Go(func() {
			for i := range each {
				last[lane] = w.submit(out, fmt.Sprintf("to-%d", lane), fmt.Sprintf("%d/%d", lane, i))
			}
		})
	}
	wg.Wait()
	seen := map[int][]int{}
	for _, m := range last {
		w.await(m, model.Sent)
	}
	for _, text := range w.provider.texts() {
		var lane, i int
		if _, err := fmt.Sscanf(text, "%d/%d", &lane, &i); err != nil {
			t.Fatal(err)
		}
		seen[lane] = append(seen[lane], i)
	}
	for lane, order := range seen {
		if len(order) != each || !slices.IsSorted(order) {
			t.Errorf("I4: conversation %d was sent in the order %v", lane, order)
		}
	}
	if w.provider.together != 1 {
		t.Errorf("a lane had %d attempts under way at once", w.provider.together)
	}
	w.idle()
}

// TestCloseAndResume leaves work in a lane and lets the next process do it.
func TestCloseAndResume(t *testing.T) {
	w := newWorld(t)
	w.accounts.Move(account, accounts.Paused, "", time.Now())
	first := w.pool(nil)
	var all []store.Outbound
	for i := range 3 {
		all = append(all, w.submit(first, "ada", fmt.Sprintf("text %d", i)))
	}
	w.close(first)
	if _, err := first.Submit(t.Context(), acme, request("ada", "more"), keyed("", "")); !model.Is(err, model.Unavailable) {
		t.Errorf("submit to a closed pool: %v, want unavailable", err)
	}
	w.accounts.Move(account, accounts.Closed, "", time.Now())
	w.accounts.Move(account, accounts.Open, "", time.Now())
	w.pool(nil)
	for _, m := range all {
		w.await(m, model.Sent)
	}
	if diff := cmp.Diff([]string{"text 0", "text 1", "text 2"}, w.provider.texts()); diff != "" {
		t.Errorf("attempts (-want +got):\n%s", diff)
	}
	w.idle()
}

// TestCloseWritesTheOutcome closes during an attempt: it ends, and is not made
// again by the next process.
func TestCloseWritesTheOutcome(t *testing.T) {
	w := newWorld(t)
	g := newGate(sent)
	w.provider.script("hello", g.answer)
	first := w.pool(nil)
	m := w.submit(first, "ada", "hello")
	g.wait(t)
	closed := make(chan struct{})
	go func() { w.close(first); close(closed) }()
	close(g.leave)
	<-closed
	if got := w.read(m).Status; got != model.Sent {
		t.Errorf("behind Close the message is %s, want sent", got)
	}
	w.pool(nil)
	w.idle()
	if n := w.provider.count("hello"); n != 1 {
		t.Errorf("it was sent %d times", n)
	}
}

// TestCloseDoesNotWaitForATurn: a lane that waits for its account's pace ends
// with the hub.
func TestCloseDoesNotWaitForATurn(t *testing.T) {
	w := newWorld(t)
	w.configure(accounts.Account{Pace: model.Pace{PerSecond: 0.001}})
	out := w.pool(nil)
	w.await(w.submit(out, "ada", "first"), model.Sent)
	m := w.submit(out, "bob", "second")
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := out.Close(ctx); err != nil || ctx.Err() != nil {
		t.Errorf("close: %v, %v", err, ctx.Err())
	}
	if got := w.read(m).Status; got != model.Queued {
		t.Errorf("the message is %s, want queued", got)
	}
}

// TestActiveNote follows the note that a lane has work.
func TestActiveNote(t *testing.T) {
	w := newWorld(t)
	g := newGate(sent)
	w.provider.script("hello", g.answer)
	out := w.pool(nil)
	m := w.submit(out, "ada", "hello")
	g.wait(t)
	if lanes := w.active(); len(lanes) != 1 || lanes[0].Conversation != m.Conversation || lanes[0].Client != acme {
		t.Errorf("active lanes %+v while an attempt is under way", lanes)
	}
	close(g.leave)
	w.await(m, model.Sent)
	w.idle()
}

// TestActiveNoteRace makes lanes retire while submissions come: whenever a
// message is accepted and not sent, its lane is noted.
func TestActiveNoteRace(t *testing.T) {
	w := newWorld(t)
	out := w.pool(func(o *outbound.Options) { o.Linger = time.Nanosecond })
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			for i := range 40 {
				m := w.submit(out, "ada", fmt.Sprintf("%d/%d", g, i))
				now := w.read(m)
				noted := slices.ContainsFunc(w.active(), func(a store.ActiveLane) bool { return a.Conversation == m.Conversation })
				if !noted && now.Status == model.Queued && w.read(m).Status == model.Queued {
					t.Errorf("message %d/%d waits in a lane that nobody would resume", g, i)
				}
			}
		})
	}
	wg.Wait()
	w.idle()
	if n := len(w.provider.texts()); n != 160 {
		t.Errorf("%d attempts, want one for each of 160 messages", n)
	}
}

// TestActiveNoteStaysForASubmission stops a submission between the note and the
// lane entry while the lane would retire.
func TestActiveNoteStaysForASubmission(t *testing.T) {
	w := newWorld(t)
	const linger = 100 * time.Millisecond
	out := w.pool(func(o *outbound.Options) { o.Linger = linger })
	w.await(w.submit(out, "ada", "first"), model.Sent)
	g, busy := newGate(nil), newGate(sent)
	w.provider.script("second", busy.answer)
	w.disk.hold(g, func(op driver.Op) bool { return strings.HasPrefix(op.SK, "m/") })
	accepted := make(chan store.Outbound, 1)
	go func() { accepted <- w.submit(out, "ada", "second") }()
	g.wait(t)
	time.Sleep(4 * linger) // gives the lane time to retire; nothing is measured
	close(g.leave)
	m := <-accepted
	busy.wait(t)
	if lanes := w.active(); len(lanes) != 1 || lanes[0].Conversation != m.Conversation {
		t.Errorf("active lanes %+v while an attempt is under way", lanes)
	}
	close(busy.leave)
	w.await(m, model.Sent)
	w.idle()
}

// TestStoreFailsBehindTheAttempt breaks the disk while an attempt is under way.
// Its outcome stays in hand: nothing is sent twice, whatever it was.
func TestStoreFailsBehindTheAttempt(t *testing.T) {
	w := newWorld(t)
	w.provider.set(func(p *provider) { p.descriptor.IdempotentSend = false })
	g := newGate(sent)
	w.provider.script("hello", g.answer)
	out := w.pool(nil)
	m := w.submit(out, "ada", "hello")
	g.wait(t)
	w.disk.heal()
	w.disk.fail(0, nil)
	close(g.leave)
	w.until("the outcome to be refused", func() error {
		w.disk.mu.Lock()
		defer w.disk.mu.Unlock()
		if w.disk.seen == 0 {
			return errors.New("nobody wrote")
		}
		return nil
	})
	w.disk.heal()
	w.await(m, model.Sent)
	w.told(m, model.Sent)
	if n := w.provider.count("hello"); n != 1 {
		t.Errorf("I5: what was sent already was sent %d times", n)
	}
	w.idle()
}

// TestStoreFailsBeforeTheAttempt breaks each write on the way to an attempt in
// turn; the lane rests and goes on.
func TestStoreFailsBeforeTheAttempt(t *testing.T) {
	w := newWorld(t)
	out := w.pool(nil)
	w.disk.fail(0, func(op driver.Op) bool { return op.SK == "\x02" }) // the claim
	m := w.submit(out, "ada", "hello")
	w.until("the claim to be refused", func() error {
		w.disk.mu.Lock()
		defer w.disk.mu.Unlock()
		if w.disk.seen == 0 {
			return errors.New("nobody claimed")
		}
		return nil
	})
	if n := len(w.provider.texts()); n != 0 {
		t.Errorf("%d attempts without a claim", n)
	}
	w.disk.heal()
	w.await(m, model.Sent)
}
