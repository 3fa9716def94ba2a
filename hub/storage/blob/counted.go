package blob

import (
	"context"
	"io"

	"github.com/channelhub/channelhub/hub/storage/blob/driver"
)

// Counted returns a driver that tells note of each request before it asks d,
// repeats included, since each is billed: "put", "begin", "part", "commit",
// "abort", "open", "head", "delete" or "abandon". Signing asks nobody. It
// owns d.
func Counted(d driver.Driver, note func(call string)) driver.Driver { return counted{d, note} }

type counted struct {
	driver.Driver
	note func(call string)
}

func (c counted) Put(ctx context.Context, ref driver.Ref, meta driver.Meta, body []byte) error {
	c.note("put")
	return c.Driver.Put(ctx, ref, meta, body)
}

func (c counted) Begin(ctx context.Context, ref driver.Ref, meta driver.Meta) (driver.Upload, error) {
	c.note("begin")
	u, err := c.Driver.Begin(ctx, ref, meta)
	if err != nil {
		return nil, err
	}
	return countedUpload{u, c.note}, nil
}

func (c counted) Open(ctx context.Context, ref driver.Ref, r driver.Range) (io.ReadCloser, driver.Info, error) {
	c.note("open")
	return c.Driver.Open(ctx, ref, r)
}

func (c counted) Head(ctx context.Context, ref driver.Ref) (driver.Info, error) {
	c.note("head")
	return c.Driver.Head(ctx, ref)
}

func (c counted) Delete(ctx context.Context, ref driver.Ref) error {
	c.note("delete")
	return c.Driver.Delete(ctx, ref)
}

func (c counted) Abandon(ctx context.Context, ref driver.Ref) error {
	c.note("abandon")
	return c.Driver.Abandon(ctx, ref)
}

type countedUpload struct {
	driver.Upload
	note func(call string)
}

func (c countedUpload) Part(ctx context.Context, n int, p []byte) error {
	c.note("part")
	return c.Upload.Part(ctx, n, p)
}

func (c countedUpload) Commit(ctx context.Context) error {
	c.note("commit")
	return c.Upload.Commit(ctx)
}

func (c countedUpload) Abort(ctx context.Context) error {
	c.note("abort")
	return c.Upload.Abort(ctx)
}
