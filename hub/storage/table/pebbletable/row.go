package pebbletable

import (
	"encoding/binary"
	"time"

	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/storage/table/driver"
)

// A stored value is a header, version and expiry in Unix seconds, and then the
// row's value. There is no checksum: Pebble has one per block and WAL record.
const (
	versionLen = len(driver.ID{})
	headerLen  = versionLen + 8
)

func putHeader(dst []byte, id driver.ID, expires time.Time) {
	copy(dst, id[:])
	binary.BigEndian.PutUint64(dst[versionLen:], uint64(unixSeconds(expires)))
}

// unixSeconds is 0 for the zero time: a row that never expires.
func unixSeconds(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.Unix()
}

// stored is the raw form of a row, read but not copied.
type stored struct {
	version driver.ID
	seconds int64 // 0: never expires
	value   []byte
}

func parseStored(b []byte) (stored, error) {
	if len(b) < headerLen {
		return stored{}, model.Errorf(model.Corrupt, "decode row", "a stored row is shorter than its header")
	}
	return stored{
		version: driver.ID(b[:versionLen]),
		seconds: int64(binary.BigEndian.Uint64(b[versionLen:headerLen])),
		value:   b[headerLen:],
	}, nil
}

// row copies the stored form, so that the receiver owns all of it.
func (s stored) row(k driver.Key) driver.Row {
	r := driver.Row{Key: k, Value: append([]byte{}, s.value...), Version: s.version}
	if s.seconds != 0 {
		r.Expires = time.Unix(s.seconds, 0).UTC()
	}
	return r
}
