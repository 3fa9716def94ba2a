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
	// packAbove is the size from which compressing pays where the rest of the
	// row is not known: below it, a row fits one billed KiB anyway.
	packAbove = 512
	// billed is what rows are billed by, and keep small for.
	billed = 1 << 10
	// sealedOverhead is what a row has besides its keys and what the caller
	// knows of: packing, nonce and tag, and the store's names for its parts.
	sealedOverhead = 64
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

// pack compresses what is worth it. A row that fits one billed KiB costs the
// same however small it is, so there nothing is won, and on the way of every
// message compressing is the dearest part of sealing.
func (p Place) pack(plain []byte) []byte {
	if p.Beside > 0 && len(p.PK)+len(p.SK)+p.Beside+sealedOverhead+len(plain) <= billed {
		return unpacked(plain)
	}
	return pack(plain)
}

// pack compresses what is large. Compression comes before sealing: sealed
// bytes do not compress.
func pack(plain []byte) []byte {
	if len(plain) > packAbove {
		if small, ok := deflate(plain); ok {
			return small
		}
	}
	return unpacked(plain)
}

func unpacked(plain []byte) []byte { return append([]byte{packedPlain}, plain...) }

// inflaters are kept because a new one takes 40 KiB.
var inflaters = sync.Pool{New: func() any { return flate.NewReader(bytes.NewReader(nil)) }}

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
		return inflate(packed[1:])
	}
	return nil, model.Errorf(model.Corrupt, "unpack record", "unknown packing %d", packed[0])
}

func inflate(small []byte) ([]byte, error) {
	r, ok := inflaters.Get().(interface {
		io.Reader
		flate.Resetter
	})
	if !ok {
		return nil, model.Errorf(model.Internal, "unpack record", "the decompressor cannot be used again")
	}
	defer inflaters.Put(r)
	if err := r.Reset(bytes.NewReader(small), nil); err != nil {
		return nil, model.Wrap(model.Corrupt, "unpack record", err)
	}
	plain, err := io.ReadAll(io.LimitReader(r, MaxRecord+1))
	if err != nil {
		return nil, model.Wrap(model.Corrupt, "unpack record", err)
	}
	if len(plain) > MaxRecord {
		return nil, model.Errorf(model.Corrupt, "unpack record", "the record grows beyond %d bytes", MaxRecord)
	}
	return plain, nil
}
