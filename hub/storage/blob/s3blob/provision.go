package s3blob

import (
	"context"
	"crypto/rand"
	"errors"
	"regexp"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/storage/awsconfig"
	"github.com/channelhub/channelhub/hub/storage/internal/retry"
)

// bucketName is what S3 takes, but for dots: with them TLS names do not match.
var bucketName = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$`)

// NewBucketName returns a bucket name that nobody can guess: the prefix and
// 128 random bits. Bucket names are known to all of AWS, so it says nothing of
// the client.
func NewBucketName(prefix string) (string, error) {
	name := prefix + strings.ToLower(rand.Text())
	if !bucketName.MatchString(name) {
		return "", model.Errorf(model.Invalid, "name bucket",
			"bucket prefix %q: want up to 37 of a-z 0-9 -, beginning with a letter or digit", prefix)
	}
	return name, nil
}

// Wish is how a bucket is to be.
type Wish struct {
	Bucket
	// Days is after how many S3 itself removes an object, should the hub not
	// have done it: the retention of attachments, rounded up.
	Days int32
}

// AdminOptions may be nil.
type AdminOptions struct {
	Endpoint    string // of S3, instead of the region's own
	STSEndpoint string
}

// Admin makes, looks at and removes buckets. It acts under a role of its own,
// which the hub that serves does not have. Having no port before it, it
// retries by itself. It is safe for concurrent use.
type Admin struct {
	client *s3.Client
	sts    *sts.Client
	region string
}

// NewAdmin returns an Admin that calls the region of cfg.
func NewAdmin(cfg aws.Config, opts *AdminOptions) *Admin {
	if opts == nil {
		opts = &AdminOptions{}
	}
	return &Admin{
		client: newClient(cfg, &Options{Endpoint: opts.Endpoint}), region: cfg.Region,
		sts: sts.NewFromConfig(cfg, func(o *sts.Options) {
			if opts.STSEndpoint != "" {
				o.BaseEndpoint = aws.String(opts.STSEndpoint)
			}
		}),
	}
}

func (a *Admin) do(ctx context.Context, op string, request func() error) error {
	err := retry.Do(ctx, func() error {
		err := request()
		if _, ok := errors.AsType[*model.Error](err); ok {
			return err
		}
		return awsconfig.Fault(op, err)
	})
	return model.Wrap(model.CodeOf(err), op, err)
}

// Account returns the AWS account that the credentials belong to.
func (a *Admin) Account(ctx context.Context) (string, error) {
	var account string
	err := a.do(ctx, "ask for the account", func() error {
		out, err := a.sts.GetCallerIdentity(ctx, nil)
		if err == nil {
			account = aws.ToString(out.Account)
		}
		return err
	})
	return account, err
}

// Provision makes the bucket, if there is none of that name in the account,
// and puts every setting as it is to be. Repeating it mends what has been
// changed, and goes on where it failed.
func (a *Admin) Provision(ctx context.Context, w Wish) error {
	if !bucketName.MatchString(w.Name) || w.Owner == "" || w.KeyID == "" || w.Days < 1 {
		return model.Errorf(model.Invalid, "provision bucket", "a bucket has a name, an owner, a key and a number of days")
	}
	in := &s3.CreateBucketInput{Bucket: aws.String(w.Name), ObjectOwnership: types.ObjectOwnershipBucketOwnerEnforced}
	if a.region != "us-east-1" { // which S3 wants left out
		in.CreateBucketConfiguration = &types.CreateBucketConfiguration{LocationConstraint: types.BucketLocationConstraint(a.region)}
	}
	err := a.do(ctx, "create bucket", func() error {
		_, err := a.client.CreateBucket(ctx, in)
		if word := awsconfig.Word(err); word == "BucketAlreadyOwnedByYou" {
			return nil
		}
		return err
	})
	if err != nil {
		return err
	}
	for _, s := range settings {
		if err := a.do(ctx, "set "+s.name+" of bucket", func() error { return s.put(ctx, a.client, w) }); err != nil {
			return err
		}
	}
	return nil
}

// Deprovision removes the bucket with all that is in it. That there is none
// is no error; that it is another account's is.
func (a *Admin) Deprovision(ctx context.Context, b Bucket) error {
	for _, step := range []struct {
		op  string
		run func(context.Context, Bucket) error
	}{
		{"abort uploads", a.abortUploads}, {"empty bucket", a.empty}, {"delete bucket", a.deleteBucket},
	} {
		gone := false
		err := a.do(ctx, step.op, func() error {
			err := step.run(ctx, b)
			gone = awsconfig.Word(err) == wordNoBucket
			if gone {
				return nil
			}
			return err
		})
		if err != nil || gone {
			return err
		}
	}
	return nil
}

func (a *Admin) deleteBucket(ctx context.Context, b Bucket) error {
	_, err := a.client.DeleteBucket(ctx, &s3.DeleteBucketInput{Bucket: aws.String(b.Name), ExpectedBucketOwner: aws.String(b.Owner)})
	return err
}

func (a *Admin) abortUploads(ctx context.Context, b Bucket) error {
	pages := s3.NewListMultipartUploadsPaginator(a.client, &s3.ListMultipartUploadsInput{
		Bucket: aws.String(b.Name), ExpectedBucketOwner: aws.String(b.Owner),
	})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return err
		}
		for _, u := range page.Uploads {
			_, err := a.client.AbortMultipartUpload(ctx, &s3.AbortMultipartUploadInput{
				Bucket: aws.String(b.Name), ExpectedBucketOwner: aws.String(b.Owner), Key: u.Key, UploadId: u.UploadId,
			})
			if err != nil && awsconfig.Word(err) != "NoSuchUpload" {
				return err
			}
		}
	}
	return nil
}

// empty deletes every version there is: somebody may have switched them on.
func (a *Admin) empty(ctx context.Context, b Bucket) error {
	pages := s3.NewListObjectVersionsPaginator(a.client, &s3.ListObjectVersionsInput{
		Bucket: aws.String(b.Name), ExpectedBucketOwner: aws.String(b.Owner),
	})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return err
		}
		var all []types.ObjectIdentifier
		for _, v := range page.Versions {
			all = append(all, types.ObjectIdentifier{Key: v.Key, VersionId: v.VersionId})
		}
		for _, m := range page.DeleteMarkers {
			all = append(all, types.ObjectIdentifier{Key: m.Key, VersionId: m.VersionId})
		}
		if len(all) == 0 {
			continue
		}
		out, err := a.client.DeleteObjects(ctx, &s3.DeleteObjectsInput{
			Bucket: aws.String(b.Name), ExpectedBucketOwner: aws.String(b.Owner),
			Delete: &types.Delete{Objects: all, Quiet: aws.Bool(true)},
		})
		if err != nil {
			return err
		}
		if n := len(out.Errors); n > 0 {
			return model.Errorf(model.Unavailable, "delete objects", "%d of %d were not deleted: %s", n, len(all), aws.ToString(out.Errors[0].Code))
		}
	}
	return nil
}
