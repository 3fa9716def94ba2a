package retention_test

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/channelhub/channelhub/hub/hubtest/storetest"
	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/retention"
	"github.com/channelhub/channelhub/hub/storage/keys"
	"github.com/channelhub/channelhub/hub/storage/keys/localkeys"
	"github.com/channelhub/channelhub/hub/storage/table"
	"github.com/channelhub/channelhub/hub/storage/table/pebbletable"
	"github.com/channelhub/channelhub/internal/failpoint"
	"github.com/channelhub/channelhub/internal/killtest"
)

// newWorldIn is a world whose rows lie in a directory that outlives it.
func newWorldIn(t *testing.T, dir string) *world {
	t.Helper()
	w := &world{t: t, clock: time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC), swept: map[retention.Class]int{}}
	d, err := pebbletable.Open(filepath.Join(dir, "table"), nil)
	if err != nil {
		t.Fatal(err)
	}
	ring, err := localkeys.Open(filepath.Join(dir, "keyring.json"), nil)
	if err != nil {
		t.Fatal(err)
	}
	w.rows = storetest.With(t, table.New(d, &table.Options{Now: w.now}), keys.New(ring), w.now)
	w.begin()
	return w
}

// TestSweepCrash kills a sweep at each of its places; the next pass completes
// it, and tells what ended unread once.
func TestSweepCrash(t *testing.T) {
	if child, ok := killtest.Child(); ok {
		w := newWorldIn(t, child.Dir)
		child.Arm(t)
		w.pass(7*day + time.Hour)
		w.sweep()
		t.Fatal("the sweep came through")
	}
	tried := 0
	for _, site := range failpoint.Names() {
		if !strings.HasPrefix(site, "retention.") {
			continue
		}
		tried++
		t.Run(site, func(t *testing.T) {
			dir := t.TempDir()
			var events []model.Random16
			t.Run("before", func(t *testing.T) {
				w := newWorldIn(t, dir)
				for n := range 4 {
					events = append(events, w.hear(name(n)))
				}
				w.say(1, model.Sent)
			})
			killtest.Kill(t, dir, site)
			w := newWorldIn(t, dir)
			w.pass(7*day + time.Hour) // the rows are still there
			w.sweep()
			for _, key := range events {
				if e := w.event(key); !e.Ended {
					t.Errorf("I9: an event is still there: %v", e.Key)
				}
			}
			if o, err := w.client.Outbound(t.Context(), w.dir.Conversation, model.Random16{1}); err != nil || !o.Ended {
				t.Errorf("the message is still there: %v", err)
			}
			if diff := cmp.Diff([]int{4}, w.summaries()); diff != "" {
				t.Error(diff)
			}
		})
	}
	if tried < 6 {
		t.Fatalf("the sweeper has lost its failpoints: %d are left", tried)
	}
}
