package s3blob

import (
	"context"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/storage/blob/driver"
)

// Sign implements driver.Driver. A URL dies with the session that signed it,
// so the session must outlive it: one that would not is fetched anew, and one
// that still would not is refused.
func (d *S3) Sign(ctx context.Context, ref driver.Ref, s driver.Signing) (string, error) {
	const op = "sign url"
	ctx, cancel := context.WithTimeout(ctx, d.opts.CallTimeout)
	defer cancel()
	c, err := d.prepare(ctx, ref.Client)
	if err != nil {
		return "", err
	}
	session, err := d.session(ctx, c, s.At.Add(s.TTL))
	if err != nil {
		return "", err
	}
	sign := s3.NewPresignClient(d.client, s3.WithPresignExpires(s.TTL), s3.WithPresignClientFromClientOptions(c.with, func(o *s3.Options) {
		o.Credentials = session
	}), func(o *s3.PresignOptions) { o.Presigner = signer{at: s.At, v4: newSigner()} })
	out, err := sign.PresignGetObject(ctx, &s3.GetObjectInput{
		Bucket: c.bucket(), ExpectedBucketOwner: c.owner(), Key: aws.String(ref.Key),
		ResponseContentType:        aws.String(s.Response.ContentType),
		ResponseContentDisposition: aws.String(s.Response.ContentDisposition),
		// A person's browser keeps no copy that outlives the blob.
		ResponseCacheControl: aws.String("private, no-store"),
	})
	if err != nil {
		return "", coded(op, err)
	}
	return out.URL, nil
}

// session returns credentials that are good until the given time.
func (d *S3) session(ctx context.Context, c call, until time.Time) (aws.CredentialsProvider, error) {
	const op = "find a session to sign with"
	o := d.client.Options()
	c.with(&o)
	for fresh := false; ; fresh = true {
		got, err := o.Credentials.Retrieve(ctx)
		if err != nil {
			return nil, coded(op, err)
		}
		if !got.CanExpire || got.Expires.After(until) {
			return aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) { return got, nil }), nil
		}
		cache, ok := o.Credentials.(interface{ Invalidate() })
		if !ok || fresh {
			return nil, model.Errorf(model.Unavailable, op, "the session ends before the URL would")
		}
		cache.Invalidate()
	}
}

// signer signs as of a time that the port has chosen.
type signer struct {
	at time.Time
	v4 *v4.Signer
}

func newSigner() *v4.Signer {
	return v4.NewSigner(func(o *v4.SignerOptions) { o.DisableURIPathEscaping = true }) // S3's own way
}

// PresignHTTP implements s3.HTTPPresignerV4.
func (s signer) PresignHTTP(ctx context.Context, session aws.Credentials, r *http.Request, payload, service, region string, _ time.Time, opts ...func(*v4.SignerOptions)) (string, http.Header, error) {
	return s.v4.PresignHTTP(ctx, session, r, payload, service, region, s.at, opts...)
}
