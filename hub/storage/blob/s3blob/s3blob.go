// Package s3blob keeps blobs in S3, each client's in a private bucket of its
// own.
//
// The bucket of a client has a name that nobody can guess; Resolve looks it up
// where it was noted when the bucket was provisioned. Every call states the
// account that must own the bucket, so that a name which fell into other hands
// is refused by S3. Objects are encrypted by S3 under the client's key, and
// each write says so, whatever the bucket's default.
//
// Beside the bytes S3 keeps the end of a blob and a random stamp, as metadata.
// The SDK does not retry; the port does.
package s3blob

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/storage/awsconfig"
	"github.com/channelhub/channelhub/hub/storage/blob/driver"
)

// Bucket is where the blobs of one client are.
type Bucket struct {
	Name  string
	Owner string // the AWS account that owns it
	KeyID string // the KMS key that S3 encrypts under
}

// Resolve looks up the bucket of a client. It is called for each request and
// caches what it likes.
type Resolve func(ctx context.Context, client model.ClientID) (Bucket, error)

// Sessions are credentials narrowed to a client; awsconfig.AWS makes them.
type Sessions interface {
	ForClient(scope awsconfig.ClientScope) aws.CredentialsProvider
}

// Options may be nil.
type Options struct {
	// Endpoint is a base URL instead of the region's own. Buckets are then
	// named in the path.
	Endpoint string
	// Clients gives each client's bucket a session that reaches no other.
	// Nil, or a nil session: the credentials of the configuration.
	Clients Sessions
	// CallTimeout ends a request that is not answered; 30 s when zero, which
	// is long for 5 MiB. Reading what is answered takes as long as it takes.
	CallTimeout time.Duration
}

// S3 is a driver. It is safe for concurrent use.
type S3 struct {
	client  *s3.Client
	resolve Resolve
	opts    Options
}

var _ driver.Driver = (*S3)(nil)

// New returns a driver that calls the region of cfg.
func New(cfg aws.Config, resolve Resolve, opts *Options) *S3 {
	d := &S3{client: newClient(cfg, opts), resolve: resolve}
	if opts != nil {
		d.opts = *opts
	}
	if d.opts.CallTimeout == 0 {
		d.opts.CallTimeout = 30 * time.Second
	}
	return d
}

func newClient(cfg aws.Config, opts *Options) *s3.Client {
	return s3.NewFromConfig(cfg, func(o *s3.Options) {
		o.Retryer = aws.NopRetryer{}
		// TLS and, on the way in, our own checksum protect the bytes.
		o.ResponseChecksumValidation = aws.ResponseChecksumValidationWhenRequired
		if opts != nil && opts.Endpoint != "" {
			o.BaseEndpoint = aws.String(opts.Endpoint)
			o.UsePathStyle = true
		}
	})
}

// call is what one request needs: the bucket, the session, and an end.
type call struct {
	Bucket
	with func(*s3.Options)
}

func (c call) bucket() *string { return aws.String(c.Name) }
func (c call) owner() *string  { return aws.String(c.Owner) }
func (c call) key() *string    { return aws.String(c.KeyID) }

// errNoBucket says that no bucket of the client is noted.
var errNoBucket = errors.New("no bucket is noted")

// prepare looks up where a client's blobs are.
func (d *S3) prepare(ctx context.Context, client model.ClientID) (call, error) {
	b, err := d.resolve(ctx, client)
	if model.Is(err, model.NotFound) {
		// Not that there is no such blob: there can be none yet.
		return call{}, &model.Error{
			Code: model.Unavailable, Op: "find bucket",
			Detail: fmt.Sprintf("client %s has no bucket: run hub client add %s", client, client), Err: errNoBucket,
		}
	}
	if err != nil {
		return call{}, fmt.Errorf("find bucket: %w", err)
	}
	if b.Name == "" || b.Owner == "" || b.KeyID == "" {
		return call{}, model.Errorf(model.Corrupt, "find bucket", "what is noted of the bucket of client %s is not whole", client)
	}
	return call{Bucket: b, with: func(o *s3.Options) {
		if d.opts.Clients == nil {
			return
		}
		if session := d.opts.Clients.ForClient(awsconfig.ClientScope{Client: client, Bucket: b.Name}); session != nil {
			o.Credentials = session
		}
	}}, nil
}

// do makes one request within its time.
func (d *S3) do(ctx context.Context, op string, client model.ClientID, request func(context.Context, call) error) error {
	ctx, cancel := context.WithTimeout(ctx, d.opts.CallTimeout)
	defer cancel()
	c, err := d.prepare(ctx, client)
	if err != nil {
		return err
	}
	return coded(op, request(ctx, c))
}

// rid is do for what is to be gone afterwards. A bucket that is not there holds
// nothing: a note is made before its bucket, and goes behind it.
func (d *S3) rid(ctx context.Context, op string, client model.ClientID, request func(context.Context, call) error) error {
	err := d.do(ctx, op, client, request)
	if errors.Is(err, errNoBucket) || awsconfig.Word(err) == wordNoBucket {
		return nil
	}
	return err
}

// Put implements driver.Driver.
func (d *S3) Put(ctx context.Context, ref driver.Ref, meta driver.Meta, body []byte) error {
	return d.do(ctx, "put object", ref.Client, func(ctx context.Context, c call) error {
		_, err := d.client.PutObject(ctx, &s3.PutObjectInput{
			Bucket: c.bucket(), ExpectedBucketOwner: c.owner(), Key: aws.String(ref.Key),
			Body: bytes.NewReader(body), ContentLength: aws.Int64(int64(len(body))), Metadata: metadata(meta),
			IfNoneMatch:          aws.String("*"),
			ServerSideEncryption: types.ServerSideEncryptionAwsKms, SSEKMSKeyId: c.key(), BucketKeyEnabled: aws.Bool(true),
		}, c.with)
		return err
	})
}

// Open implements driver.Driver.
func (d *S3) Open(ctx context.Context, ref driver.Ref, r driver.Range) (io.ReadCloser, driver.Info, error) {
	body, info, err := d.get(ctx, ref, rangeHeader(r))
	if model.Is(err, model.Invalid) && r.Offset == 0 && r != (driver.Range{}) {
		// S3 has no range of an empty object.
		return d.get(ctx, ref, nil)
	}
	return body, info, err
}

func (d *S3) get(ctx context.Context, ref driver.Ref, header *string) (_ io.ReadCloser, _ driver.Info, err error) {
	const op = "get object"
	ctx, cancel := context.WithCancel(ctx)
	// The time is for the answer; the bytes that follow belong to the caller.
	timeout := time.AfterFunc(d.opts.CallTimeout, cancel)
	defer func() {
		timeout.Stop()
		if err != nil {
			cancel()
		}
	}()
	c, err := d.prepare(ctx, ref.Client)
	if err != nil {
		return nil, driver.Info{}, err
	}
	out, err := d.client.GetObject(ctx, &s3.GetObjectInput{
		Bucket: c.bucket(), ExpectedBucketOwner: c.owner(), Key: aws.String(ref.Key), Range: header,
	}, c.with)
	if err != nil {
		return nil, driver.Info{}, coded(op, err)
	}
	size := aws.ToInt64(out.ContentLength)
	if out.ContentRange != nil {
		_, total, _ := strings.Cut(*out.ContentRange, "/")
		if size, err = strconv.ParseInt(total, 10, 64); err != nil {
			return nil, driver.Info{}, errors.Join(model.Errorf(model.Internal, op, "the answer names no size"), out.Body.Close())
		}
	}
	info, err := infoOf(size, out.Metadata)
	if err != nil {
		return nil, driver.Info{}, errors.Join(err, out.Body.Close())
	}
	return body{out.Body, cancel}, info, nil
}

// body ends the request with itself.
type body struct {
	io.ReadCloser
	cancel context.CancelFunc
}

// Read gives what goes wrong on the way its code.
func (b body) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		err = model.Wrap(model.Unavailable, "read object", err)
	}
	return n, err
}

func (b body) Close() error {
	defer b.cancel()
	return b.ReadCloser.Close()
}

// rangeHeader spells a range; nil is the whole.
func rangeHeader(r driver.Range) *string {
	switch {
	case r == driver.Range{}:
		return nil
	case r.Length == 0 || r.Length > math.MaxInt64-r.Offset:
		return aws.String(fmt.Sprintf("bytes=%d-", r.Offset))
	}
	return aws.String(fmt.Sprintf("bytes=%d-%d", r.Offset, r.Offset+r.Length-1))
}

// Head implements driver.Driver.
func (d *S3) Head(ctx context.Context, ref driver.Ref) (info driver.Info, err error) {
	err = d.do(ctx, "head object", ref.Client, func(ctx context.Context, c call) error {
		out, err := d.client.HeadObject(ctx, &s3.HeadObjectInput{
			Bucket: c.bucket(), ExpectedBucketOwner: c.owner(), Key: aws.String(ref.Key),
		}, c.with)
		if err != nil {
			return err
		}
		info, err = infoOf(aws.ToInt64(out.ContentLength), out.Metadata)
		return err
	})
	return info, err
}

// Delete implements driver.Driver. Buckets keep no versions, so what is
// deleted is gone.
func (d *S3) Delete(ctx context.Context, ref driver.Ref) error {
	return d.rid(ctx, "delete object", ref.Client, func(ctx context.Context, c call) error {
		_, err := d.client.DeleteObject(ctx, &s3.DeleteObjectInput{
			Bucket: c.bucket(), ExpectedBucketOwner: c.owner(), Key: aws.String(ref.Key),
		}, c.with)
		return err
	})
}

// Traits implements driver.Driver.
func (d *S3) Traits() driver.Traits { return driver.Traits{Encrypts: true, Signs: true} }

// Close implements driver.Driver. Connections belong to the configuration's
// HTTP client.
func (d *S3) Close() error { return nil }

// Names of metadata.
const (
	metaEnd   = "end" // milliseconds
	metaStamp = "stamp"
)

func metadata(m driver.Meta) map[string]string {
	return map[string]string{
		metaEnd:   strconv.FormatInt(m.Expires.UnixMilli(), 10),
		metaStamp: hex.EncodeToString(m.Stamp[:]),
	}
}

func infoOf(size int64, meta map[string]string) (driver.Info, error) {
	millis, err := strconv.ParseInt(meta[metaEnd], 10, 64)
	stamp, bad := hex.DecodeString(meta[metaStamp])
	if err != nil || bad != nil || len(stamp) != driver.StampBytes {
		return driver.Info{}, model.Errorf(model.Corrupt, "read metadata", "the object was not put by a hub")
	}
	return driver.Info{Size: size, Expires: time.UnixMilli(millis), Stamp: driver.Stamp(stamp)}, nil
}
