package pebbletable_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/channelhub/channelhub/hub/storage/table"
	"github.com/channelhub/channelhub/hub/storage/table/pebbletable"
)

const dataDir = "/srv/hub/data"

// promises is what a table has told somebody: rows acknowledged to a writer or
// shown to a reader, and rows acknowledged as deleted.
type promises struct {
	mu   sync.Mutex
	rows map[string]table.Version // sort key -> version; zero: deleted
}

func (p *promises) keep(sk string, v table.Version) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.rows[sk] = v
}

func (p *promises) count() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.rows)
}

func (p *promises) copy() map[string]table.Version {
	p.mu.Lock()
	defer p.mu.Unlock()
	c := make(map[string]table.Version, len(p.rows))
	for sk, v := range p.rows {
		c[sk] = v
	}
	return c
}

// write makes commits of two rows in two partitions, and deletes every fourth
// pair again, until a call fails.
func (p *promises) write(ctx context.Context, rows table.Handle, writer, valueSize int) error {
	value := make([]byte, valueSize)
	for i := range value {
		value[i] = byte(rand.Uint32()) // incompressible, as sealed rows are
	}
	for n := 0; ; n++ {
		sk := fmt.Sprintf("%d-%06d", writer, n)
		v, err := rows.Commit(ctx, table.Put("left", sk, value).IfAbsent(), table.Put("right", sk, value))
		if err != nil {
			return err
		}
		p.keep(sk, v)
		if n%4 != 3 {
			continue
		}
		if _, err := rows.Commit(ctx, table.Delete("left", sk).IfVersion(v), table.Delete("right", sk)); err != nil {
			return err
		}
		p.keep(sk, table.Version{})
	}
}

// follow makes steps of two rows and then a commit, until a call fails. Only
// the commit promises anything, and all three rows.
func (p *promises) follow(ctx context.Context, rows table.Handle, valueSize int) error {
	value := make([]byte, valueSize)
	for n := 0; ; n++ {
		sk := fmt.Sprintf("!-%06d", n)
		v, err := rows.CommitSteps(ctx, table.Put("left", sk, value).IfAbsent(), table.Put("right", sk, value))
		if err != nil {
			return err
		}
		if _, err := rows.Commit(ctx, table.Put("after", sk, nil).IfAbsent()); err != nil {
			return err
		}
		p.keep(sk, v[0])
	}
}

// read keeps what it is shown, until a call fails. A pair that will be deleted
// again promises nothing by being seen.
func (p *promises) read(ctx context.Context, rows table.Handle) error {
	for round := 0; ; round++ {
		from, to := "0", "" // commits
		if round%2 == 1 {
			from, to = "!", "0" // steps
		}
		page, err := rows.Query(ctx, table.Query{PK: "left", From: from, To: to, Limit: 4, Reverse: true})
		if err != nil {
			return err
		}
		for _, r := range page.Rows {
			var writer, n int
			if _, err := fmt.Sscanf(r.SK, "%d-%d", &writer, &n); err != nil || n%4 != 3 {
				p.keep(r.SK, r.Version)
			}
		}
	}
}

// check opens a table over what a crash has left.
func check(t *testing.T, fs vfs.FS, promised map[string]table.Version) {
	t.Helper()
	store, err := pebbletable.Open(dataDir, &pebbletable.Options{FS: fs})
	if err != nil {
		t.Fatalf("open after the crash: %v", err)
	}
	tab := table.New(store, nil)
	found := map[string]map[string]table.Version{}
	for _, pk := range []string{"left", "right", "after"} {
		found[pk] = map[string]table.Version{}
		q := table.Query{PK: pk, Limit: table.MaxLimit}
		for {
			page, err := tab.Hub().Query(t.Context(), q)
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range page.Rows {
				found[pk][r.SK] = r.Version
			}
			if !page.More {
				break
			}
			q.After = page.Rows[len(page.Rows)-1].SK
		}
	}
	for sk, v := range promised {
		if got := found["left"][sk]; got != v {
			t.Errorf("row %s was promised as %x and is %x", sk, v, got)
		}
	}
	for sk, v := range found["left"] {
		if found["right"][sk] != v {
			t.Errorf("row %s came without its other half", sk)
		}
	}
	for sk := range found["after"] {
		if _, ok := found["left"][sk]; !ok {
			t.Errorf("row %s came without the steps before it", sk)
		}
	}
	if len(found["left"]) != len(found["right"]) {
		t.Errorf("%d rows left and %d right", len(found["left"]), len(found["right"]))
	}
	if err := tab.Close(); err != nil {
		t.Error(err)
	}
}

// TestPowerLoss stops the disk at many points, with any part of what was not
// synced lost: nothing that was promised goes, and no commit is torn.
func TestPowerLoss(t *testing.T) {
	const lives, crashes = 8, 32
	type crash struct {
		left     *vfs.MemFS
		promised map[string]table.Version
	}
	for life := range lives {
		rng := rand.New(rand.NewPCG(uint64(life), 7))
		fs := vfs.NewCrashableMem()
		tab := table.New(open(t, dataDir, &pebbletable.Options{FS: fs}), nil)
		p := &promises{rows: map[string]table.Version{}}
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		stopped := func(err error) {
			if !errors.Is(err, context.Canceled) {
				t.Errorf("stopped by %v", err)
			}
		}
		for writer := range 4 {
			// Small rows keep to one log; large ones rotate and flush it.
			wg.Go(func() { stopped(p.write(ctx, tab.Hub(), writer, 100<<(2*(life%4)))) })
		}
		wg.Go(func() { stopped(p.follow(ctx, tab.Hub(), 100<<(2*(life%4)))) })
		wg.Go(func() { stopped(p.read(ctx, tab.Hub())) })
		var points []crash
		for range crashes {
			for until := p.count() + 1 + rng.IntN(16); p.count() < until && t.Context().Err() == nil; {
				runtime.Gosched()
			}
			promised := withoutDue(p.copy()) // before the crash, not after it
			left := fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: rng.IntN(101), RNG: rng})
			points = append(points, crash{left, promised})
		}
		cancel()
		wg.Wait()
		if err := tab.Close(); err != nil {
			t.Error(err)
		}
		for _, c := range points {
			check(t, c.left, c.promised)
		}
	}
}

// withoutDue drops the pairs whose deletion may be under way.
func withoutDue(promised map[string]table.Version) map[string]table.Version {
	for sk, v := range promised {
		var writer, n int
		if _, err := fmt.Sscanf(sk, "%d-%d", &writer, &n); err == nil && n%4 == 3 && v != (table.Version{}) {
			delete(promised, sk)
		}
	}
	return promised
}
