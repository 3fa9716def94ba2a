package store

import (
	"context"
	"encoding/binary"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/channelhub/channelhub/hub/storage/table"
)

// Position is a place in a log: behind record Index of row N. The zero value
// is the place before everything.
type Position struct {
	N     uint64
	Index int // records of row N that lie before this place
}

// Less orders positions of one log.
func (p Position) Less(q Position) bool {
	return p.N < q.N || p.N == q.N && p.Index < q.Index
}

const (
	logSchema = 1
	logHeadSK = "\x00"
	logRowTag = "\x01"
	claimSK   = "\x02"

	// maxBatch bounds the records of one row, so that a reader's page stays
	// small whatever the load.
	maxBatch = 256
	// recentRows is how many of the newest rows an appender remembers the
	// records of; a duplicate from before is found by reading.
	recentRows = 1024
	// keptRows is how many of the newest rows of a feed log are kept for
	// readers, and keptFor how long: whoever follows the log asks the table for
	// none of them. Nothing is trimmed this young, wherever it is done.
	keptRows = 64
	keptFor  = 10 * time.Second
)

// keptRow is a row that readers need not ask the table for.
type keptRow struct {
	LogRow
	since time.Time
}

type logHead struct {
	Floor uint64 `json:"f"` // rows up to this one were trimmed
}

func rowSK(n uint64) string {
	return string(binary.BigEndian.AppendUint64([]byte(logRowTag), n))
}

func rowNumber(sk string) uint64 { return binary.BigEndian.Uint64([]byte(sk[1:])) }

// Log is an append-only sequence of rows in one partition: row n is written if
// absent, only by a writer that has seen row n−1. So it has no gap and no
// owner, and any number of processes may append. A Log value is one process's
// view of it: its appenders share rows, so that under load one write carries
// many records. It is safe for concurrent use.
type Log struct {
	rows   table.Handle
	pk     string
	window uint64          // recentRows
	busy   *sync.WaitGroup // counts leaders; nil: nobody waits for them
	onRow  func(int)       // told of the records of each row appended; nil: nobody
	keep   bool            // the newest rows, for Follow

	mu      sync.Mutex
	loaded  bool
	tail    uint64              // the newest row known to exist
	since   uint64              // recent holds every record of rows since+1 … tail
	recent  map[recordID]uint64 // record → row
	byRow   map[uint64][]recordID
	newest  []keptRow // with keep; the last of them is row tail
	waiting []*pendingAppend
	leading bool
	changed chan struct{} // closed when the tail moves
}

func newLog(rows table.Handle, pk string) *Log {
	return &Log{
		rows: rows, pk: pk, window: recentRows,
		recent:  make(map[recordID]uint64),
		byRow:   make(map[uint64][]recordID),
		changed: make(chan struct{}),
	}
}

// Tail returns the newest row known to this process: what a row that promises
// a record notes down before the record is appended.
func (l *Log) Tail(ctx context.Context) (uint64, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.load(ctx); err != nil {
		return 0, err
	}
	return l.tail, nil
}

// Changed returns a channel that is closed once the log has grown in this
// process. Get it before reading, so that nothing is missed between the two.
func (l *Log) Changed() <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.changed
}

// load finds the tail once per process. The lock is held.
func (l *Log) load(ctx context.Context) error {
	if l.loaded {
		return nil
	}
	page, err := l.rows.Query(ctx, table.Query{PK: l.pk, From: logRowTag, To: claimSK, Limit: 1, Reverse: true})
	if err != nil {
		return fmt.Errorf("find log tail: %w", err)
	}
	if len(page.Rows) == 1 {
		l.tail = rowNumber(page.Rows[0].SK)
	}
	l.since, l.loaded = l.tail, true
	return nil
}

// saw notes a row that is known to exist and wakes the readers.
func (l *Log) saw(n uint64, records []Record) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if n != l.tail+1 {
		return
	}
	l.tail = n
	ids := make([]recordID, 0, len(records))
	for _, r := range records {
		ids = append(ids, r.id())
		l.recent[r.id()] = n
	}
	l.byRow[n] = ids
	if l.keep {
		if len(l.newest) == keptRows {
			l.newest = slices.Delete(l.newest, 0, keptRows/2)
		}
		l.newest = append(l.newest, keptRow{LogRow: LogRow{N: n, Records: records}, since: time.Now()})
	}
	for n-l.since > l.window {
		l.since++
		for _, id := range l.byRow[l.since] {
			if l.recent[id] == l.since {
				delete(l.recent, id)
			}
		}
		delete(l.byRow, l.since)
	}
	close(l.changed)
	l.changed = make(chan struct{})
}
