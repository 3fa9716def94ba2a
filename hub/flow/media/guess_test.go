package media_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/channelhub/channelhub/hub/hubtest/storetest"
	"github.com/channelhub/channelhub/hub/storage/table"
	"github.com/channelhub/channelhub/hub/storage/table/driver"
)

// counting is a driver that counts what it is asked.
type counting struct {
	driver.Driver

	gets, queries, commits atomic.Int64
}

func (c *counting) Get(ctx context.Context, key driver.Key) (driver.Row, driver.Cost, error) {
	c.gets.Add(1)
	return c.Driver.Get(ctx, key)
}

func (c *counting) Query(ctx context.Context, q driver.Query) (driver.Page, driver.Cost, error) {
	c.queries.Add(1)
	return c.Driver.Query(ctx, q)
}

func (c *counting) Commit(ctx context.Context, id driver.ID, ops []driver.Op) (driver.Cost, error) {
	c.commits.Add(1)
	return c.Driver.Commit(ctx, id, ops)
}

// asked is what it was asked since the last call.
func (c *counting) asked() string {
	return fmt.Sprintf("%d gets, %d queries, %d commits", c.gets.Swap(0), c.queries.Swap(0), c.commits.Swap(0))
}

// TestGuessesAreAllAlike: whatever is wrong with a guessed link, the hub asks its
// table the same and answers with the same bytes, so that an answer, or how long
// it took, leads nobody closer to a link that is one. That tokens are compared in
// constant time is AES-GCM's: nothing else looks into one.
func TestGuessesAreAllAlike(t *testing.T) {
	w := &world{t: t, dir: t.TempDir(), at: time.Now().UTC().Truncate(time.Second), channel: &channel{}}
	disk := &counting{Driver: storetest.Pebble(t)}
	w.rows = storetest.Over(t, table.New(disk, &table.Options{Now: w.now}), w.now)
	w.begin(nil, nil)
	a := w.take("a.txt", text)
	mine := w.linkTo(w.client, a)
	another := newWorld(t, nil, nil)
	foreign := another.linkTo(another.client, another.take("b.txt", text))
	if len(mine) != len(foreign) {
		t.Fatalf("links have %d and %d characters", len(mine), len(foreign))
	}
	turned := []byte(mine)
	turned[len(turned)/2] ^= 1 // a letter or digit becomes another

	answer := func(path string) string {
		rec := w.follow(http.MethodGet, path)
		return fmt.Sprintf("%d %v %s", rec.Code, rec.Header(), rec.Body)
	}
	guesses := map[string]string{
		"well formed":           "/a/" + strings.Repeat("A", len(mine)-len("/a/")),
		"another hub's":         foreign,
		"one character changed": string(turned),
		"cut short":             mine[:len(mine)-1],
		"too long":              mine + "AAAA",
		"very long":             mine + strings.Repeat("A", 8000),
		"no base64":             "/a/" + strings.Repeat("!", len(mine)-len("/a/")),
		"one character":         "/a/x",
	}
	type seen struct{ answer, cold, warm string }
	look := func(path string) seen {
		w.open(w.rows.Store()) // a process that knows nothing yet
		disk.asked()
		s := seen{answer: answer(path), cold: disk.asked()}
		if again := answer(path); again != s.answer {
			t.Errorf("the second answer is %s, and the first was %s", again, s.answer)
		}
		s.warm = disk.asked()
		return s
	}
	want := look(guesses["well formed"])
	if !strings.HasPrefix(want.answer, "404 ") || !strings.Contains(want.answer, "problem:not_found") {
		t.Fatalf("a guess is answered %s", want.answer)
	}
	for name, path := range guesses {
		if got := look(path); got != want {
			t.Errorf("%s:\n%+v\nwant\n%+v", name, got, want)
		}
	}
	// Links that were some, whatever ended them, are all alike too.
	gone := map[string]string{"another client's file": answer(w.linkTo(w.of(globex), a))}
	w.at = w.at.Add(time.Hour)
	gone["the link's time"] = answer(mine)
	w.at = w.at.Add(23 * time.Hour)
	gone["the file's time"] = answer(mine)
	for name, got := range gone {
		if !strings.HasPrefix(got, "410 ") || got != gone["the link's time"] {
			t.Errorf("%s: %s", name, got)
		}
	}
}
