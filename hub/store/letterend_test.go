package store

import (
	"testing"
	"time"
)

// TestRemovedLetterHasNoEnd: who removes a letter takes the note of its end
// along, however far ahead that is.
func TestRemovedLetterHasNoEnd(t *testing.T) {
	f := newFixture(t)
	c := f.client("acme")
	ends := f.Now().Add(90*24*time.Hour + 500*time.Millisecond)
	d := DeadLetter{Conversation: "cnv_1", UUID: key(1), Expires: ends}
	if err := c.PutDeadLetter(t.Context(), d); err != nil {
		t.Fatal(err)
	}
	notes := func() (n int) {
		t.Helper()
		n, _, err := c.DueBetween(t.Context(), ends.Add(-time.Hour), ends.Add(time.Hour), DueLetter, 10)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	if n := notes(); n != 1 {
		t.Fatalf("the letter has %d notes of its end", n)
	}
	got, err := c.DeadLetter(t.Context(), d.UUID)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.RemoveLetter(t.Context(), got); err != nil {
		t.Fatal(err)
	}
	if n := notes(); n != 0 {
		t.Errorf("without the letter there are %d notes of its end", n)
	}
}
