package store

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/storage/table/driver"
	"github.com/channelhub/channelhub/hub/storage/table/drivertest"
)

func record(n int) Record {
	return Record{
		Kind: EventRecord, Conversation: "cnv_1", Key: key(n), Type: model.MessageReceived,
		Account: "acct", Direction: model.Inbound, At: 1, Author: model.Customer,
	}
}

func (f *fixture) log(pk string) *Log { return newLog(f.table.For("acme"), pk) }

func (f *fixture) append(l *Log, n int, seen uint64) uint64 {
	f.t.Helper()
	at, err := l.Append(f.t.Context(), record(n), seen)
	if err != nil {
		f.t.Fatalf("append %d: %v", n, err)
	}
	return at
}

// all reads the whole log and checks that its rows have no gap.
func (f *fixture) all(l *Log) [][]Record {
	f.t.Helper()
	var out [][]Record
	for {
		rows, err := l.Read(f.t.Context(), uint64(len(out)), 7)
		if err != nil {
			f.t.Fatal(err)
		}
		for _, r := range rows {
			if r.N != uint64(len(out))+1 {
				f.t.Fatalf("row %d follows row %d", r.N, len(out))
			}
			out = append(out, r.Records)
		}
		if len(rows) == 0 {
			return out
		}
	}
}

func places(rows [][]Record) map[recordID][]uint64 {
	at := map[recordID][]uint64{}
	for i, row := range rows {
		for _, r := range row {
			at[r.id()] = append(at[r.id()], uint64(i)+1)
		}
	}
	return at
}

// Two hubs append to one log while answers get lost: no gap, no double, and
// what one caller appends stays in its order.
func TestTwoAppenders(t *testing.T) {
	f := newFixture(t)
	const writers, each = 8, 40
	logs := []*Log{f.log("f/0"), f.log("f/0")}
	faults := make([]drivertest.Fault, 200)
	for i := range faults {
		faults[i] = []drivertest.Fault{
			drivertest.Pass, drivertest.Pass, drivertest.Pass, drivertest.LoseAnswer, drivertest.Drop, drivertest.Throttle,
		}[rand.IntN(6)]
	}
	f.flaky.Next(faults...)
	returned := make([][]uint64, 2*writers)
	var wg sync.WaitGroup
	for w := range returned {
		wg.Go(func() {
			l := logs[w%2]
			for i := range each {
				seen, err := l.Tail(t.Context())
				if err != nil {
					t.Error(err)
					return
				}
				// Each record is appended by two writers, one in each hub.
				at, err := l.Append(t.Context(), record(w/2*each+i), min(seen, uint64(i)))
				if err != nil {
					t.Errorf("writer %d: %v", w, err)
					return
				}
				returned[w] = append(returned[w], at)
			}
		})
	}
	wg.Wait()
	at := places(f.all(f.log("f/0")))
	if len(at) != writers*each {
		t.Errorf("the log has %d records, want %d", len(at), writers*each)
	}
	for w, rows := range returned {
		for i, n := range rows {
			found := at[record(w/2*each+i).id()]
			if !cmp.Equal(found, []uint64{n}) {
				t.Errorf("record %d of writer %d is in rows %v, the appender was told %d", i, w, found, n)
			}
			if i > 0 && n < rows[i-1] {
				t.Errorf("record %d of writer %d is before the one that it appended earlier", i, w)
			}
		}
	}
}

func TestARepeatFindsItsRecord(t *testing.T) {
	f := newFixture(t)
	l := f.log("f/0")
	for n := range 10 {
		f.append(l, n, uint64(n))
	}
	short := f.log("f/0")
	short.window = 2
	for n := range 10 {
		// In memory; by reading, in a process that begins; and by reading what
		// this process has forgotten.
		for name, l := range map[string]*Log{"remembered": l, "new process": f.log("f/0"), "short memory": short} {
			if at := f.append(l, n, 0); at != uint64(n)+1 {
				t.Errorf("%s: record %d is in row %d, was put into row %d", name, n, at, n+1)
			}
		}
	}
	for n := 10; n < 20; n++ {
		f.append(short, n, uint64(n))
	}
	for n := range 20 {
		if at := f.append(short, n, 0); at != uint64(n)+1 {
			t.Errorf("record %d is in row %d, was put into row %d", n, at, n+1)
		}
	}
	if rows := f.all(l); len(rows) != 20 {
		t.Errorf("the log has %d rows, want 20", len(rows))
	}
}

// A process that was far behind passes over more rows than it remembers, and
// one of them has the record.
func TestARepeatFarBehindFindsItsRecord(t *testing.T) {
	f := newFixture(t)
	behind := f.log("f/0")
	behind.window = 4
	f.append(behind, 1000, 0)
	ahead := f.log("f/0")
	for n := range 250 {
		f.append(ahead, n, uint64(n))
	}
	commits := 0
	f.gate.Before(func([]driver.Op) error { commits++; return nil })
	if at := f.append(behind, 3, 1); at != 5 {
		t.Errorf("the repeat was told row %d, the record is in row 5", at)
	}
	f.gate.Before(nil)
	if commits > 3 {
		t.Errorf("catching up with 250 rows took %d refused writes", commits)
	}
	if rows := f.all(ahead); len(rows) != 251 {
		t.Errorf("the log has %d rows, want 251", len(rows))
	}
	// One that is not there is appended behind all.
	if at := f.append(behind, 2000, 1); at != 252 {
		t.Errorf("a new record is in row %d, want 252", at)
	}
}

// More rows went by while the record waited for its turn than are remembered.
func TestARecordThatWaitedIsLookedForAgain(t *testing.T) {
	f := newFixture(t)
	l := f.log("f/0")
	l.window = 2
	for n := range 10 {
		f.append(l, n, uint64(n))
	}
	p := &pendingAppend{record: record(3), looked: 1}
	fresh := &pendingAppend{record: record(100), looked: 1}
	at, err := l.write(t.Context(), []*pendingAppend{p, fresh})
	if err != nil || at != 11 || p.at != 4 {
		t.Errorf("the row was %d, the old record's %d, %v; want 11 and 4", at, p.at, err)
	}
	if rows := f.all(l); len(rows[10]) != 1 || rows[10][0].Key != key(100) {
		t.Errorf("row 11 holds %v", rows[10])
	}
}

// hold makes the next commit wait until it is let go, and tells when it waits.
func (f *fixture) hold() (waits chan struct{}, letGo func()) {
	waits, goOn := make(chan struct{}), make(chan struct{})
	var once sync.Once
	f.gate.Before(func([]driver.Op) error {
		first := false
		once.Do(func() { first = true })
		if first {
			close(waits)
			<-goOn
		}
		return nil
	})
	return waits, func() { close(goOn) }
}

// queued waits until n records wait for the next row.
func queued(t *testing.T, l *Log, n int) {
	t.Helper()
	for range 100_000 {
		l.mu.Lock()
		have := len(l.waiting)
		l.mu.Unlock()
		if have >= n {
			return
		}
		runtimeYield()
	}
	t.Fatalf("%d records never waited", n)
}

// What arrives while a row is being written shares the next.
func TestAppendersShareRows(t *testing.T) {
	f := newFixture(t)
	l := f.log("f/0")
	waits, letGo := f.hold()
	var wg sync.WaitGroup
	wg.Go(func() { f.append(l, 0, 0) })
	<-waits
	const others = 2*maxBatch + 10
	for n := range others {
		wg.Go(func() {
			if _, err := l.Append(t.Context(), record(n+1), 0); err != nil {
				t.Error(err)
			}
			if _, err := l.Append(t.Context(), record(n+1), 0); err != nil { // told the same
				t.Error(err)
			}
		})
	}
	queued(t, l, others)
	letGo()
	wg.Wait()
	rows := f.all(l)
	var sizes []int
	for _, r := range rows {
		sizes = append(sizes, len(r))
	}
	if diff := cmp.Diff([]int{1, maxBatch, maxBatch, 10}, sizes); diff != "" {
		t.Errorf("records of each row (-want +got):\n%s", diff)
	}
}

// One record that several callers append at once is there once.
func TestOneRecordFromManyCallers(t *testing.T) {
	f := newFixture(t)
	l := f.log("f/0")
	waits, letGo := f.hold()
	var wg sync.WaitGroup
	wg.Go(func() { f.append(l, 0, 0) })
	<-waits
	at := make([]uint64, 20)
	for i := range at {
		wg.Go(func() { at[i], _ = l.Append(t.Context(), record(i%2), 0) })
	}
	queued(t, l, 20)
	letGo()
	wg.Wait()
	for i, n := range at {
		if n != uint64(i%2)+1 {
			t.Errorf("caller %d was told row %d, want %d", i, n, i%2+1)
		}
	}
	if rows := f.all(l); len(rows) != 2 {
		t.Errorf("the log has %d rows, want 2", len(rows))
	}
}

// The caller whose record began a batch may leave: the others are served, and
// its own record is written as well.
func TestTheLeaderMayLeave(t *testing.T) {
	f := newFixture(t)
	l := f.log("f/0")
	waits, letGo := f.hold()
	leader, leave := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		if _, err := l.Append(leader, record(0), 0); !model.Is(err, model.Unavailable) {
			t.Errorf("the leader that left: %v, want unavailable", err)
		}
	})
	<-waits
	wg.Go(func() { f.append(l, 1, 0) })
	queued(t, l, 1)
	leave()
	letGo()
	wg.Wait()
	at := places(f.all(l))
	if len(at) != 2 {
		t.Errorf("the log has %d records, want both", len(at))
	}
	if at := f.append(l, 0, 0); at != 1 {
		t.Errorf("the leader's repeat was told row %d, want 1", at)
	}
}

func TestAppendAfterTheEndOfItsContext(t *testing.T) {
	f := newFixture(t)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	warm := f.log("f/0")
	f.append(warm, 0, 0)
	s := f.store()
	for name, l := range map[string]*Log{"new": f.clientOf(s, "acme").log("f/0"), "in use": warm} {
		if _, err := l.Append(ended, record(1), 0); err != nil && !model.Is(err, model.Unavailable) {
			t.Errorf("%s log: %v, want unavailable", name, err)
		}
		f.append(l, 1, 0)
		if at := places(f.all(l))[record(1).id()]; len(at) != 1 {
			t.Errorf("%s log: the record is in rows %v, want one", name, at)
		}
	}
}

// A failed write fails those that shared it and nobody after.
func TestAFailedRow(t *testing.T) {
	f := newFixture(t)
	l := f.log("f/0")
	f.append(l, 0, 0)
	f.gate.Before(func([]driver.Op) error { return errCrash })
	if _, err := l.Append(t.Context(), record(1), 1); !errors.Is(err, errCrash) {
		t.Errorf("append: %v", err)
	}
	f.gate.Before(nil)
	if at := f.append(l, 1, 1); at != 2 {
		t.Errorf("the repeat was told row %d, want 2", at)
	}
}

// An answer that is lost for good may hide a row that landed.
func TestARepeatAfterALostAnswer(t *testing.T) {
	f := newFixture(t)
	l := f.log("f/0")
	f.gate.After(func([]driver.Op) error { return errCrash })
	if _, err := l.Append(t.Context(), record(1), 0); err == nil {
		t.Fatal("the append had an answer")
	}
	f.gate.After(nil)
	if at := f.append(l, 1, 0); at != 1 {
		t.Errorf("the repeat was told row %d, want 1", at)
	}
	if rows := f.all(l); len(rows) != 1 {
		t.Errorf("the log has %d rows, want 1", len(rows))
	}
}

func TestCloseWaitsForRecordsOnTheirWay(t *testing.T) {
	f := newFixture(t)
	s := f.store()
	l := f.clientOf(s, "acme").Feed("cnv_1")
	waits, letGo := f.hold()
	ctx, leave := context.WithCancel(t.Context())
	left := make(chan struct{})
	go func() {
		defer close(left)
		_, _ = l.Append(ctx, record(0), 0)
	}()
	<-waits
	leave()
	<-left
	closed := make(chan struct{})
	go func() { s.appends.Wait(); close(closed) }()
	select {
	case <-closed:
		t.Error("the store would close under a row that is being written")
	default:
	}
	letGo()
	<-closed
	if rows := f.all(f.log("f/0")); len(rows) != 1 {
		t.Errorf("the log has %d rows, want 1", len(rows))
	}
}
