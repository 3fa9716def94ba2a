package blob

import (
	"context"
	"io"

	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/storage/blob/driver"
)

// Open returns the bytes of a range, and what is known of the whole blob. The
// caller closes the reader; the end of the context ends it too. A key that is
// unknown, another client's or past its end is model.NotFound; an offset
// behind the last byte is model.Invalid, but for offset 0 of an empty blob. A
// length of 0 means to the end, and one beyond the end is cut there.
func (h Handle) Open(ctx context.Context, key Key, r Range) (io.ReadCloser, Info, error) {
	const op = "open blob"
	if !key.Valid() {
		return nil, Info{}, none(op)
	}
	if r.Offset < 0 || r.Length < 0 {
		return nil, Info{}, model.Errorf(model.Invalid, op, "a range has no negative numbers")
	}
	var body io.ReadCloser
	var info driver.Info
	err := do(ctx, op, func() (err error) {
		body, info, err = h.store.driver.Open(ctx, h.ref(key), r)
		return err
	})
	if err != nil {
		return nil, Info{}, err
	}
	if h.expired(info) {
		_ = body.Close() // nothing was read and nothing will be
		return nil, Info{}, none(op)
	}
	return body, Info{Size: info.Size, Expires: info.Expires}, nil
}
