package store

import (
	"context"
	"fmt"
	"time"

	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/storage/table"
)

const (
	// appendTimeout bounds one row's write. It is the appender's own: a caller
	// that goes away must not fail those whose records share the row.
	appendTimeout = 10 * time.Second
	// readRows is how many rows are read at a time where many may follow.
	readRows = 100
)

// pendingAppend is a record on its way into a row.
type pendingAppend struct {
	record Record
	looked uint64 // the record is in no row behind its promise up to this one
	at     uint64 // the row it ended in
	err    error
	done   chan struct{}
}

// Append puts the record into the log unless it is there already, and returns
// the row it lies in once that row is durable. Seen is the tail that was known
// when the record was promised: every row behind it is looked through first.
// When ctx ends before, the error is model.Unavailable, and the record may
// still be appended.
func (l *Log) Append(ctx context.Context, r Record, seen uint64) (uint64, error) {
	p := &pendingAppend{record: r, done: make(chan struct{})}
	if ok, err := l.find(ctx, p, seen); err != nil || ok {
		return p.at, err
	}
	l.mu.Lock()
	l.waiting = append(l.waiting, p)
	if !l.leading {
		l.leading = true
		if l.busy != nil {
			l.busy.Add(1)
		}
		// The batch outlives the caller that happens to lead it.
		go l.lead(context.WithoutCancel(ctx))
	}
	l.mu.Unlock()
	select {
	case <-p.done:
		return p.at, p.err
	case <-ctx.Done():
		return 0, model.Wrap(model.Unavailable, "append to log", ctx.Err())
	}
}

// find looks for the record in the rows behind seen and reports whether it is
// there. What this process has seen itself it knows by heart; older rows it
// reads, forward from seen, since a record lies close behind the tail that its
// promise noted.
func (l *Log) find(ctx context.Context, p *pendingAppend, seen uint64) (bool, error) {
	l.mu.Lock()
	err := l.load(ctx)
	n, ok := l.recent[p.record.id()]
	since, tail := l.since, l.tail
	l.mu.Unlock()
	if err != nil || ok {
		p.at = n
		return ok, err
	}
	p.looked = tail
	if seen >= since {
		return false, nil
	}
	return l.scan(ctx, p, seen, since)
}

// scan reads the rows behind from, up to the given one, for the record.
func (l *Log) scan(ctx context.Context, p *pendingAppend, from, to uint64) (bool, error) {
	for from < to {
		rows, err := l.Read(ctx, from, int(min(readRows, to-from)))
		if model.Is(err, model.NotFound) {
			// Trimmed: the record was read long ago, or never will be.
			p.at, err = l.Floor(ctx)
			return true, err
		}
		if err != nil {
			return false, err
		}
		for _, row := range rows {
			for _, r := range row.Records {
				if r.id() == p.record.id() {
					p.at = row.N
					return true, nil
				}
			}
			from = row.N
		}
		if len(rows) == 0 {
			return false, model.Errorf(model.Corrupt, "read log", "row %d is missing", from+1)
		}
	}
	return false, nil
}

// lead writes rows until nobody waits. One leader at a time: what arrives
// while a row is being synced shares the next one.
func (l *Log) lead(ctx context.Context) {
	if l.busy != nil {
		defer l.busy.Done()
	}
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

// take removes at most maxBatch records from the queue. The lock is held.
func (l *Log) take() []*pendingAppend {
	n := min(len(l.waiting), maxBatch)
	batch := l.waiting[:n:n]
	l.waiting = l.waiting[n:]
	return batch
}

// write appends the batch as one row, stepping over rows that others wrote in
// the meantime.
func (l *Log) write(ctx context.Context, batch []*pendingAppend) (uint64, error) {
	for tries := 0; ; tries++ {
		next, records, err := l.fresh(ctx, batch)
		if err != nil {
			return 0, err
		}
		if len(records) == 0 {
			return 0, nil // each of them was found in a row
		}
		value, err := encodeLogRow(records)
		if err != nil {
			return 0, err
		}
		_, err = l.rows.Commit(ctx, table.Put(l.pk, rowSK(next), value).IfAbsent())
		if err == nil {
			if l.onRow != nil {
				l.onRow(len(records))
			}
			l.saw(next, records)
			return next, nil
		}
		found, conflict := conflictOf(err)
		if !conflict || found == nil {
			return 0, fmt.Errorf("append to log: %w", err)
		}
		others, err := decodeLogRow(found.Value)
		if err != nil {
			return 0, err
		}
		l.saw(next, others)
		if tries > 0 {
			// Far behind, as after a pause: reading is cheaper than refused
			// writes.
			if err := l.catchUp(ctx, next); err != nil {
				return 0, err
			}
		}
	}
}

// catchUp reads the rows behind n that others wrote.
func (l *Log) catchUp(ctx context.Context, n uint64) error {
	for {
		rows, err := l.Read(ctx, n, readRows)
		if err != nil {
			return err
		}
		for _, row := range rows {
			l.saw(row.N, row.Records)
			n = row.N
		}
		if len(rows) < readRows {
			return nil
		}
	}
}

// fresh returns the number of the next row and the batch's records that no row
// holds yet, once each; it notes the row of the others. A record that waited
// while more rows went by than are remembered is looked for again.
func (l *Log) fresh(ctx context.Context, batch []*pendingAppend) (next uint64, records []Record, err error) {
	for {
		l.mu.Lock()
		records = records[:0]
		here := make(map[recordID]bool, len(batch))
		var late []*pendingAppend
		for _, p := range batch {
			id := p.record.id()
			if n, ok := l.recent[id]; ok && p.at == 0 {
				p.at = n
			}
			switch {
			case p.at != 0:
			case p.looked < l.since:
				late = append(late, p)
			case !here[id]:
				here[id] = true
				records = append(records, p.record)
				fallthrough
			default:
				p.looked = l.tail
			}
		}
		since := l.since
		next = l.tail + 1
		l.mu.Unlock()
		if len(late) == 0 {
			return next, records, nil
		}
		for _, p := range late {
			if _, err := l.scan(ctx, p, p.looked, since); err != nil {
				return 0, nil, err
			}
			p.looked = since
		}
	}
}
