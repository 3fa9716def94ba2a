package media_test

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/channelhub/channelhub/hub/flow/media"
	"github.com/channelhub/channelhub/hub/hubtest/storetest"
	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/storage/keys"
	"github.com/channelhub/channelhub/hub/storage/keys/localkeys"
	"github.com/channelhub/channelhub/hub/storage/table"
	"github.com/channelhub/channelhub/hub/storage/table/pebbletable"
	"github.com/channelhub/channelhub/hub/store"
	"github.com/channelhub/channelhub/internal/killtest"
)

// newWorldIn is a world whose rows and bytes lie in a directory that outlives
// it.
func newWorldIn(t *testing.T, dir string) *world {
	t.Helper()
	w := &world{t: t, dir: filepath.Join(dir, "blob"), at: time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC), channel: &channel{}}
	d, err := pebbletable.Open(filepath.Join(dir, "table"), nil)
	if err != nil {
		t.Fatal(err)
	}
	ring, err := localkeys.Open(filepath.Join(dir, "keyring.json"), nil)
	if err != nil {
		t.Fatal(err)
	}
	w.rows = storetest.With(t, table.New(d, &table.Options{Now: w.now}), keys.New(ring), w.now)
	w.begin(nil, nil)
	return w
}

// sweep removes what is due, as the sweeper does.
func (w *world) sweep() {
	w.t.Helper()
	deleters := map[string]func(store.Due) error{
		media.DueKind:     func(d store.Due) error { return w.media.Remove(w.t.Context(), w.client, d) },
		media.UntakenKind: func(d store.Due) error { return w.media.RemoveUntaken(w.t.Context(), w.client, d) },
	}
	err := w.client.Due(w.t.Context(), w.at, func(d store.Due) error {
		if err := deleters[d.Kind](d); err != nil {
			return err
		}
		return w.client.DoneDue(w.t.Context(), d)
	})
	if err != nil {
		w.t.Fatal(err)
	}
}

// TestRemoveCrash kills the removal of a file at each of its places: the next
// one completes it, and nothing of the file is left.
func TestRemoveCrash(t *testing.T) {
	after := map[string]time.Duration{"media.after_untaken": media.TakeWithin, "media.after_discard": 24 * time.Hour}
	if child, ok := killtest.Child(); ok {
		w := newWorldIn(t, child.Dir)
		site := child.Site
		child.Arm(t)
		w.at = w.at.Add(after[site])
		w.sweep()
		t.Fatal("the removal came through")
	}
	for site, wait := range after {
		t.Run(site, func(t *testing.T) {
			dir := t.TempDir()
			var id model.AttachmentID
			t.Run("before", func(t *testing.T) {
				w := newWorldIn(t, dir)
				ada := store.NewVisitor()
				id = w.send("acme-site", ada, text).ID
				if site == "media.after_discard" {
					w.adopt(ada, id)
				}
			})
			killtest.Kill(t, dir, site)
			w := newWorldIn(t, dir)
			w.at = w.at.Add(wait)
			w.sweep()
			if _, err := w.client.Attachment(t.Context(), id); !model.Is(err, model.NotFound) || w.bytesOf() != 0 {
				t.Errorf("I9: the row: %v; %d files are left", err, w.bytesOf())
			}
		})
	}
}
