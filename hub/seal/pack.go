package seal

import (
	"bytes"
	"compress/flate"
	"io"
	"sync"

	"github.com/channelhub/channelhub/hub/model"
)

// The first byte of a packed record says how the rest is held.
const (
	packedPlain = 0
	packedFlate = 1
)

const (
	// packAbove is the size from which compressing pays: below it, a row fits
	// one billed KiB anyway.
	packAbove = 512
	// MaxRecord is the most bytes of one record before it is compressed: ten
	// times the largest row, so that nothing stored grows without bound.
	MaxRecord = 10 * 350 << 10
)

var deflaters = sync.Pool{New: func() any {
	w, err := flate.NewWriter(io.Discard, flate.BestSpeed)
	if err != nil {
		panic(err) // the level is a constant of the package
	}
	return w
}}

// pack compresses what is worth it. Compression comes before sealing: sealed
// bytes do not compress.
func pack(plain []byte) []byte {
	if len(plain) > packAbove {
		if small, ok := deflate(plain); ok {
			return small
		}
	}
	return append([]byte{packedPlain}, plain...)
}

func deflate(plain []byte) ([]byte, bool) {
	w, ok := deflaters.Get().(*flate.Writer)
	if !ok {
		return nil, false
	}
	defer deflaters.Put(w)
	buf := bytes.NewBuffer(make([]byte, 0, len(plain)))
	buf.WriteByte(packedFlate)
	w.Reset(buf)
	if _, err := w.Write(plain); err != nil {
		return nil, false
	}
	if err := w.Close(); err != nil || buf.Len() > len(plain) {
		return nil, false
	}
	return buf.Bytes(), true
}

func unpack(packed []byte) ([]byte, error) {
	if len(packed) == 0 {
		return nil, model.Errorf(model.Corrupt, "unpack record", "the record is empty")
	}
	switch packed[0] {
	case packedPlain:
		return packed[1:], nil
	case packedFlate:
		r := flate.NewReader(bytes.NewReader(packed[1:]))
		plain, err := io.ReadAll(io.LimitReader(r, MaxRecord+1))
		if err != nil {
			return nil, model.Wrap(model.Corrupt, "unpack record", err)
		}
		if len(plain) > MaxRecord {
			return nil, model.Errorf(model.Corrupt, "unpack record", "the record grows beyond %d bytes", MaxRecord)
		}
		return plain, nil
	}
	return nil, model.Errorf(model.Corrupt, "unpack record", "unknown packing %d", packed[0])
}
