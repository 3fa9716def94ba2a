package store

import (
	"fmt"
	"runtime"
	"testing"

	"pgregory.net/rapid"

	"github.com/channelhub/channelhub/hub/storage/table/drivertest"
)

func runtimeYield() { runtime.Gosched() }

// logModel is a log as a list of records in the order of their first append,
// beside several processes that append and repeat.
type logModel struct {
	f     *fixture
	pk    string
	logs  []*Log
	order []int       // records, in order
	row   map[int]int // record → its row
	tails map[int]uint64
	next  int
}

func TestLogAgainstAModel(t *testing.T) {
	f := newFixture(t)
	run := 0
	rapid.Check(t, func(t *rapid.T) {
		run++
		m := &logModel{f: f, pk: fmt.Sprintf("f/%d", run), row: map[int]int{}, tails: map[int]uint64{}}
		m.logs = []*Log{m.process(t), m.process(t)}
		defer f.flaky.Next()
		t.Repeat(map[string]func(*rapid.T){
			"append":  m.append,
			"repeat":  m.repeat,
			"restart": m.restart,
			"":        m.check,
		})
	})
}

func (m *logModel) process(t *rapid.T) *Log {
	l := m.f.log(m.pk)
	l.window = uint64(rapid.IntRange(1, 5).Draw(t, "window"))
	return l
}

func (m *logModel) pick(t *rapid.T) *Log {
	return m.logs[rapid.IntRange(0, len(m.logs)-1).Draw(t, "process")]
}

func (m *logModel) trouble(t *rapid.T) {
	m.f.flaky.Next(rapid.SliceOfN(rapid.SampledFrom([]drivertest.Fault{
		drivertest.Pass, drivertest.LoseAnswer, drivertest.Drop,
	}), 0, 2).Draw(t, "faults")...)
}

// append promises a record in one process and appends it in another.
func (m *logModel) append(t *rapid.T) {
	seen, err := m.pick(t).Tail(m.f.t.Context())
	if err != nil {
		t.Fatal(err)
	}
	m.next++
	m.tails[m.next] = seen
	m.put(t, m.next)
}

// repeat appends a record anew that is there, from what its promise had seen.
func (m *logModel) repeat(t *rapid.T) {
	if len(m.order) == 0 {
		t.Skip("nothing to repeat")
	}
	m.put(t, rapid.SampledFrom(m.order).Draw(t, "record"))
}

func (m *logModel) put(t *rapid.T, n int) {
	m.trouble(t)
	at, err := m.pick(t).Append(m.f.t.Context(), record(n), m.tails[n])
	if err != nil {
		t.Fatal(err)
	}
	if m.row[n] == 0 {
		m.order = append(m.order, n)
		m.row[n] = len(m.order) // one at a time: each has its own row
	}
	if at != uint64(m.row[n]) {
		t.Fatalf("record %d: told row %d, want %d", n, at, m.row[n])
	}
}

func (m *logModel) restart(t *rapid.T) {
	m.logs[rapid.IntRange(0, len(m.logs)-1).Draw(t, "process")] = m.process(t)
}

func (m *logModel) check(t *rapid.T) {
	rows, err := m.f.log(m.pk).Read(m.f.t.Context(), 0, 1000)
	if err != nil {
		t.Fatal(err)
	}
	if len(rows) != len(m.order) {
		t.Fatalf("the log has %d rows, want %d", len(rows), len(m.order))
	}
	for i, r := range rows {
		if r.N != uint64(i)+1 || len(r.Records) != 1 || r.Records[0].Key != key(m.order[i]) {
			t.Fatalf("row %d holds %v, want record %d", r.N, r.Records, m.order[i])
		}
	}
}
