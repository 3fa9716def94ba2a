package logsink_test

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/storage/logsink"
	"github.com/channelhub/channelhub/hub/storage/logsink/driver"
)

// flakySink keeps lines, and is away as often as it is told to.
type flakySink struct {
	mu      sync.Mutex
	away    int
	refuse  error
	lines   []string
	flushes int
}

func (f *flakySink) Write(_ context.Context, records []driver.Record) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.away > 0 {
		f.away--
		return model.Errorf(model.Unavailable, "write", "away")
	}
	if f.refuse != nil {
		return f.refuse
	}
	for _, r := range records {
		f.lines = append(f.lines, string(r.Line))
	}
	return nil
}

func (f *flakySink) Flush(context.Context) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.flushes++
	return nil
}

func (f *flakySink) Close(context.Context) error { return nil }

func linesOf(texts ...string) []logsink.Record {
	var out []logsink.Record
	for _, text := range texts {
		out = append(out, logsink.Record{Time: time.Unix(0, 0), Line: []byte(text)})
	}
	return out
}

func TestDeliverReturnsOnceTheDriverHasIt(t *testing.T) {
	f := &flakySink{away: 1}
	s := logsink.New(f, nil)
	s.WriteLine(time.Unix(0, 0), []byte("{1}"))
	if err := s.Deliver(t.Context(), linesOf("{2}", "{3}")); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"{1}", "{2}", "{3}"}, f.lines); diff != "" || f.flushes == 0 {
		t.Errorf("flushed %d times; lines (-want +got):\n%s", f.flushes, diff)
	}
	if err := s.Deliver(t.Context(), nil); err != nil {
		t.Error(err)
	}
	if err := s.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if err := s.Deliver(t.Context(), linesOf("{4}")); !model.Is(err, model.Unavailable) {
		t.Errorf("error %v, want unavailable: it is closed", err)
	}
}

// What is not delivered is the caller's: no line says that it was dropped.
func TestWhatIsNotDeliveredIsAnErrorAndNoLoss(t *testing.T) {
	f := &flakySink{refuse: model.Errorf(model.Denied, "write", "no")}
	dropped := 0
	s := logsink.New(f, &logsink.Options{OnDrop: func(n int) { dropped += n }})
	if err := s.Deliver(t.Context(), linesOf("{1}")); !model.Is(err, model.Denied) {
		t.Errorf("error %v, want the driver's", err)
	}
	f.mu.Lock()
	f.refuse = nil
	f.mu.Unlock()
	if err := s.Deliver(t.Context(), linesOf("{1}")); err != nil {
		t.Error(err)
	}
	if err := s.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff([]string{"{1}"}, f.lines); diff != "" || dropped > 0 {
		t.Errorf("dropped %d; lines (-want +got):\n%s", dropped, diff)
	}
}

func TestDeliverTakesOneBatch(t *testing.T) {
	s := logsink.New(&flakySink{}, nil)
	for name, records := range map[string][]logsink.Record{
		"too many":  linesOf(strings.Split(strings.Repeat("{},", driver.MaxBatchRecords)+"{}", ",")...),
		"too long":  linesOf(strings.Repeat("x", driver.MaxLineBytes+1)),
		"too large": linesOf(strings.Split(strings.Repeat(strings.Repeat("x", driver.MaxLineBytes)+",", 4)+"x", ",")...),
		"two lines": linesOf("{}\n{}"),
	} {
		if err := s.Deliver(t.Context(), records); !model.Is(err, model.Invalid) {
			t.Errorf("%s: error %v, want invalid", name, err)
		}
	}
	if err := s.Close(t.Context()); err != nil {
		t.Error(err)
	}
}
