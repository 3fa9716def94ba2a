package store

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/seal"
	"github.com/channelhub/channelhub/hub/storage/table"
	"github.com/channelhub/channelhub/internal/failpoint"
)

const (
	// journalPart is how much of an entry lies in one row: with its seal and
	// header it stays below the largest value of the table port.
	journalPart = 256 << 10
	// An appender writes what waits in one commit, within these bounds. An
	// entry of more bytes has a batch to itself, and takes two commits.
	journalBatchRows  = 64
	journalBatchBytes = 12 * journalPart
	// journalConflicts bounds how often a batch is written anew behind another
	// hub's rows.
	journalConflicts = 20
)

// JournalKind says what an entry is.
type JournalKind string

// The kinds of entry.
const (
	JournalRequest JournalKind = "request" // a provider's HTTP request
	JournalFrame   JournalKind = "frame"   // a browser's socket frame
)

// NewJournalEntry is what Append takes in. Content is not kept in memory.
type NewJournalEntry struct {
	Kind     JournalKind
	Received time.Time
	Expires  time.Time
	Content  []byte
}

func (e NewJournalEntry) count() JournalCount { return JournalCount{1, int64(len(e.Content))} }

func (e NewJournalEntry) parts() int { return max(1, (len(e.Content)+journalPart-1)/journalPart) }

type journalAppend struct {
	NewJournalEntry
	err  error
	done chan struct{}
}

// Append puts an entry at the end of the journal and returns once it is
// durable (I1). While as much as limit waits, it takes nothing in and answers
// model.Unavailable. After any other error the entry may be there all the
// same; whoever repeats it then is in the journal twice, which the events'
// dedupe keys make harmless.
func (j *Journal) Append(ctx context.Context, e NewJournalEntry, limit JournalCount) error {
	p := &journalAppend{NewJournalEntry: e, done: make(chan struct{})}
	j.mu.Lock()
	if then := j.waiting().plus(e.count()); then.Entries > limit.Entries || then.Bytes > limit.Bytes {
		j.mu.Unlock()
		return &model.Error{
			Code: model.Unavailable, Op: "append to journal", RetryAfter: time.Minute,
			Detail: "The connector of this channel is away, and as much waits for it as may.",
		}
	}
	j.promised = j.promised.plus(e.count())
	j.queue = append(j.queue, p)
	if !j.leading {
		j.leading = true
		j.all.busy.Add(1)
		// The batch outlives the caller that happens to lead it.
		go j.lead(context.WithoutCancel(ctx))
	}
	j.mu.Unlock()
	select {
	case <-p.done:
		return p.err
	case <-ctx.Done():
		return model.Wrap(model.Unavailable, "append to journal", context.Cause(ctx))
	}
}

// lead writes rows until nobody waits. One leader at a time: what arrives
// while a commit is being synced shares the next one.
func (j *Journal) lead(ctx context.Context) {
	defer j.all.busy.Done()
	for {
		batch := j.take()
		if len(batch) == 0 {
			return
		}
		ctx, cancel := context.WithTimeout(ctx, appendTimeout)
		last, err := j.write(ctx, batch)
		cancel()
		j.mu.Lock()
		for _, p := range batch {
			j.promised = j.promised.minus(p.count())
		}
		if err == nil {
			j.reach(last)
		} else {
			j.stale = true
		}
		j.mu.Unlock()
		for _, p := range batch {
			p.err = err
			close(p.done)
		}
	}
}

// take removes what the next commit will carry from the queue, at least one
// entry; nothing ends the leader.
func (j *Journal) take() []*journalAppend {
	j.mu.Lock()
	defer j.mu.Unlock()
	n, rows, bytes := 0, 0, 0
	for n < len(j.queue) {
		rows += j.queue[n].parts()
		bytes += len(j.queue[n].Content)
		if n > 0 && (rows > journalBatchRows || bytes > journalBatchBytes) {
			break
		}
		n++
	}
	batch := j.queue[:n:n]
	j.queue = j.queue[n:]
	j.leading = n > 0
	return batch
}

// write puts the batch behind the newest row and returns the last row it
// wrote. A batch of several commits is one entry: only its last row completes
// it, so a crash in between leaves nothing that anybody reads.
func (j *Journal) write(ctx context.Context, batch []*journalAppend) (journalRow, error) {
	atOnce := journalBatchRows
	if len(batch) == 1 {
		atOnce = journalBatchBytes / journalPart
	}
	for tries := range journalConflicts {
		if tries > 1 {
			// Hubs that lose again and again make room for each other.
			select {
			case <-time.After(rand.N(time.Duration(tries) * time.Millisecond)):
			case <-ctx.Done():
				return journalRow{}, model.Wrap(model.Unavailable, "append to journal", context.Cause(ctx))
			}
		}
		if err := j.Refresh(ctx); err != nil {
			return journalRow{}, err
		}
		rows, last, err := j.encode(ctx, batch)
		if err != nil {
			return journalRow{}, err
		}
		failpoint.Hit("journal.before_append")
		conflict, err := j.commit(ctx, rows, atOnce)
		if err != nil {
			return journalRow{}, fmt.Errorf("append to journal: %w", err)
		}
		if !conflict {
			failpoint.Hit("journal.after_append")
			return last, nil
		}
		j.mu.Lock()
		j.stale = true
		j.mu.Unlock()
	}
	return journalRow{}, model.Errorf(model.Unavailable, "append to journal", "other hubs keep writing to this journal")
}

// commit writes rows, at most so many in one commit. Conflict reports that
// another hub's row was in the way.
func (j *Journal) commit(ctx context.Context, rows []table.Op, atOnce int) (conflict bool, err error) {
	for part := range slices.Chunk(rows, atOnce) {
		if _, err := j.all.rows.Commit(ctx, part...); err != nil {
			if _, conflict := conflictOf(err); conflict {
				return true, nil
			}
			return false, err
		}
	}
	return false, nil
}

// encode seals the batch as the rows behind the tail.
func (j *Journal) encode(ctx context.Context, batch []*journalAppend) ([]table.Op, journalRow, error) {
	j.mu.Lock()
	tail := j.tail
	j.mu.Unlock()
	day, key, err := j.all.dayKey(ctx, tail.day)
	if err != nil {
		return nil, journalRow{}, err
	}
	var rows []table.Op
	last := journalRow{n: tail.n}
	total := tail.total
	for _, e := range batch {
		parts := e.parts()
		for part := range parts {
			content := e.Content[part*journalPart : min((part+1)*journalPart, len(e.Content))]
			total.Bytes += int64(len(content))
			if part == parts-1 {
				total.Entries++
			}
			last = journalRow{n: last.n + 1, header: journalHeader{
				Kind: e.Kind, Part: part, Parts: parts, Size: len(content),
				Received: Millis(e.Received), Expires: Millis(e.Expires), Day: day,
				Entries: total.Entries, Bytes: total.Bytes,
			}}
			value, err := j.seal(ctx, key, last, content)
			if err != nil {
				return nil, journalRow{}, err
			}
			rows = append(rows, table.Put(j.pk, rowSK(last.n), value).IfAbsent())
		}
	}
	return rows, last, nil
}

func (j *Journal) seal(ctx context.Context, key seal.KeyID, row journalRow, content []byte) ([]byte, error) {
	value, err := encodePlain(journalSchema, row.header)
	if err != nil {
		return nil, err
	}
	sealed, err := j.all.seal.Seal(ctx, key, j.place(row.n), content)
	if err != nil {
		return nil, fmt.Errorf("seal journal entry: %w", err)
	}
	return append(value, sealed...), nil
}

func (j *Journal) place(n uint64) seal.Place {
	return seal.Place{PK: hubRoot + j.pk, SK: rowSK(n), Schema: journalSchema}
}
