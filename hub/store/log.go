package store

import (
	"context"
	"encoding/binary"
	"fmt"
	"sync"
	"time"

	"github.com/channelhub/channelhub/hub/model"
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
	// appendTimeout bounds one row's write. It is the appender's own: a caller
	// that goes away must not fail those whose records share the row.
	appendTimeout = 10 * time.Second
)

type logRow struct {
	Records []Record `json:"r"`
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
	rows table.Handle
	pk   string

	mu      sync.Mutex
	loaded  bool
	tail    uint64              // the newest row known to exist
	since   uint64              // recent holds every record of rows since+1 … tail
	recent  map[recordID]uint64 // record → row
	byRow   map[uint64][]recordID
	waiting []*pendingAppend
	leading bool
	changed chan struct{} // closed when the tail moves
}

type pendingAppend struct {
	record Record
	at     uint64 // the row it ended in
	err    error
	done   chan struct{}
}

func newLog(rows table.Handle, pk string) *Log {
	return &Log{
		rows: rows, pk: pk,
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

// Append puts the record into the log unless it is there already, and returns
// the row it lies in once that row is durable. Seen is the tail that was known
// when the record was promised: every row behind it is looked through first.
func (l *Log) Append(ctx context.Context, r Record, seen uint64) (uint64, error) {
	if n, ok, err := l.find(ctx, r.id(), seen); err != nil || ok {
		return n, err
	}
	p := &pendingAppend{record: r, done: make(chan struct{})}
	l.mu.Lock()
	l.waiting = append(l.waiting, p)
	lead := !l.leading
	l.leading = true
	l.mu.Unlock()
	if lead {
		// The batch outlives the caller that happens to lead it.
		go l.lead(context.WithoutCancel(ctx))
	}
	select {
	case <-p.done:
		return p.at, p.err
	case <-ctx.Done():
		return 0, model.Wrap(model.Unavailable, "append to log", ctx.Err())
	}
}

// find looks for the record in the rows behind seen. What this process has
// seen itself it knows by heart; older rows it reads, forward from seen, since
// a record lies close behind the tail that its promise noted.
func (l *Log) find(ctx context.Context, id recordID, seen uint64) (uint64, bool, error) {
	l.mu.Lock()
	err := l.load(ctx)
	n, ok := l.recent[id]
	since := l.since
	l.mu.Unlock()
	if err != nil || ok || seen >= since {
		return n, ok, err
	}
	for at := seen; at < since; {
		rows, err := l.Read(ctx, at, 100)
		if model.Is(err, model.NotFound) {
			// Trimmed: the record was read long ago, or never will be.
			return at, true, nil
		}
		if err != nil {
			return 0, false, err
		}
		for _, row := range rows {
			for _, r := range row.Records {
				if r.id() == id {
					return row.N, true, nil
				}
			}
			at = row.N
		}
		if len(rows) == 0 {
			break
		}
	}
	return 0, false, nil
}

// lead writes rows until nobody waits. One leader at a time: what arrives
// while a row is being synced shares the next one.
func (l *Log) lead(ctx context.Context) {
	for {
		l.mu.Lock()
		batch := l.take()
		if len(batch) == 0 {
			l.leading = false
			l.mu.Unlock()
			return
		}
		l.mu.Unlock()

		ctx, cancel := context.WithTimeout(ctx, appendTimeout)
		at, err := l.write(ctx, batch)
		cancel()
		for _, p := range batch {
			if p.at == 0 {
				p.at, p.err = at, err
			}
			close(p.done)
		}
	}
}

// take removes what the next row will carry from the queue: at most maxBatch
// records, none that is in a recent row, none twice. The lock is held.
func (l *Log) take() []*pendingAppend {
	n := min(len(l.waiting), maxBatch)
	batch := l.waiting[:n:n]
	l.waiting = l.waiting[n:]
	return batch
}

// write appends the batch as one row, stepping over rows that others wrote in
// the meantime.
func (l *Log) write(ctx context.Context, batch []*pendingAppend) (uint64, error) {
	for {
		l.mu.Lock()
		next := l.tail + 1
		records := l.fresh(batch)
		l.mu.Unlock()
		if len(records) == 0 {
			return 0, nil // each of them was found in a row
		}
		value, err := encodePlain(logSchema, logRow{Records: records})
		if err != nil {
			return 0, err
		}
		_, err = l.rows.Commit(ctx, table.Put(l.pk, rowSK(next), value).IfAbsent())
		if err == nil {
			l.saw(next, records)
			return next, nil
		}
		found, conflict := conflictOf(err)
		if !conflict || found == nil {
			return 0, fmt.Errorf("append to log: %w", err)
		}
		var row logRow
		if _, err := decodeHeader(found.Value, logSchema, &row); err != nil {
			return 0, fmt.Errorf("read log row: %w", err)
		}
		l.saw(next, row.Records)
	}
}

// fresh returns the batch's records that no row holds yet, once each, and
// notes the row of the others. The lock is held.
func (l *Log) fresh(batch []*pendingAppend) []Record {
	var records []Record
	here := make(map[recordID]bool, len(batch))
	for _, p := range batch {
		id := p.record.id()
		if n, ok := l.recent[id]; ok {
			p.at = n
			continue
		}
		if !here[id] {
			here[id] = true
			records = append(records, p.record)
		}
	}
	return records
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
	if n-l.since > recentRows {
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
