package audit

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/storage/keys"
	"github.com/channelhub/channelhub/hub/store"
)

// AuditAll makes fakeRows a counter: each call is one write.
func (f *fakeRows) AuditAll(ctx context.Context, acts []store.Act) error {
	for _, a := range acts {
		if err := f.Audit(ctx, a); err != nil {
			return err
		}
	}
	return nil
}

func shortly(acts []store.Act) []string {
	out := []string{}
	for _, a := range acts {
		out = append(out, fmt.Sprintf("%s %s %s %s %s %d", a.Since.Format("15:04"), a.Actor, a.Action, a.Subject, a.Outcome, a.Count))
	}
	return out
}

func flushed(t *testing.T, c *Counts, to *fakeRows, all bool) []string {
	t.Helper()
	before := len(to.acts)
	if err := c.flush(t.Context(), to, all); err != nil {
		t.Fatal(err)
	}
	return shortly(to.acts[before:])
}

func TestEachActorClientKindAndMinuteIsOneRow(t *testing.T) {
	now := start
	c, to := NewCounts(func() time.Time { return now }), &fakeRows{}
	desk, bot := By{Token: "desk", Role: "client"}, By{Token: "bot", Role: "client"}
	c.Access(desk, ReadEvents, "acme", 3)
	c.Access(desk, ReadEvents, "acme", 4)
	c.Access(desk, ReadEvents, "acme", 0)
	c.Access(desk, ReadMessages, "acme", 1)
	c.Access(bot, ReadEvents, "acme", 1)
	if got := flushed(t, c, to, false); len(got) > 0 {
		t.Errorf("rows of a minute that is not over: %v", got)
	}
	now = start.Add(time.Minute)
	c.Access(desk, ReadEvents, "acme", 5)
	want := []string{
		"12:00 bot content.events client/acme done 1",
		"12:00 desk content.events client/acme done 7",
		"12:00 desk content.messages client/acme done 1",
	}
	if diff := cmp.Diff(want, flushed(t, c, to, false)); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"12:01 desk content.events client/acme done 5"}, flushed(t, c, to, true)); diff != "" {
		t.Errorf("rows at the end (-want +got):\n%s", diff)
	}
	if got := flushed(t, c, to, true); len(got) > 0 {
		t.Errorf("rows told twice: %v", got)
	}
}

func TestCountsThatCannotBeWrittenStay(t *testing.T) {
	c, to := NewCounts(func() time.Time { return start }), &fakeRows{fail: 1}
	c.Access(somebody, ReadEvents, "acme", 3)
	if err := c.flush(t.Context(), to, true); !model.Is(err, model.Unavailable) {
		t.Fatalf("error %v, want the table's", err)
	}
	c.Access(somebody, ReadEvents, "acme", 2)
	to.fail = 0
	if diff := cmp.Diff([]string{"12:00 ops content.events client/acme done 5"}, flushed(t, c, to, true)); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
}

func TestRefusalsCannotFillTheLog(t *testing.T) {
	c, to := NewCounts(func() time.Time { return start }), &fakeRows{}
	for range 1000 {
		c.Refusal(By{}, "POST /v1/messages", 401)
		c.Refusal(By{}, "GET /v1/events", 401)
		c.Refusal(By{}, "POST /admin/v1/tokens", 401)
	}
	c.Refusal(somebody, "GET /admin/v1/tokens", 403)
	c.Refusal(somebody, "POST /admin/v1/config/reload", 422)
	c.Refusal(somebody, "GET /admin/v1/plugins/{id}", 404) // looking is no act
	c.Refusal(somebody, "POST /v1/messages", 422)          // nor is a message
	want := []string{
		"12:00 nobody call.refused call/admin unauthenticated 1000",
		"12:00 nobody call.refused call/v1 unauthenticated 2000",
		"12:00 ops call.refused call/GET /admin/v1/tokens denied 1",
		"12:00 ops call.refused call/POST /admin/v1/config/reload status_422 1",
	}
	if diff := cmp.Diff(want, flushed(t, c, to, true)); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
}

func TestWhatIsCountedIsBounded(t *testing.T) {
	c, to := NewCounts(func() time.Time { return start }), &fakeRows{}
	const actors = maxTallies + 100
	for i := range actors {
		c.Access(By{Token: fmt.Sprintf("t%05d", i), Role: "client"}, ReadEvents, "acme", 1)
	}
	got := flushed(t, c, to, true)
	if want := "12:00 others content.events others done 100"; len(got) != maxTallies+1 || got[0] != want {
		t.Errorf("%d rows, the first %s; want %d and %s", len(got), got[0], maxTallies+1, want)
	}
}

func TestCountingIsSafeForManyAtOnce(t *testing.T) {
	c, to := NewCounts(func() time.Time { return start }), &fakeRows{}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 500 {
				c.Access(somebody, ReadEvents, "acme", 1)
			}
		})
	}
	for range 20 {
		if err := c.flush(t.Context(), to, true); err != nil {
			t.Fatal(err)
		}
	}
	wg.Wait()
	flushed(t, c, to, true)
	total := uint64(0)
	for _, a := range to.acts {
		total += a.Count
	}
	if total != 8*500 {
		t.Errorf("counted %d, want %d", total, 8*500)
	}
}

// root wraps by doing nothing, or fails.
type root struct{ err error }

func (r root) Wrap(_ context.Context, _ keys.Context, b []byte) ([]byte, error) { return b, r.err }

func (r root) Unwrap(_ context.Context, _ keys.Context, b []byte) ([]byte, error) { return b, r.err }

func TestUsesOfTheRootKeyAreCounted(t *testing.T) {
	c, to := NewCounts(func() time.Time { return start }), &fakeRows{}
	denied := model.Errorf(model.Denied, "unwrap", "the key is disabled")
	for _, err := range []error{nil, nil, denied} {
		r := CountKeys(root{err}, c)
		if out, got := r.Unwrap(t.Context(), keys.Context{Client: "acme"}, []byte("x")); string(out) != "x" || got != err { //nolint:errorlint // it is handed through as it is
			t.Errorf("unwrap: %q, %v; want what the root says", out, got)
		}
	}
	if _, err := CountKeys(root{}, c).Wrap(t.Context(), keys.Context{}, nil); err != nil {
		t.Fatal(err)
	}
	c.Swept("acme", "messages", 12)
	want := []string{
		"12:00 hub key.unwrap client/acme denied 1",
		"12:00 hub key.unwrap client/acme done 2",
		"12:00 hub key.wrap hub done 1",
		"12:00 hub sweep.messages client/acme done 12",
	}
	if diff := cmp.Diff(want, flushed(t, c, to, true)); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
}

func BenchmarkCount(b *testing.B) {
	c := NewCounts(nil)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			c.Access(somebody, ReadEvents, "acme", 1)
		}
	})
}
