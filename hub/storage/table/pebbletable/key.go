package pebbletable

import (
	"encoding/binary"
	"math"
	"strings"

	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/storage/table/driver"
)

// Keyspaces, by the first byte of a stored key.
const (
	formatSpace = 'f' // one row: the format of everything else
	rowSpace    = 'r' // partition key, sort key -> version, expiry, value
	expirySpace = 'x' // expiry minute, row key -> nothing
)

// A partition key is written with every zero byte escaped and then an end, so
// that no partition is a prefix of another and the byte order of keys is that
// of (PK, SK). The sort key follows as it is, because nothing comes after it.
const (
	escape    = 0x00
	escaped   = 0xff // after escape: a zero byte of the key
	keyEnd    = 0x01 // after escape: the end of the key
	afterEnd  = 0x02 // after escape: sorts behind every row of the partition
	expiryLen = 1 + 8
)

// appendPartition writes the escaped partition key without its end.
func appendPartition(dst []byte, pk string) []byte {
	dst = append(dst, rowSpace)
	for {
		before, after, zero := strings.Cut(pk, "\x00")
		dst = append(dst, before...)
		if !zero {
			return dst
		}
		dst = append(dst, escape, escaped)
		pk = after
	}
}

// rowKey is the stored key of a row.
func rowKey(k driver.Key) []byte {
	dst := make([]byte, 0, len(k.PK)+len(k.SK)+8)
	dst = append(appendPartition(dst, k.PK), escape, keyEnd)
	return append(dst, k.SK...)
}

// partitionEnd sorts behind every row of the partition and before every row of
// the next.
func partitionEnd(pk string) []byte {
	return append(appendPartition(make([]byte, 0, len(pk)+8), pk), escape, afterEnd)
}

// parseRowKey undoes rowKey.
func parseRowKey(b []byte) (driver.Key, error) {
	if len(b) == 0 || b[0] != rowSpace {
		return driver.Key{}, errKey
	}
	var pk strings.Builder
	for i := 1; i < len(b); i++ {
		if b[i] != escape {
			pk.WriteByte(b[i])
			continue
		}
		i++
		switch {
		case i < len(b) && b[i] == escaped:
			pk.WriteByte(0)
		case i < len(b) && b[i] == keyEnd:
			return driver.Key{PK: pk.String(), SK: string(b[i+1:])}, nil
		default:
			return driver.Key{}, errKey
		}
	}
	return driver.Key{}, errKey
}

var errKey = model.Errorf(model.Corrupt, "decode key", "a stored key has no valid form")

// expiryKey is the key of a row's entry in the expiry index. Entries are in
// order of the minute, so a sweep reads exactly what is due.
func expiryKey(seconds int64, row []byte) []byte {
	dst := make([]byte, 0, expiryLen+len(row))
	return append(appendMinute(dst, minuteOf(seconds)), row...)
}

func appendMinute(dst []byte, minute uint64) []byte {
	return binary.BigEndian.AppendUint64(append(dst, expirySpace), minute)
}

// minuteOf is the minute of an instant after the start of 1970.
func minuteOf(seconds int64) uint64 { return uint64(max(seconds, 0)) / 60 }

// dueBounds are the bounds of all index entries up to and with a minute.
func dueBounds(minute uint64) (lower, upper []byte) {
	lower = appendMinute(nil, 0)
	if minute == math.MaxUint64 {
		return lower, []byte{expirySpace + 1}
	}
	return lower, appendMinute(nil, minute+1)
}

// parseExpiryKey undoes expiryKey. The row key is part of b.
func parseExpiryKey(b []byte) (minute uint64, row []byte, err error) {
	if len(b) <= expiryLen || b[0] != expirySpace {
		return 0, nil, errKey
	}
	return binary.BigEndian.Uint64(b[1:expiryLen]), b[expiryLen:], nil
}
