package logsink_test

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/go-hclog"

	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/storage/logsink"
	"github.com/channelhub/channelhub/hub/storage/logsink/driver"
	"github.com/channelhub/channelhub/hub/telemetry"
)

// fake is a driver that takes, blocks or fails as told.
type fake struct {
	mu    sync.Mutex
	lines []string
	errs  []error         // of the next writes
	gate  <-chan struct{} // when set, a write waits for it
	calls int
}

func (f *fake) Write(ctx context.Context, records []driver.Record) error {
	if f.gate != nil {
		select {
		case <-f.gate:
		case <-ctx.Done():
			return model.Wrap(model.Unavailable, "write", ctx.Err())
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls++
	if len(f.errs) > 0 {
		err := f.errs[0]
		f.errs = f.errs[1:]
		if err != nil {
			return err
		}
	}
	size := 0
	for _, r := range records {
		size += len(r.Line)
		f.lines = append(f.lines, string(r.Line))
	}
	if len(records) == 0 || len(records) > driver.MaxBatchRecords || size > driver.MaxBatchBytes {
		panic(fmt.Sprintf("a batch of %d records, %d bytes", len(records), size))
	}
	return nil
}

func (f *fake) Flush(context.Context) error { return nil }
func (f *fake) Close(context.Context) error { return nil }

// slow is away until the gate opens.
type slow struct {
	*fake
	gate <-chan struct{}
}

func (f *slow) Write(ctx context.Context, records []driver.Record) error {
	select {
	case <-f.gate:
		return f.fake.Write(ctx, records)
	default:
		return model.Errorf(model.Unavailable, "write", "away")
	}
}

var dropReport = regexp.MustCompile(`"@message":"log records dropped","count":(\d+)`)

// got returns the lines written, reports of loss as "dropped n".
func (f *fake) got() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	var lines []string
	for _, l := range f.lines {
		if m := dropReport.FindStringSubmatch(l); m != nil {
			l = "dropped " + m[1]
		}
		lines = append(lines, l)
	}
	return lines
}

func want(t *testing.T, f *fake, lines ...string) {
	t.Helper()
	if diff := cmp.Diff(lines, f.got()); diff != "" {
		t.Errorf("lines (-want +got):\n%s", diff)
	}
}

func put(s *logsink.Sink, lines ...string) {
	for _, l := range lines {
		s.Write(context.Background(), logsink.Record{Time: time.Now(), Line: []byte(l)})
	}
}

func flush(t *testing.T, s *logsink.Sink) {
	t.Helper()
	if err := s.Flush(t.Context()); err != nil {
		t.Errorf("flush: %v", err)
	}
}

func closeSink(t *testing.T, s *logsink.Sink) {
	t.Helper()
	if err := s.Close(t.Context()); err != nil {
		t.Errorf("close: %v", err)
	}
}

func TestInOrder(t *testing.T) {
	f := &fake{}
	s := logsink.New(f, nil)
	var lines []string
	for i := range 3 * driver.MaxBatchRecords {
		lines = append(lines, fmt.Sprint(i))
	}
	put(s, lines...)
	flush(t, s)
	want(t, f, lines...)
	put(s, "after")
	closeSink(t, s)
	want(t, f, append(lines, "after")...)
}

func TestLargeLinesAreSplitOverBatches(t *testing.T) {
	f := &fake{}
	s := logsink.New(f, nil)
	for range 20 {
		put(s, strings.Repeat("x", driver.MaxLineBytes))
	}
	closeSink(t, s)
	if got := len(f.got()); got != 20 {
		t.Errorf("%d lines of 20", got)
	}
}

func TestFullQueueWaitsThenDrops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gate := make(chan struct{})
		f := &fake{gate: gate}
		dropped := 0
		s := logsink.New(f, &logsink.Options{Queue: 2, OnDrop: func(n int) { dropped += n }})
		put(s, "in the driver")
		synctest.Wait()
		put(s, "queued 1", "queued 2")

		start := time.Now()
		put(s, "lost")
		if took := time.Since(start); took != 50*time.Millisecond {
			t.Errorf("waited %s, want 50ms", took)
		}
		start = time.Now()
		put(s, "lost", "lost")
		if took := time.Since(start); took != 0 {
			t.Errorf("waited %s for a driver known to stand still", took)
		}
		close(gate)
		synctest.Wait()
		put(s, "fits again")
		closeSink(t, s)
		want(t, f, "in the driver", "queued 1", "queued 2", "dropped 3", "fits again")
		if dropped != 3 {
			t.Errorf("counted %d, want 3", dropped)
		}
	})
}

func TestRoomEndsTheWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gate := make(chan struct{})
		f := &fake{gate: gate}
		s := logsink.New(f, &logsink.Options{Queue: 1, Wait: time.Minute})
		put(s, "1")
		synctest.Wait()
		put(s, "2")
		time.AfterFunc(10*time.Millisecond, func() { close(gate) })
		start := time.Now()
		put(s, "3")
		if took := time.Since(start); took != 10*time.Millisecond {
			t.Errorf("waited %s, want until there was room at 10ms", took)
		}
		closeSink(t, s)
		want(t, f, "1", "2", "3")
	})
}

func TestCallerInAHurry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gate := make(chan struct{})
		f := &fake{gate: gate}
		s := logsink.New(f, &logsink.Options{Queue: 1, Wait: time.Minute})
		put(s, "1")
		synctest.Wait()
		put(s, "2")
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		s.Write(ended, logsink.Record{Line: []byte("lost")})
		time.AfterFunc(time.Second, func() { close(gate) })
		put(s, "3") // still waits: nobody has waited in vain
		closeSink(t, s)
		want(t, f, "1", "2", "dropped 1", "3")
	})
}

func TestDriverAway(t *testing.T) {
	away := model.Errorf(model.Unavailable, "write", "away")
	t.Run("for a moment", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			f := &fake{errs: []error{away, away}}
			s := logsink.New(f, nil)
			put(s, "1")
			closeSink(t, s)
			want(t, f, "1")
		})
	})
	t.Run("for longer than most wait", func(t *testing.T) {
		for patience, want := range map[time.Duration][]string{0: {"dropped 1", "2"}, 2 * time.Minute: {"1", "2"}} {
			synctest.Test(t, func(t *testing.T) {
				gate := make(chan struct{})
				told := 0
				f := &slow{fake: &fake{}, gate: gate}
				s := logsink.New(f, &logsink.Options{Patience: patience, OnError: func(error) { told++ }})
				put(s, "1")
				time.Sleep(time.Minute) // in the bubble
				close(gate)
				put(s, "2")
				closeSink(t, s)
				if diff := cmp.Diff(want, f.got()); diff != "" {
					t.Errorf("patience %s: lines (-want +got):\n%s", patience, diff)
				}
				if told < 2 {
					t.Errorf("patience %s: told of %d failures", patience, told)
				}
			})
		}
	})
	t.Run("for good, then back", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			denied := model.Errorf(model.Denied, "write", "no")
			f := &fake{errs: []error{denied, denied, denied}}
			dropped := 0
			s := logsink.New(f, &logsink.Options{OnDrop: func(n int) { dropped += n }})
			for _, l := range []string{"1", "2", "3"} {
				put(s, l)
				synctest.Wait()
			}
			if f.calls != 3 {
				t.Errorf("%d calls, want one for each line", f.calls)
			}
			put(s, "4")
			flush(t, s)
			want(t, f, "dropped 3", "4")
			if dropped != 3 {
				t.Errorf("counted %d, want 3", dropped)
			}
			closeSink(t, s)
		})
	})
	t.Run("at the end", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			f := &fake{errs: []error{model.Errorf(model.Internal, "write", "no")}}
			s := logsink.New(f, nil)
			put(s, "1")
			synctest.Wait()
			closeSink(t, s)
			want(t, f, "dropped 1")
		})
	})
}

func TestFlushTellsOfLoss(t *testing.T) {
	f := &fake{errs: []error{model.Errorf(model.Denied, "write", "no")}}
	s := logsink.New(f, nil)
	put(s, "1")
	if err := s.Flush(t.Context()); err == nil {
		t.Error("flush said that a lost record was written")
	}
	closeSink(t, s)
}

func TestCloseGivesUpInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{gate: make(chan struct{})}
		s := logsink.New(f, nil)
		put(s, "1")
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start := time.Now()
		if err := s.Close(ctx); !model.Is(err, model.Unavailable) || time.Since(start) != time.Second {
			t.Errorf("got %v after %s, want unavailable after 1s", err, time.Since(start))
		}
	})
}

func TestAfterClose(t *testing.T) {
	f := &fake{}
	dropped := 0
	s := logsink.New(f, &logsink.Options{OnDrop: func(n int) { dropped += n }})
	closeSink(t, s)
	put(s, "late")
	if err := s.Flush(t.Context()); err == nil {
		t.Error("flush of a closed sink succeeded")
	}
	if dropped != 1 || len(f.got()) != 0 {
		t.Errorf("counted %d, wrote %q; want 1 and nothing", dropped, f.got())
	}
}

func TestUnfitLines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gate := make(chan struct{})
		f := &fake{gate: gate}
		s := logsink.New(f, nil)
		put(s, "1")
		synctest.Wait()
		put(s, "two\nlines", strings.Repeat("x", driver.MaxLineBytes+1), "2")
		close(gate)
		closeSink(t, s)
		want(t, f, "1", "dropped 2", "2")
	})
}

func TestConcurrentWriters(t *testing.T) {
	f := &fake{}
	s := logsink.New(f, &logsink.Options{Queue: 16, Wait: time.Hour})
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Go(func() {
			for i := range 200 {
				put(s, fmt.Sprintf("%d %d", w, i))
			}
		})
	}
	wg.Wait()
	closeSink(t, s)
	next := map[int]int{}
	for _, line := range f.got() {
		var w, i int
		if _, err := fmt.Sscanf(line, "%d %d", &w, &i); err != nil {
			t.Fatalf("line %q: %v", line, err)
		}
		if i != next[w] {
			t.Fatalf("writer %d: line %d where %d belongs", w, i, next[w])
		}
		next[w]++
	}
	for w := range 8 {
		if next[w] != 200 {
			t.Errorf("writer %d: %d lines of 200", w, next[w])
		}
	}
}

// TestUnderTheLogger is the whole path: hclog, redaction, queue, driver.
func TestUnderTheLogger(t *testing.T) {
	f := &fake{}
	s := logsink.New(f, nil)
	log := telemetry.NewLogger(s, &telemetry.LoggerOptions{Level: hclog.Info})
	log.Named("inbound").Info("event refused", telemetry.FieldContact, telemetry.Contact("15551234567"))
	closeSink(t, s)
	got := f.got()
	if len(got) != 1 || !strings.Contains(got[0], `"contact":"[contact]"`) || strings.Contains(got[0], "1555") {
		t.Errorf("got %q", got)
	}
}
