package store

import (
	"encoding/binary"
	"slices"
	"time"

	"github.com/channelhub/channelhub/hub/model"
)

const (
	// maxMarks keeps a consumer's row under 1 KiB: for what is kept a day, a
	// consumer that never rests is known to a quarter of an hour.
	maxMarks = 96
	// defaultMarkLife is for stores that were not told.
	defaultMarkLife = 24 * time.Hour
)

// Mark is where a consumer was, in each of the client's feed logs, and when it
// got there. Nobody changes the slice in it.
type Mark struct {
	Marks []Position
	At    time.Time
}

// ReadAt returns when the consumer first stood at or past a place of a feed
// log; false when it never did.
func (k Consumer) ReadAt(shard int, behind Position) (time.Time, bool) {
	i, _ := slices.BinarySearchFunc(k.History, behind, func(m Mark, p Position) int {
		if m.Marks[shard].Less(p) {
			return -1
		}
		return 1
	})
	if i == len(k.History) {
		return time.Time{}, false
	}
	return k.History[i].At, true
}

// remember adds a mark. Of the marks that no longer matter the newest stays,
// since all before it is over. When there are too many, the two that lie
// closest in time become one, the later place at the earlier time: something
// may end a little before its time, and never after.
func (c *Client) remember(history []Mark, m Mark) []Mark {
	over := m.At.Add(-c.marks(c.ID))
	for len(history) > 1 && !history[1].At.After(over) {
		history = history[1:]
	}
	history = append(slices.Clone(history), m)
	if len(history) > maxMarks {
		at := 1
		for i := 2; i < len(history); i++ {
			if history[i].At.Sub(history[i-1].At) < history[at].At.Sub(history[at-1].At) {
				at = i
			}
		}
		history[at].At = history[at-1].At
		history = slices.Delete(history, at-1, at)
	}
	return history
}

// appendMarks spells marks as differences, in a few bytes each.
func appendMarks(b []byte, history []Mark) []byte {
	var at Milli
	var n []uint64
	for _, m := range history {
		if n == nil {
			n = make([]uint64, len(m.Marks))
		}
		b = binary.AppendVarint(b, int64(Millis(m.At)-at))
		at = Millis(m.At)
		for i, p := range m.Marks {
			b = binary.AppendUvarint(b, p.N-n[i])
			b = binary.AppendUvarint(b, uint64(p.Index))
			n[i] = p.N
		}
	}
	return b
}

func readMarks(b []byte, shards int) ([]Mark, error) {
	bad := model.Errorf(model.Corrupt, "read consumer", "its marks are cut off")
	var history []Mark
	var at int64
	n := make([]uint64, shards)
	for len(b) > 0 {
		d, used := binary.Varint(b)
		if used <= 0 {
			return nil, bad
		}
		b, at = b[used:], at+d
		m := Mark{Marks: make([]Position, shards), At: Milli(at).Time()}
		for i := range m.Marks {
			step, used := binary.Uvarint(b)
			if used <= 0 {
				return nil, bad
			}
			b = b[used:]
			index, used := binary.Uvarint(b)
			if used <= 0 || index > maxBatch {
				return nil, bad
			}
			b = b[used:]
			n[i] += step
			m.Marks[i] = Position{N: n[i], Index: int(index)}
		}
		history = append(history, m)
	}
	return history, nil
}
