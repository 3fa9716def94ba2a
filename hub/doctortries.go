package hub

import (
	"bytes"
	"context"
	"io"
	"strings"
	"time"

	"github.com/channelhub/channelhub/hub/flow/media"
	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/storage/awsconfig"
	"github.com/channelhub/channelhub/hub/storage/blob"
	"github.com/channelhub/channelhub/hub/storage/logsink/cloudwatchsink"
)

// objectLife is the end of the object that the doctor stores: should it die
// before it has removed it, the bucket's lifecycle does.
const objectLife = time.Minute

// objects does with an object of no meaning what the hub does with a file:
// stores it, reads it and removes it, in the client's own place and session.
func (d *doctor) objects(ctx context.Context, name string, place blob.Handle) {
	const text = "doctor"
	key := blob.NewKey()
	if _, err := place.Head(ctx, key); err != nil && !model.Is(err, model.NotFound) {
		d.trouble(name, "s3:GetObject and s3:ListBucket", err)
		return
	}
	if _, err := place.Put(ctx, key, d.now.Add(objectLife+d.patience), strings.NewReader(text)); err != nil {
		d.trouble(name, "s3:PutObject, and kms:GenerateDataKey on the client's key,", err)
		return
	}
	got, err := readObject(ctx, place, key)
	if err != nil {
		d.trouble(name, "s3:GetObject, and kms:Decrypt on the client's key,", err)
	}
	if err := place.Discard(ctx, key); err != nil {
		d.trouble(name, "s3:DeleteObject and s3:ListBucketMultipartUploads", err)
		return
	}
	switch {
	case err != nil: // told
	case !bytes.Equal(got, []byte(text)):
		d.fail(name, "look at what stands between the hub and S3", "an object is not read as it was stored")
	default:
		d.ok(name, "objects can be stored, read and removed")
	}
}

func readObject(ctx context.Context, place blob.Handle, key blob.Key) ([]byte, error) {
	body, _, err := place.Open(ctx, key, blob.Range{})
	if err != nil {
		return nil, err
	}
	defer func() { _ = body.Close() }() // it was read to its end, or failed
	got, err := io.ReadAll(body)
	return got, model.Wrap(model.CodeOf(err), "read blob", err)
}

// logLine writes one line into a stream of the doctor's own.
func (d *doctor) logLine(ctx context.Context, shared *awsconfig.AWS, opts cloudwatchsink.Options) {
	if err := cloudwatchsink.Try(ctx, shared.Config(), opts); err != nil {
		d.trouble("log/permissions", "logs:CreateLogStream and logs:PutLogEvents", err)
		return
	}
	d.ok("log/permissions", "the log can be written")
}

// clamd asks the scanner of files whether it is there.
func (d *doctor) clamd(ctx context.Context) {
	address := d.cfg.Media.Clamd
	if address == "" {
		return
	}
	if err := media.PingClamd(ctx, address); err != nil {
		d.fail("media/clamd", "start clamd, or mend media.clamd: until then files stay pending", "%v", err)
		return
	}
	d.ok("media/clamd", "%s answers", address)
}
