package journal

import (
	"slices"
	"testing"

	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/store"
)

// TestReplayLetter hands what a connector had failed on over once more: while
// it still fails the letter stays, and once it was taken its content is gone.
func TestReplayLetter(t *testing.T) {
	w := newWorld(t)
	w.connector.set(true)
	w.keep(said{"1", "ada", "refuse"}, said{"2", "ada", "hard"})
	w.connector.set(false)
	w.connector.failsOn["hard"] = -1
	for range 2 * maxAttempts {
		_, _, _ = w.Replay(t.Context(), acme.Plugin) // fails as often as it is told to
		w.pass(sweepEvery * 100)
	}
	w.connector.failsOn["hard"] = 0
	client, err := w.store.Client(t.Context(), "acme")
	if err != nil {
		t.Fatal(err)
	}
	all, err := client.DeadLetters(t.Context(), model.Random16{}, 10)
	if err != nil || len(all) != 2 {
		t.Fatalf("letters %+v, %v", all, err)
	}
	for _, d := range all {
		if d.Reason == reasonRefused {
			if err := w.ReplayLetter(t.Context(), client, d); !model.Is(err, model.Conflicting) {
				t.Errorf("refused again: %v", err)
			}
			if now, err := client.DeadLetter(t.Context(), d.UUID); err != nil || now.State != store.LetterWaiting || now.Parts != d.Parts {
				t.Errorf("its letter: %+v, %v", now, err)
			}
			continue
		}
		w.connector.set(true)
		if err := w.ReplayLetter(t.Context(), client, d); !model.Is(err, model.Unavailable) {
			t.Errorf("while the connector is away: %v", err)
		}
		w.connector.set(false)
		if err := w.ReplayLetter(t.Context(), client, d); err != nil {
			t.Fatal(err)
		}
		if now, err := client.DeadLetter(t.Context(), d.UUID); err != nil || now.State != store.LetterReplayed || now.Parts != 0 {
			t.Errorf("its letter: %+v, %v", now, err)
		}
		if _, err := client.LetterContent(t.Context(), d); !model.Is(err, model.NotFound) {
			t.Errorf("its content: %v", err)
		}
		// A crash before the letter was marked hands it over again.
		if err := w.ReplayLetter(t.Context(), client, d); err == nil {
			t.Error("content that is gone was replayed")
		}
	}
	if got := w.feed(); !slices.Equal(got, []string{"hard"}) {
		t.Errorf("the feed has %q", got)
	}
}
