package blob

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"io"
	"time"

	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/storage/blob/driver"
)

// abortTimeout bounds the clearing away after a Put that failed, which goes on
// when the caller has left.
const abortTimeout = 10 * time.Second

// Put writes what body yields until io.EOF, however much that is, and returns
// its size. The blob is durable and readable when Put returns, whole, and not
// at all after an error: of body, of the context or of the store. A key that is
// taken is model.Precondition or, while another Put is at it, model.Conflicting.
// Expires lies in the future and is kept to the millisecond.
func (h Handle) Put(ctx context.Context, key Key, expires time.Time, body io.Reader) (int64, error) {
	const op = "put blob"
	if !key.Valid() {
		return 0, model.Errorf(model.Invalid, op, "this is no key made by NewKey")
	}
	if !expires.After(h.store.now()) {
		return 0, model.Errorf(model.Invalid, op, "a blob ends in the future")
	}
	p := put{h: h, ref: h.ref(key), meta: driver.Meta{Expires: expires.Truncate(time.Millisecond)}}
	_, _ = rand.Read(p.meta.Stamp[:]) // never fails: crypto/rand ends the process instead

	in := &ending{ctx: ctx, r: body}
	var part bytes.Buffer
	last, err := fill(&part, in)
	if err != nil {
		return 0, model.Wrap(model.CodeOf(err), op, err)
	}
	if last {
		return int64(part.Len()), p.whole(ctx, op, part.Bytes())
	}
	n, err := p.parts(ctx, op, &part, in)
	if err != nil {
		return 0, err
	}
	return n, nil
}

// put is one Put.
type put struct {
	h    Handle
	ref  driver.Ref
	meta driver.Meta
}

// whole writes what fits into one part.
func (p put) whole(ctx context.Context, op string, body []byte) error {
	return p.once(ctx, op, func() error { return p.h.store.driver.Put(ctx, p.ref, p.meta, body) })
}

// parts writes what does not, beginning with the first part, which is read.
func (p put) parts(ctx context.Context, op string, part *bytes.Buffer, in io.Reader) (total int64, err error) {
	var up driver.Upload
	err = do(ctx, op, func() (err error) {
		up, err = p.h.store.driver.Begin(ctx, p.ref, p.meta)
		return err
	})
	if err != nil {
		return 0, err
	}
	defer func() {
		if err == nil {
			return
		}
		end, cancel := context.WithTimeout(context.WithoutCancel(ctx), abortTimeout)
		defer cancel()
		if failed := do(end, "clear away", func() error { return up.Abort(end) }); failed != nil {
			err = model.Wrap(model.CodeOf(err), op, errors.Join(err, failed))
		}
	}()
	for n, last := 1, false; ; n++ {
		if err := do(ctx, op, func() error { return up.Part(ctx, n, part.Bytes()) }); err != nil {
			return 0, err
		}
		total += int64(part.Len())
		if last {
			break
		}
		part.Reset()
		if last, err = fill(part, in); err != nil {
			return 0, model.Wrap(model.CodeOf(err), op, err)
		}
		if part.Len() == 0 {
			break
		}
	}
	return total, p.once(ctx, op, func() error { return up.Commit(ctx) })
}

// once makes the step that lets the blob be there, and sorts out a repeat that
// meets its own first try.
func (p put) once(ctx context.Context, op string, step func() error) error {
	unsure := false
	return do(ctx, op, func() error {
		err := step()
		if unsure && (model.Is(err, model.Precondition) || model.Is(err, model.NotFound)) {
			found, looked := p.h.store.driver.Head(ctx, p.ref)
			if looked == nil && found.Stamp == p.meta.Stamp {
				return nil
			}
			if looked != nil && !model.Is(looked, model.NotFound) {
				return looked
			}
		}
		unsure = unsure || model.Is(err, model.Unavailable)
		return err
	})
}

// fill reads one part and reports whether the end came with it. The buffer
// grows with what is read, so that a small blob takes little memory.
func fill(part *bytes.Buffer, in io.Reader) (last bool, err error) {
	n, err := io.Copy(part, io.LimitReader(in, driver.PartBytes))
	return n < driver.PartBytes, err
}

// ending is a reader that fails once its context has ended: a body that goes on
// for ever must not outlive its caller.
type ending struct {
	ctx context.Context //nolint:containedctx // lives no longer than the Put that it is made in
	r   io.Reader
}

func (e *ending) Read(p []byte) (int, error) {
	if err := e.ctx.Err(); err != nil {
		return 0, model.Wrap(model.Unavailable, "read body", err)
	}
	return e.r.Read(p)
}
