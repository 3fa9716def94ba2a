package main

import (
	"bytes"
	"context"
	"encoding/hex"
	"io"
	"sync"

	"github.com/rclone/gofakes3"
	"github.com/rclone/gofakes3/s3mem"
)

// atomic judges a conditional write and makes it in one step, as S3 does.
type atomic struct {
	*s3mem.Backend
	mu sync.Mutex
}

// PutObject implements gofakes3.Backend.
func (a *atomic) PutObject(ctx context.Context, bucket, object string, meta map[string]string, in io.Reader, size int64) (gofakes3.PutObjectResult, error) {
	// The body is read before the lock is taken: a client may be slow.
	body, err := gofakes3.ReadAll(in, size)
	if err != nil {
		return gofakes3.PutObjectResult{}, err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if gofakes3.HasWriteConditions(ctx) {
		found, err := a.HeadObject(ctx, bucket, object)
		if err != nil && !gofakes3.HasErrorCode(err, gofakes3.ErrNoSuchKey) {
			return gofakes3.PutObjectResult{}, err
		}
		if err := gofakes3.CheckWriteConditions(ctx, err == nil, etag(found)); err != nil {
			return gofakes3.PutObjectResult{}, err
		}
	}
	return a.Backend.PutObject(ctx, bucket, object, meta, bytes.NewReader(body), size)
}

func etag(o *gofakes3.Object) string {
	if o == nil {
		return ""
	}
	return hex.EncodeToString(o.Hash)
}
