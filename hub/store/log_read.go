package store

import (
	"context"
	"fmt"
	"time"

	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/storage/table"
)

// LogRow is one row of a log as a reader sees it.
type LogRow struct {
	N       uint64
	Records []Record
}

// Read returns the rows behind n in order, at most limit, stopping at the
// first that is missing. A place below the log's floor is model.NotFound: what
// lay there was trimmed.
func (l *Log) Read(ctx context.Context, n uint64, limit int) ([]LogRow, error) {
	page, err := l.rows.Query(ctx, table.Query{PK: l.pk, From: rowSK(n + 1), To: claimSK, Limit: limit})
	if err != nil {
		return nil, fmt.Errorf("read log: %w", err)
	}
	rows, err := decodeRows(page.Rows)
	if err != nil {
		return nil, err
	}
	for i, row := range rows {
		if row.N != n+1+uint64(i) {
			rows = rows[:i]
			break
		}
	}
	if len(rows) == 0 && len(page.Rows) > 0 {
		floor, err := l.Floor(ctx)
		if err != nil {
			return nil, err
		}
		if n < floor {
			return nil, model.Errorf(model.NotFound, "read log", "rows up to %d were trimmed", floor)
		}
	}
	return rows, nil
}

// Follow is Read for whoever follows the log: the rows that this process has
// just appended are not asked of the table. Their records are shared, and not
// to be changed. More may lie behind fewer than limit: only none is the end.
func (l *Log) Follow(ctx context.Context, n uint64, limit int) ([]LogRow, error) {
	if rows := l.kept(n, limit); len(rows) > 0 {
		return rows, nil
	}
	return l.Read(ctx, n, limit)
}

// kept returns the rows behind n as far as this process has just seen them.
func (l *Log) kept(n uint64, limit int) []LogRow {
	l.mu.Lock()
	defer l.mu.Unlock()
	if n >= l.tail || l.tail-n > uint64(len(l.newest)) {
		return nil
	}
	newest := l.newest[uint64(len(l.newest))-(l.tail-n):]
	if time.Since(newest[0].since) > keptFor {
		return nil
	}
	rows := make([]LogRow, min(limit, len(newest)))
	for i := range rows {
		rows[i] = newest[i].LogRow
	}
	return rows
}

// ReadBack returns the rows before n, newest first, at most limit. An n of 0
// starts at the tail.
func (l *Log) ReadBack(ctx context.Context, n uint64, limit int) ([]LogRow, error) {
	q := table.Query{PK: l.pk, From: logRowTag, To: claimSK, Limit: limit, Reverse: true}
	if n > 0 {
		q.To = rowSK(n)
	}
	page, err := l.rows.Query(ctx, q)
	if err != nil {
		return nil, fmt.Errorf("read log backwards: %w", err)
	}
	return decodeRows(page.Rows)
}

// Reaches reports whether the log has grown as far as the place, which may be
// the one behind its newest record.
func (l *Log) Reaches(ctx context.Context, at Position) (bool, error) {
	tail, err := l.Tail(ctx)
	if err != nil {
		return false, err
	}
	if at.N <= tail || at == (Position{N: tail + 1}) {
		return true, nil
	}
	// Another process may have written what this one has not seen.
	newest := at.N
	if at.Index == 0 {
		newest--
	}
	rows, err := l.Read(ctx, newest-1, 1)
	return len(rows) > 0, err
}

// Floor returns the newest row that was trimmed; 0 when none was.
func (l *Log) Floor(ctx context.Context) (uint64, error) {
	row, err := l.rows.Get(ctx, l.pk, logHeadSK)
	if model.Is(err, model.NotFound) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("read log head: %w", err)
	}
	var h logHead
	if _, err := decodeHeader(row.Value, logSchema, &h); err != nil {
		return 0, fmt.Errorf("read log head: %w", err)
	}
	return h.Floor, nil
}

func decodeRows(in []table.Row) ([]LogRow, error) {
	rows := make([]LogRow, 0, len(in))
	for _, row := range in {
		records, err := decodeLogRow(row.Value)
		if err != nil {
			return nil, err
		}
		rows = append(rows, LogRow{N: rowNumber(row.SK), Records: records})
	}
	return rows, nil
}
