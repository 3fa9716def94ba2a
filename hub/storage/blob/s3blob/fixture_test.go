package s3blob_test

import (
	"context"
	"crypto/rand"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/storage/awsconfig"
	"github.com/channelhub/channelhub/hub/storage/blob"
	"github.com/channelhub/channelhub/hub/storage/blob/driver"
	"github.com/channelhub/channelhub/hub/storage/blob/drivertest"
	"github.com/channelhub/channelhub/hub/storage/blob/s3blob"
	"github.com/channelhub/channelhub/internal/awslocal"
)

// world is a server with the buckets of two clients.
type world struct {
	server  *awslocal.S3Server
	buckets map[model.ClientID]s3blob.Bucket
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{server: awslocal.S3(t), buckets: map[model.ClientID]s3blob.Bucket{}}
	for _, id := range []model.ClientID{"acme", "globex"} {
		b := s3blob.Bucket{
			Name: "channelhub-" + strings.ToLower(rand.Text()), Owner: w.server.Account,
			KeyID: "arn:aws:kms:eu-west-1:" + w.server.Account + ":key/" + string(id),
		}
		if _, err := w.raw().CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: aws.String(b.Name)}); err != nil {
			t.Fatalf("create bucket: %v", err)
		}
		w.buckets[id] = b
	}
	return w
}

func config(access, secret string) aws.Config {
	return aws.Config{Region: "eu-west-1", Credentials: credentials.NewStaticCredentialsProvider(access, secret, "")}
}

// raw is the SDK's client, for what a driver does not do.
func (w *world) raw() *s3.Client {
	return s3.NewFromConfig(config(w.server.Access, w.server.Secret), func(o *s3.Options) {
		o.BaseEndpoint, o.UsePathStyle = aws.String(w.server.Endpoint), true
	})
}

func (w *world) resolve(_ context.Context, id model.ClientID) (s3blob.Bucket, error) {
	b, ok := w.buckets[id]
	if !ok {
		return s3blob.Bucket{}, model.Errorf(model.NotFound, "find bucket", "there is none")
	}
	return b, nil
}

func (w *world) open(opts *s3blob.Options) *s3blob.S3 {
	if opts == nil {
		opts = &s3blob.Options{}
	}
	opts.Endpoint = w.server.Endpoint
	return s3blob.New(config(w.server.Access, w.server.Secret), w.resolve, opts)
}

// clients is a function as Sessions.
type clients func(awsconfig.ClientScope) aws.CredentialsProvider

func (c clients) ForClient(scope awsconfig.ClientScope) aws.CredentialsProvider { return c(scope) }

func (w *world) port(opts *s3blob.Options) *blob.Store { return blob.New(w.open(opts), nil) }

// unfinished counts multipart uploads.
func (w *world) unfinished(t *testing.T) int {
	t.Helper()
	n := 0
	for _, b := range w.buckets {
		out, err := w.raw().ListMultipartUploads(t.Context(), &s3.ListMultipartUploadsInput{Bucket: aws.String(b.Name)})
		if err != nil {
			t.Fatalf("list uploads: %v", err)
		}
		n += len(out.Uploads)
	}
	return n
}

func TestConformance(t *testing.T) {
	drivertest.Run(t, func(t *testing.T) drivertest.Place {
		w := newWorld(t)
		return drivertest.Place{
			Open:       func(*testing.T) driver.Driver { return w.open(nil) },
			Unfinished: w.unfinished,
		}
	})
}
