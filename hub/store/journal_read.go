package store

import (
	"bytes"
	"context"
	"fmt"
	"time"

	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/storage/table"
)

const (
	journalSchema = 1
	hubRoot       = "h/"
	// journalPage bounds what one read brings into memory, at 256 KiB a row.
	// The largest entry has fewer rows.
	journalPage = 32
)

// journalHeader lies in clear: what operators may see of an entry, and what
// counting needs.
type journalHeader struct {
	Kind     JournalKind `json:"k"`
	Part     int         `json:"p,omitempty"` // of the entry, from 0
	Parts    int         `json:"o"`           // that the entry has
	Size     int         `json:"s"`           // bytes of this part
	Received Milli       `json:"c"`
	Expires  Milli       `json:"x"`
	Day      string      `json:"d"` // names the key
	// Totals of the whole log up to this row: what waits is the difference
	// between two rows, and known at a start without reading those between.
	Entries int   `json:"n"`
	Bytes   int64 `json:"b"`
}

func (h journalHeader) total() JournalCount { return JournalCount{h.Entries, h.Bytes} }

type journalRow struct {
	n      uint64
	header journalHeader
	sealed []byte
}

func decodeJournalRow(row table.Row) (journalRow, error) {
	r := journalRow{n: rowNumber(row.SK)}
	var err error
	if r.sealed, err = decodeHeader(row.Value, journalSchema, &r.header); err != nil {
		return r, fmt.Errorf("read journal row: %w", err)
	}
	return r, nil
}

// JournalEntry is an entry as it waits; its content is sealed still.
type JournalEntry struct {
	N        uint64 // its place: the number of its last row
	Kind     JournalKind
	Received time.Time
	Expires  time.Time
	Size     int64

	total JournalCount
	rows  []journalRow
}

// Read returns the next entries behind place n that were not taken off yet, in
// order; none at the end.
func (j *Journal) Read(ctx context.Context, n uint64) ([]JournalEntry, error) {
	j.mu.Lock()
	n = max(n, j.head.Floor)
	j.mu.Unlock()
	for {
		rows, more, err := j.rowsBehind(ctx, n, journalPage)
		if err != nil || len(rows) == 0 {
			return nil, err
		}
		entries, rest := assemble(rows)
		if len(entries) > 0 || !more || rest == n+1 {
			return entries, nil
		}
		n = rest - 1 // a page of parts whose entries were never finished
	}
}

// rowsBehind returns a run of rows without a gap, starting with row n+1 or, if
// that was taken off meanwhile, with the first one left.
func (j *Journal) rowsBehind(ctx context.Context, n uint64, limit int) (rows []journalRow, more bool, err error) {
	page, err := j.all.rows.Query(ctx, table.Query{PK: j.pk, From: rowSK(n + 1), To: claimSK, Limit: limit})
	if err != nil {
		return nil, false, fmt.Errorf("read journal: %w", err)
	}
	for i, found := range page.Rows {
		row, err := decodeJournalRow(found)
		if err != nil {
			return nil, false, err
		}
		if row.n != n+1+uint64(i) {
			break
		}
		rows = append(rows, row)
	}
	j.mu.Lock()
	floor := j.head.Floor
	if len(rows) > 0 {
		j.reach(rows[len(rows)-1]) // one that an append left unheard of
	}
	j.mu.Unlock()
	switch {
	case len(rows) > 0 || len(page.Rows) == 0:
		return rows, page.More || len(rows) < len(page.Rows), nil
	case floor > n:
		return j.rowsBehind(ctx, floor, limit)
	default:
		return nil, false, model.Errorf(model.Corrupt, "read journal", "row %d is missing", n+1)
	}
}

// assemble puts rows together to entries, and returns the first row that
// belongs to none yet. Parts that something else follows are of an append that
// was never finished, and acknowledged to nobody: they are passed over.
func assemble(rows []journalRow) (entries []JournalEntry, rest uint64) {
	var run []journalRow
	for _, row := range rows {
		switch {
		case row.header.Part == 0:
			run = []journalRow{row}
		case len(run) > 0 && row.header.Part == len(run) && row.header.Parts == run[0].header.Parts:
			run = append(run, row)
		default:
			run = nil
		}
		if len(run) > 0 && len(run) == row.header.Parts {
			entries = append(entries, entryOf(run))
			run = nil
		}
	}
	rest = rows[len(rows)-1].n + 1
	if len(run) > 0 {
		rest = run[0].n
	}
	return entries, rest
}

func entryOf(rows []journalRow) JournalEntry {
	last := rows[len(rows)-1]
	e := JournalEntry{
		N: last.n, Kind: last.header.Kind, Received: last.header.Received.Time(), Expires: last.header.Expires.Time(),
		total: last.header.total(), rows: rows,
	}
	for _, r := range rows {
		e.Size += int64(r.header.Size)
	}
	return e
}

// Content opens an entry. model.NotFound means that its time is over (I9).
func (j *Journal) Content(ctx context.Context, e JournalEntry) ([]byte, error) {
	if !j.all.now().Before(e.Expires) {
		return nil, model.Errorf(model.NotFound, "open journal entry", "the entry has expired")
	}
	var content bytes.Buffer
	for _, row := range e.rows {
		plain, err := j.all.seal.Open(ctx, journalDayKey(row.header.Day), j.place(row.n), row.sealed)
		if err != nil {
			return nil, fmt.Errorf("open journal entry: %w", err)
		}
		content.Write(plain)
	}
	return content.Bytes(), nil
}
