package erasure_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/channelhub/channelhub/hub/flow/inbound"
	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/store"
	"github.com/channelhub/channelhub/internal/failpoint"
	"github.com/channelhub/channelhub/internal/killtest"
)

// people is beside the data directory: whom the child has met.
const people = "people.json"

// TestErasureCrash kills an erasure at each of its places, also at one that is
// added later. Whoever writes before the next process has gone on is somebody
// new, once their address is gone; then that process completes it, and nothing
// is left either way.
func TestErasureCrash(t *testing.T) {
	if child, ok := killtest.Child(); ok {
		crash(t, child)
		return
	}
	// Until then nothing has happened to the addresses.
	early := []string{"erasure.after_order", "erasure.after_mark"}
	tried := 0
	for _, site := range failpoint.Names() {
		if !strings.HasPrefix(site, "erasure.") {
			continue
		}
		tried++
		t.Run(site, func(t *testing.T) {
			dir := t.TempDir()
			killtest.Kill(t, dir, site)
			ada, bob, his := met(t, dir)
			w := openWorld(t, filepath.Join(dir, "data"))
			w.clock = w.clock.Add(time.Second)
			var wrote []inbound.Result
			for _, from := range []model.Address{ada.phone(), ada.later()} {
				r := w.writes(shop, "while it was down/"+string(from.Kind), "good day", from)
				switch {
				case slices.Contains(early, site):
				case r.Err != nil && inbound.Worth([]error{r.Err}) == nil:
					t.Errorf("%s was refused for good: %v", from.Kind, r.Err)
				case r.Err == nil && r.Conversation == ada.Shop:
					t.Errorf("%s was taken for who they were", from.Kind)
				case r.Err == nil:
					wrote = append(wrote, r)
				}
			}
			if _, err := w.client.Resolve(t.Context(), desk, []model.Address{ada.phone(), {Kind: model.BSUID, Value: "learnt just now"}}, ""); err != nil && !store.IsErased(err) {
				t.Errorf("a further address: %v", err)
			}
			w.finish()

			got := w.receipt()
			if got.By != "boss" || got.Contact != ada.Contact || got.Unreadable.IsZero() || got.Done.Before(got.Unreadable.Add(grace)) {
				t.Errorf("receipt: %+v", got)
			}
			w.audited(ada, got, "begun", "done")
			if diff := cmp.Diff(his, w.has(bob)); diff != "" {
				t.Errorf("who stands beside has changed: %s", diff)
			}
			for _, r := range wrote {
				if !slices.Contains(w.reads(r), "good day") {
					t.Errorf("what was taken while it was down is lost: %+v", r)
				}
			}
			for _, from := range []model.Address{ada.phone(), ada.later(), {Kind: model.BSUID, Value: "learnt just now"}} {
				if w.led(from) == ada.Contact {
					t.Errorf("%s leads to who they were", from.Kind)
				}
			}
			if hits := w.hits(ada); len(hits) > 0 {
				t.Errorf("on disk: %v", hits)
			}
			// Those who came back have the same addresses: their rows stay.
			ada.Keys = ada.Keys[2:]
			var but []string
			if site == "erasure.after_file" {
				// The note that a file is due stays until then: without the file
				// nobody can tell whose it was.
				but = append(but, "c/acme/due/")
			}
			w.gone(ada, but...)
		})
	}
	if tried < 10 {
		t.Fatalf("erasure has lost its failpoints: %d are left", tried)
	}
}

// crash is the process that is killed.
func crash(t *testing.T, child killtest.Process) {
	t.Helper()
	data := filepath.Join(child.Dir, "data")
	if err := os.Mkdir(data, 0o700); err != nil {
		t.Fatal(err)
	}
	w := openWorld(t, data)
	ada, bob := w.meet("ada"), w.meet("bob")
	told, err := json.Marshal(known{ada, bob, w.has(bob)})
	w.must(err)
	w.must(os.WriteFile(filepath.Join(child.Dir, people), told, 0o600))
	child.Arm(t)
	w.order(ada.Contact)
	w.finish()
	t.Fatal("the erasure came through")
}

// known is what the killed process knew, and what it found of Bob.
type known struct {
	Ada, Bob person
	His      []string
}

func met(t *testing.T, dir string) (ada, bob person, his []string) {
	t.Helper()
	told, err := os.ReadFile(filepath.Join(dir, people))
	if err != nil {
		t.Fatal(err)
	}
	var k known
	if err := json.Unmarshal(told, &k); err != nil {
		t.Fatal(err)
	}
	return k.Ada, k.Bob, k.His
}
