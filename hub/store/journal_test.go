package store

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/storage/table"
	"github.com/channelhub/channelhub/hub/storage/table/driver"
	"github.com/channelhub/channelhub/internal/canary"
)

var (
	echoRoute = JournalRoute{Plugin: "echo", Account: "acme-echo"}
	plenty    = JournalCount{Entries: 10_000, Bytes: 64 << 20}
)

func (f *fixture) journals(s *Store) *Journals {
	f.t.Helper()
	js, err := s.OpenJournals(f.t.Context())
	if err != nil {
		f.t.Fatal(err)
	}
	return js
}

func (f *fixture) journal(js *Journals) *Journal {
	f.t.Helper()
	j, err := js.Open(f.t.Context(), echoRoute)
	if err != nil {
		f.t.Fatal(err)
	}
	return j
}

func (f *fixture) entry(content []byte) NewJournalEntry {
	return NewJournalEntry{Kind: JournalRequest, Received: f.Now(), Expires: f.Now().Add(72 * time.Hour), Content: content}
}

func (f *fixture) keep(j *Journal, contents ...string) {
	f.t.Helper()
	for _, c := range contents {
		if err := j.Append(f.t.Context(), f.entry([]byte(c)), plenty); err != nil {
			f.t.Fatal(err)
		}
	}
}

// waits reads everything that waits, with its contents.
func (f *fixture) waits(j *Journal) (entries []JournalEntry, contents []string) {
	f.t.Helper()
	after := uint64(0)
	for {
		page, err := j.Read(f.t.Context(), after)
		if err != nil {
			f.t.Fatal(err)
		}
		if len(page) == 0 {
			return entries, contents
		}
		for _, e := range page {
			content, err := j.Content(f.t.Context(), e)
			if err != nil {
				f.t.Fatal(err)
			}
			contents, after = append(contents, string(content)), e.N
		}
		entries = append(entries, page...)
	}
}

// bytesOf is n bytes that no compression shortens.
func bytesOf(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b)
	return b
}

func TestJournalOutlivesTheProcess(t *testing.T) {
	f := newFixture(t)
	j := f.journal(f.journals(f.store()))
	f.keep(j, "one", "two", "three")
	entries, _ := f.waits(j)
	if err := j.Done(t.Context(), entries[0], JournalTally{Replayed: 1}); err != nil {
		t.Fatal(err)
	}
	if n, err := j.Tried(t.Context()); n != 1 || err != nil {
		t.Fatalf("the first attempt is counted as %d, %v", n, err)
	}

	js := f.journals(f.store())
	again, ok := js.Find(echoRoute)
	if !ok || len(js.All()) != 1 {
		t.Fatalf("found %d journals, want the one of the route", len(js.All()))
	}
	if got, want := again.Waiting(), (JournalCount{2, int64(len("two") + len("three"))}); got != want {
		t.Errorf("%+v wait, want %+v", got, want)
	}
	if got, want := again.Tally(), (JournalTally{Replayed: 1}); got != want {
		t.Errorf("the tally is %+v, want %+v", got, want)
	}
	entries, contents := f.waits(again)
	if diff := cmp.Diff([]string{"two", "three"}, contents); diff != "" {
		t.Errorf("what waits (-want +got):\n%s", diff)
	}
	if e := entries[0]; e.Kind != JournalRequest || !e.Received.Equal(f.Now()) || !e.Expires.Equal(f.Now().Add(72*time.Hour)) || e.Size != 3 {
		t.Errorf("the entry is %+v", e)
	}
	if n, err := again.Tried(t.Context()); n != 2 || err != nil {
		t.Errorf("the second attempt is counted as %d, %v", n, err)
	}
	if err := again.Done(t.Context(), entries[0], JournalTally{Refused: 1}); err != nil {
		t.Fatal(err)
	}
	if n, err := again.Tried(t.Context()); n != 1 || err != nil {
		t.Errorf("an attempt on the next entry is counted as %d, %v", n, err)
	}
	if _, ok := js.Find(JournalRoute{Plugin: "echo", Account: "other"}); ok {
		t.Error("another account has a journal that nobody wrote to")
	}
}

func TestJournalSplitsLargeEntries(t *testing.T) {
	f := newFixture(t)
	j := f.journal(f.journals(f.store()))
	var want []string
	for _, size := range []int{0, 1, journalPart, journalPart + 1, 3<<20 + 7, 3_700_000, 5} {
		content := bytesOf(size)
		want = append(want, string(content))
		f.keep(j, string(content))
	}
	entries, got := f.waits(f.journal(f.journals(f.store())))
	if !slices.Equal(got, want) {
		t.Errorf("the contents differ: %d entries, want %d", len(got), len(want))
	}
	for i, e := range entries {
		if int(e.Size) != len(want[i]) {
			t.Errorf("entry %d says it has %d bytes, want %d", i, e.Size, len(want[i]))
		}
	}
}

func TestJournalBoundIsExact(t *testing.T) {
	f := newFixture(t)
	j := f.journal(f.journals(f.store()))
	var taken, refused atomic.Int64
	var callers sync.WaitGroup
	for range 64 {
		callers.Go(func() {
			switch err := j.Append(t.Context(), f.entry([]byte("0123456789")), JournalCount{Entries: 50, Bytes: 1 << 20}); {
			case err == nil:
				taken.Add(1)
			case model.Is(err, model.Unavailable):
				refused.Add(1)
			default:
				t.Error(err)
			}
		})
	}
	callers.Wait()
	if taken.Load() != 50 || refused.Load() != 14 {
		t.Errorf("%d were taken and %d refused, want 50 and 14", taken.Load(), refused.Load())
	}
	if err := j.Append(t.Context(), f.entry(bytesOf(100)), JournalCount{Entries: 100, Bytes: 599}); !model.Is(err, model.Unavailable) {
		t.Errorf("one byte too many: got %v, want unavailable", err)
	}
	if err := j.Append(t.Context(), f.entry(bytesOf(100)), JournalCount{Entries: 100, Bytes: 600}); err != nil {
		t.Errorf("the last byte: %v", err)
	}
	entries, _ := f.waits(j)
	if err := j.Done(t.Context(), entries[len(entries)-1], JournalTally{Replayed: 51}); err != nil {
		t.Fatal(err)
	}
	if got := j.Waiting(); got != (JournalCount{}) {
		t.Errorf("%+v wait after all was taken off", got)
	}
}

func TestJournalOfSeveralHubs(t *testing.T) {
	f := newFixture(t)
	hubs := []*Journal{f.journal(f.journals(f.store())), f.journal(f.journals(f.store())), f.journal(f.journals(f.store()))}
	var callers sync.WaitGroup
	for h, j := range hubs {
		callers.Go(func() {
			for n := range 20 {
				if err := j.Append(t.Context(), f.entry(fmt.Appendf(nil, "%d %02d", h, n)), plenty); err != nil {
					t.Error(err)
				}
			}
		})
	}
	callers.Wait()
	j := f.journal(f.journals(f.store()))
	if got := j.Waiting().Entries; got != 60 {
		t.Errorf("%d wait, want 60", got)
	}
	_, contents := f.waits(j)
	by := map[string][]string{}
	for _, c := range contents {
		by[c[:1]] = append(by[c[:1]], c)
	}
	for hub, said := range by {
		if len(said) != 20 || !slices.IsSorted(said) {
			t.Errorf("hub %s's entries are %v", hub, said)
		}
	}
}

// TestJournalSkipsWhatWasNeverFinished loses an entry between the commits that
// it takes, and expects nobody to read half of it.
func TestJournalSkipsWhatWasNeverFinished(t *testing.T) {
	f := newFixture(t)
	j := f.journal(f.journals(f.store()))
	f.keep(j, "before")
	came := f.crashAt(2, false)
	if err := j.Append(t.Context(), f.entry(bytesOf(13*journalPart)), plenty); !errors.Is(err, errCrash) {
		t.Fatalf("got %v, want the crash", err)
	}
	if !came() {
		t.Fatal("the entry took one commit")
	}
	for name, j := range map[string]*Journal{"the same process": j, "the next one": f.journal(f.journals(f.store()))} {
		if err := j.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := j.Waiting().Entries; got != 1 {
			t.Errorf("%s: %d wait, want 1", name, got)
		}
		if _, contents := f.waits(j); !slices.Equal(contents, []string{"before"}) {
			t.Errorf("%s: %d entries wait, want the first alone", name, len(contents))
		}
	}
	f.keep(j, "behind")
	entries, contents := f.waits(j)
	if !slices.Equal(contents, []string{"before", "behind"}) {
		t.Errorf("%d entries wait, want the two that were taken in", len(contents))
	}
	if err := j.Done(t.Context(), entries[1], JournalTally{Replayed: 2}); err != nil {
		t.Fatal(err)
	}
	if got := j.Waiting(); got != (JournalCount{}) {
		t.Errorf("%+v wait, want nothing", got)
	}
}

// TestJournalFindsWhatItLost has a write land whose answer never comes.
func TestJournalFindsWhatItLost(t *testing.T) {
	f := newFixture(t)
	j := f.journal(f.journals(f.store()))
	f.keep(j, "first")
	entries, _ := f.waits(j)
	if err := j.Done(t.Context(), entries[0], JournalTally{Replayed: 1}); err != nil {
		t.Fatal(err)
	}
	f.gate.After(func([]driver.Op) error { return errCrash })
	if err := j.Append(t.Context(), f.entry([]byte("lost")), plenty); err == nil {
		t.Fatal("the caller was told that it is kept")
	}
	f.gate.After(nil)
	if j.Quiet() {
		t.Error("the journal is sure that nothing waits")
	}
	if err := j.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := j.Waiting().Entries; got != 1 {
		t.Errorf("%d wait after a look, want what was lost", got)
	}
	f.keep(j, "next")
	if _, contents := f.waits(j); !slices.Equal(contents, []string{"lost", "next"}) {
		t.Errorf("%v wait", contents)
	}
}

// TestJournalTrims crashes at every commit of taking off and trimming.
func TestJournalTrims(t *testing.T) {
	for crash := 1; ; crash++ {
		f := newFixture(t)
		j := f.journal(f.journals(f.store()))
		for n := range 150 {
			f.keep(j, fmt.Sprint(n))
		}
		entries, _ := f.waits(j)
		last := entries[len(entries)-1]
		came := f.crashAt(crash, true)
		err := errors.Join(j.Done(t.Context(), last, JournalTally{Replayed: 150}), j.Trim(t.Context()))
		if !came() {
			if err != nil {
				t.Fatal(err)
			}
			if crash < 5 {
				t.Errorf("only %d commits: the rows were not removed in steps", crash-1)
			}
			return
		}
		j = f.journal(f.journals(f.store()))
		if got := j.Waiting(); got != (JournalCount{}) {
			t.Fatalf("crash %d: %+v wait, want nothing", crash, got)
		}
		if err := j.Trim(t.Context()); err != nil {
			t.Fatal(err)
		}
		page, err := f.table.Hub().Query(t.Context(), table.Query{PK: j.pk, From: logRowTag, To: claimSK, Limit: 10})
		if err != nil {
			t.Fatal(err)
		}
		if len(page.Rows) != 1 || len(page.Rows[0].Value) > 200 {
			t.Fatalf("crash %d: %d rows are left, want the newest, and nothing in it", crash, len(page.Rows))
		}
		// The log goes on where it stood.
		f.keep(j, "more")
		if _, contents := f.waits(f.journal(f.journals(f.store()))); !slices.Equal(contents, []string{"more"}) {
			t.Fatalf("crash %d: %v wait", crash, contents)
		}
	}
}

func TestJournalKeyEndsWithItsDay(t *testing.T) {
	f := newFixture(t)
	s := f.store()
	js := f.journals(s)
	j := f.journal(js)
	keyOf := func(day string) bool {
		t.Helper()
		_, err := s.keyStore("").Load(t.Context(), string(journalDayKey(day)))
		if err != nil && !model.Is(err, model.NotFound) {
			t.Fatal(err)
		}
		return err == nil
	}
	end := func() {
		t.Helper()
		if err := js.EndDays(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	f.keep(j, "on Monday")
	f.pass(24 * time.Hour)
	f.keep(j, "on Tuesday")
	end()
	if !keyOf("2026-11-23") || !keyOf("2026-11-24") {
		t.Fatal("a key of something that waits is gone")
	}
	entries, _ := f.waits(j)
	if err := j.Done(t.Context(), entries[0], JournalTally{Replayed: 1}); err != nil {
		t.Fatal(err)
	}
	end()
	if keyOf("2026-11-23") || !keyOf("2026-11-24") {
		t.Error("want Monday's key destroyed and Tuesday's there")
	}
	if _, err := j.Content(t.Context(), entries[0]); !model.Is(err, model.NotFound) {
		t.Errorf("a copy of what was taken off opens: %v", err)
	}
	if err := j.Done(t.Context(), entries[1], JournalTally{Replayed: 1}); err != nil {
		t.Fatal(err)
	}
	end()
	if !keyOf("2026-11-24") {
		t.Error("today's key was destroyed")
	}
	f.pass(24 * time.Hour)
	end()
	if keyOf("2026-11-24") {
		t.Error("the key of a day of which nothing waits is there still")
	}
	f.keep(j, "on Wednesday")
	if _, contents := f.waits(j); !slices.Equal(contents, []string{"on Wednesday"}) {
		t.Errorf("%v wait", contents)
	}
}

// TestJournalDaysNeverGoBack sets the clock back past a day whose key may be
// destroyed as soon as its last entry is gone.
func TestJournalDaysNeverGoBack(t *testing.T) {
	f := newFixture(t)
	js := f.journals(f.store())
	j := f.journal(js)
	f.keep(j, "on Monday")
	f.pass(-24 * time.Hour)
	f.keep(j, "on Sunday, as the clock says")
	entries, _ := f.waits(j)
	if day := entries[1].rows[0].header.Day; day != "2026-11-23" {
		t.Errorf("sealed under %s, want the day of the entry before", day)
	}
}

// TestJournalExpiry reads right before and at an entry's end (I9).
func TestJournalExpiry(t *testing.T) {
	f := newFixture(t)
	j := f.journal(f.journals(f.store()))
	f.keep(j, "short-lived")
	entries, _ := f.waits(j)
	f.pass(72*time.Hour - time.Millisecond)
	if _, err := j.Content(t.Context(), entries[0]); err != nil {
		t.Errorf("right before its end: %v", err)
	}
	f.pass(time.Millisecond)
	if _, err := j.Content(t.Context(), entries[0]); !model.Is(err, model.NotFound) {
		t.Errorf("at its end: got %v, want not found", err)
	}
}

func TestJournalIsSealed(t *testing.T) {
	f := newFixture(t)
	j := f.journal(f.journals(f.store()))
	marker := canary.New("journal")
	f.keep(j, marker, strings.Repeat(marker+" ", 30_000))
	entries, _ := f.waits(j)
	moved := entries[0]
	moved.rows = slices.Clone(moved.rows)
	moved.rows[0].n++ // as if its row had been copied to another place
	if _, err := j.Content(t.Context(), moved); !model.Is(err, model.Corrupt) {
		t.Errorf("what was moved opens: %v", err)
	}
	hits, err := canary.ScanDir(f.dir, marker)
	if err != nil {
		t.Fatal(err)
	}
	for _, hit := range hits {
		t.Errorf("I6: %s", hit)
	}
}

func TestJournalAppendOutlivesItsCaller(t *testing.T) {
	f := newFixture(t)
	j := f.journal(f.journals(f.store()))
	f.keep(j, "first")
	ctx, cancel := context.WithCancel(t.Context())
	held := make(chan struct{})
	f.gate.Before(func([]driver.Op) error { <-held; return nil })
	answer := make(chan error)
	go func() { answer <- j.Append(ctx, f.entry([]byte("second")), plenty) }()
	for j.Waiting().Entries < 2 {
		time.Sleep(time.Millisecond) // a poll, not an assertion
	}
	cancel()
	if err := <-answer; !model.Is(err, model.Unavailable) {
		t.Errorf("got %v, want unavailable", err)
	}
	close(held)
	f.keep(j, "third")
	if _, contents := f.waits(j); !slices.Equal(contents, []string{"first", "second", "third"}) {
		t.Errorf("%v wait", contents)
	}
}
