package s3blob

import (
	"bytes"
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/storage/blob/driver"
)

// upload is a multipart upload.
type upload struct {
	d     *S3
	ref   driver.Ref
	id    string
	parts []types.CompletedPart
	done  bool
}

// Begin implements driver.Driver.
func (d *S3) Begin(ctx context.Context, ref driver.Ref, meta driver.Meta) (driver.Upload, error) {
	u := &upload{d: d, ref: ref}
	err := d.do(ctx, "begin upload", ref.Client, func(ctx context.Context, c call) error {
		out, err := d.client.CreateMultipartUpload(ctx, &s3.CreateMultipartUploadInput{
			Bucket: c.bucket(), ExpectedBucketOwner: c.owner(), Key: aws.String(ref.Key), Metadata: metadata(meta),
			ServerSideEncryption: types.ServerSideEncryptionAwsKms, SSEKMSKeyId: c.key(), BucketKeyEnabled: aws.Bool(true),
			ChecksumAlgorithm: types.ChecksumAlgorithmCrc32,
		}, c.with)
		if err == nil {
			u.id = aws.ToString(out.UploadId)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return u, nil
}

// Part implements driver.Upload.
func (u *upload) Part(ctx context.Context, n int, p []byte) error {
	return u.d.do(ctx, "upload part", u.ref.Client, func(ctx context.Context, c call) error {
		out, err := u.d.client.UploadPart(ctx, &s3.UploadPartInput{
			Bucket: c.bucket(), ExpectedBucketOwner: c.owner(), Key: aws.String(u.ref.Key), UploadId: aws.String(u.id),
			PartNumber: aws.Int32(int32(n)), Body: bytes.NewReader(p), ContentLength: aws.Int64(int64(len(p))),
			ChecksumAlgorithm: types.ChecksumAlgorithmCrc32,
		}, c.with)
		if err != nil {
			return err
		}
		part := types.CompletedPart{PartNumber: aws.Int32(int32(n)), ETag: out.ETag, ChecksumCRC32: out.ChecksumCRC32}
		u.parts = append(u.parts[:n-1], part) // a repeat stands for the try before it
		return nil
	})
}

// Commit implements driver.Upload.
func (u *upload) Commit(ctx context.Context) error {
	err := u.d.do(ctx, "complete upload", u.ref.Client, func(ctx context.Context, c call) error {
		_, err := u.d.client.CompleteMultipartUpload(ctx, &s3.CompleteMultipartUploadInput{
			Bucket: c.bucket(), ExpectedBucketOwner: c.owner(), Key: aws.String(u.ref.Key), UploadId: aws.String(u.id),
			MultipartUpload: &types.CompletedMultipartUpload{Parts: u.parts}, IfNoneMatch: aws.String("*"),
		}, c.with)
		return err
	})
	u.done = u.done || err == nil
	return err
}

// Abort implements driver.Upload.
func (u *upload) Abort(ctx context.Context) error {
	if u.done {
		return nil
	}
	err := u.d.do(ctx, "abort upload", u.ref.Client, func(ctx context.Context, c call) error {
		return u.d.abort(ctx, c, u.ref.Key, u.id)
	})
	u.done = err == nil
	return err
}

func (d *S3) abort(ctx context.Context, c call, key, id string) error {
	_, err := d.client.AbortMultipartUpload(ctx, &s3.AbortMultipartUploadInput{
		Bucket: c.bucket(), ExpectedBucketOwner: c.owner(), Key: aws.String(key), UploadId: aws.String(id),
	}, c.with)
	if model.Is(coded("abort upload", err), model.NotFound) {
		return nil
	}
	return err
}

// Abandon implements driver.Driver. One page is enough: a key is tried by one
// caller at a time, and what is left is found at the next call.
func (d *S3) Abandon(ctx context.Context, ref driver.Ref) error {
	return d.rid(ctx, "abandon uploads", ref.Client, func(ctx context.Context, c call) error {
		out, err := d.client.ListMultipartUploads(ctx, &s3.ListMultipartUploadsInput{
			Bucket: c.bucket(), ExpectedBucketOwner: c.owner(), Prefix: aws.String(ref.Key),
		}, c.with)
		if err != nil {
			return err
		}
		for _, left := range out.Uploads {
			if err := d.abort(ctx, c, aws.ToString(left.Key), aws.ToString(left.UploadId)); err != nil {
				return err
			}
		}
		return nil
	})
}
