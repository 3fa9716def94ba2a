package s3blob

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/storage/awsconfig"
)

// Finding is one thing about a bucket that is not as it is to be.
type Finding struct {
	Name string // private, ownership, encryption, policy, lifecycle, versioning
	Says string // what was found
	Mend string // what to do about it, one line
}

// setting is one setting of a bucket: how it is put, and what is wrong with it,
// empty when nothing is.
type setting struct {
	name  string
	put   func(ctx context.Context, c *s3.Client, w Wish) error
	fault func(ctx context.Context, c *s3.Client, w Wish) (string, error)
}

// settings are all of them, in the order in which a new bucket gets them: it
// is private before it is anything else.
var settings = []setting{
	{"private", putPrivate, privateFault},
	{"ownership", putOwnership, ownershipFault},
	{"encryption", putEncryption, encryptionFault},
	{"policy", putPolicy, policyFault},
	{"lifecycle", putLifecycle, lifecycleFault},
	{"versioning", putVersioning, versioningFault},
}

// absent are AWS's words for a setting that nobody has made.
var absent = map[string]bool{
	"NoSuchPublicAccessBlockConfiguration": true, "OwnershipControlsNotFoundError": true,
	"ServerSideEncryptionConfigurationNotFoundError": true, "NoSuchBucketPolicy": true, "NoSuchLifecycleConfiguration": true,
}

// Check looks at every setting of a bucket. An error means that it could not
// look, as when the bucket is not there.
func (a *Admin) Check(ctx context.Context, w Wish) ([]Finding, error) {
	err := a.do(ctx, "find bucket", func() error {
		_, err := a.client.HeadBucket(ctx, &s3.HeadBucketInput{Bucket: aws.String(w.Name), ExpectedBucketOwner: aws.String(w.Owner)})
		return err
	})
	if err != nil {
		return nil, err
	}
	var found []Finding
	for _, s := range settings {
		var says string
		err := a.do(ctx, "look at "+s.name+" of bucket", func() (err error) {
			says, err = s.fault(ctx, a.client, w)
			if absent[awsconfig.Word(err)] {
				says, err = "it is not set", nil
			}
			return err
		})
		if err != nil {
			return found, err
		}
		if says != "" {
			found = append(found, Finding{Name: s.name, Says: says, Mend: "run hub client add for this client again: it puts back every setting"})
		}
	}
	return found, nil
}

func putPrivate(ctx context.Context, c *s3.Client, w Wish) error {
	yes := aws.Bool(true)
	_, err := c.PutPublicAccessBlock(ctx, &s3.PutPublicAccessBlockInput{
		Bucket: aws.String(w.Name), ExpectedBucketOwner: aws.String(w.Owner),
		PublicAccessBlockConfiguration: &types.PublicAccessBlockConfiguration{
			BlockPublicAcls: yes, BlockPublicPolicy: yes, IgnorePublicAcls: yes, RestrictPublicBuckets: yes,
		},
	})
	return err
}

func privateFault(ctx context.Context, c *s3.Client, w Wish) (string, error) {
	out, err := c.GetPublicAccessBlock(ctx, &s3.GetPublicAccessBlockInput{Bucket: aws.String(w.Name), ExpectedBucketOwner: aws.String(w.Owner)})
	if err != nil {
		return "", err
	}
	b := out.PublicAccessBlockConfiguration
	if b == nil || !aws.ToBool(b.BlockPublicAcls) || !aws.ToBool(b.BlockPublicPolicy) || !aws.ToBool(b.IgnorePublicAcls) || !aws.ToBool(b.RestrictPublicBuckets) {
		return "public access is not blocked in all four ways", nil
	}
	return "", nil
}

func putOwnership(ctx context.Context, c *s3.Client, w Wish) error {
	_, err := c.PutBucketOwnershipControls(ctx, &s3.PutBucketOwnershipControlsInput{
		Bucket: aws.String(w.Name), ExpectedBucketOwner: aws.String(w.Owner),
		OwnershipControls: &types.OwnershipControls{Rules: []types.OwnershipControlsRule{{ObjectOwnership: types.ObjectOwnershipBucketOwnerEnforced}}},
	})
	return err
}

func ownershipFault(ctx context.Context, c *s3.Client, w Wish) (string, error) {
	out, err := c.GetBucketOwnershipControls(ctx, &s3.GetBucketOwnershipControlsInput{Bucket: aws.String(w.Name), ExpectedBucketOwner: aws.String(w.Owner)})
	if err != nil {
		return "", err
	}
	if o := out.OwnershipControls; o == nil || len(o.Rules) != 1 || o.Rules[0].ObjectOwnership != types.ObjectOwnershipBucketOwnerEnforced {
		return "access lists can open objects: the bucket's owner does not own them all", nil
	}
	return "", nil
}

func putEncryption(ctx context.Context, c *s3.Client, w Wish) error {
	_, err := c.PutBucketEncryption(ctx, &s3.PutBucketEncryptionInput{
		Bucket: aws.String(w.Name), ExpectedBucketOwner: aws.String(w.Owner),
		ServerSideEncryptionConfiguration: &types.ServerSideEncryptionConfiguration{Rules: []types.ServerSideEncryptionRule{{
			ApplyServerSideEncryptionByDefault: &types.ServerSideEncryptionByDefault{
				SSEAlgorithm: types.ServerSideEncryptionAwsKms, KMSMasterKeyID: aws.String(w.KeyID),
			},
			BucketKeyEnabled: aws.Bool(true),
		}}},
	})
	return err
}

func encryptionFault(ctx context.Context, c *s3.Client, w Wish) (string, error) {
	out, err := c.GetBucketEncryption(ctx, &s3.GetBucketEncryptionInput{Bucket: aws.String(w.Name), ExpectedBucketOwner: aws.String(w.Owner)})
	if err != nil {
		return "", err
	}
	e := out.ServerSideEncryptionConfiguration
	if e == nil || len(e.Rules) != 1 || e.Rules[0].ApplyServerSideEncryptionByDefault == nil {
		return "there is no default encryption", nil
	}
	switch by := e.Rules[0].ApplyServerSideEncryptionByDefault; {
	case by.SSEAlgorithm != types.ServerSideEncryptionAwsKms:
		return "the default encryption is not SSE-KMS", nil
	case aws.ToString(by.KMSMasterKeyID) != w.KeyID:
		return "the default encryption uses another key than the client's", nil
	case !aws.ToBool(e.Rules[0].BucketKeyEnabled):
		return "the bucket key is off: every object asks KMS", nil
	}
	return "", nil
}

type statement struct {
	Sid       string
	Effect    string
	Principal any
	Action    any
	Resource  any
	Condition map[string]map[string]any
}

// transport denies everything that does not come over TLS 1.2 or newer.
func transport(bucket string) []statement {
	arn := "arn:aws:s3:::" + bucket
	deny := func(sid string, condition map[string]map[string]any) statement {
		return statement{Sid: sid, Effect: "Deny", Principal: "*", Action: "s3:*", Resource: []string{arn, arn + "/*"}, Condition: condition}
	}
	return []statement{
		deny("DenyWithoutTLS", map[string]map[string]any{"Bool": {"aws:SecureTransport": "false"}}),
		deny("DenyOldTLS", map[string]map[string]any{"NumericLessThan": {"s3:TlsVersion": "1.2"}}),
	}
}

func putPolicy(ctx context.Context, c *s3.Client, w Wish) error {
	text, err := json.Marshal(map[string]any{"Version": "2012-10-17", "Statement": transport(w.Name)})
	if err != nil {
		return model.Wrap(model.Internal, "write policy", err)
	}
	_, err = c.PutBucketPolicy(ctx, &s3.PutBucketPolicyInput{
		Bucket: aws.String(w.Name), ExpectedBucketOwner: aws.String(w.Owner), Policy: aws.String(string(text)),
	})
	return err
}

func policyFault(ctx context.Context, c *s3.Client, w Wish) (string, error) {
	out, err := c.GetBucketPolicy(ctx, &s3.GetBucketPolicyInput{Bucket: aws.String(w.Name), ExpectedBucketOwner: aws.String(w.Owner)})
	if err != nil {
		return "", err
	}
	var has struct{ Statement []statement }
	if err := json.Unmarshal([]byte(aws.ToString(out.Policy)), &has); err != nil {
		return "the policy cannot be read", nil //nolint:nilerr // that is what was found
	}
	there := map[string]bool{}
	for _, s := range has.Statement {
		if s.Effect != "Deny" {
			return fmt.Sprintf("statement %q grants access to the bucket", s.Sid), nil
		}
		there[shape(s)] = true
	}
	for _, s := range transport(w.Name) {
		if !there[shape(s)] {
			return "what does not come over TLS 1.2 or newer is not denied", nil
		}
	}
	return "", nil
}

// shape is what a statement says, its name aside.
func shape(s statement) string {
	s.Sid = ""
	text, err := json.Marshal(s)
	if err != nil {
		return ""
	}
	return string(text)
}

func putLifecycle(ctx context.Context, c *s3.Client, w Wish) error {
	_, err := c.PutBucketLifecycleConfiguration(ctx, &s3.PutBucketLifecycleConfigurationInput{
		Bucket: aws.String(w.Name), ExpectedBucketOwner: aws.String(w.Owner),
		LifecycleConfiguration: &types.BucketLifecycleConfiguration{Rules: []types.LifecycleRule{{
			ID: aws.String("backstop"), Status: types.ExpirationStatusEnabled, Filter: &types.LifecycleRuleFilter{Prefix: aws.String("")},
			Expiration:                     &types.LifecycleExpiration{Days: aws.Int32(w.Days)},
			AbortIncompleteMultipartUpload: &types.AbortIncompleteMultipartUpload{DaysAfterInitiation: aws.Int32(1)},
		}}},
	})
	return err
}

func lifecycleFault(ctx context.Context, c *s3.Client, w Wish) (string, error) {
	out, err := c.GetBucketLifecycleConfiguration(ctx, &s3.GetBucketLifecycleConfigurationInput{Bucket: aws.String(w.Name), ExpectedBucketOwner: aws.String(w.Owner)})
	if err != nil {
		return "", err
	}
	for _, r := range out.Rules {
		whole := r.Filter == nil || aws.ToString(r.Filter.Prefix) == "" && r.Filter.And == nil && r.Filter.Tag == nil
		if r.Status == types.ExpirationStatusEnabled && whole &&
			r.Expiration != nil && aws.ToInt32(r.Expiration.Days) == w.Days &&
			r.AbortIncompleteMultipartUpload != nil && aws.ToInt32(r.AbortIncompleteMultipartUpload.DaysAfterInitiation) == 1 {
			return "", nil
		}
	}
	return fmt.Sprintf("no rule removes objects after %d days and unfinished uploads after 1", w.Days), nil
}

// putVersioning stops versions if somebody has switched them on; a bucket that
// never had them is left so.
func putVersioning(ctx context.Context, c *s3.Client, w Wish) error {
	says, err := versioningFault(ctx, c, w)
	if err != nil || !strings.Contains(says, "are kept") {
		return err
	}
	_, err = c.PutBucketVersioning(ctx, &s3.PutBucketVersioningInput{
		Bucket: aws.String(w.Name), ExpectedBucketOwner: aws.String(w.Owner),
		VersioningConfiguration: &types.VersioningConfiguration{Status: types.BucketVersioningStatusSuspended},
	})
	return err
}

func versioningFault(ctx context.Context, c *s3.Client, w Wish) (string, error) {
	out, err := c.GetBucketVersioning(ctx, &s3.GetBucketVersioningInput{Bucket: aws.String(w.Name), ExpectedBucketOwner: aws.String(w.Owner)})
	if err == nil && out.Status == types.BucketVersioningStatusEnabled {
		return "old versions are kept: what is deleted is not gone", nil
	}
	return "", err
}
