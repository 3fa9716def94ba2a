package awstest

import (
	"context"
	"crypto/rand"
	"maps"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	ssmtypes "github.com/aws/aws-sdk-go-v2/service/ssm/types"
	"github.com/google/go-cmp/cmp"

	"github.com/channelhub/channelhub/hub"
	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/storage/awsconfig"
	"github.com/channelhub/channelhub/hub/storage/awsconfig/awssecrets"
	"github.com/channelhub/channelhub/hub/storage/blob/s3blob"
	"github.com/channelhub/channelhub/hub/storage/keys/kmskeys"
	"github.com/channelhub/channelhub/hub/storage/logsink/cloudwatchsink"
	"github.com/channelhub/channelhub/hub/storage/table/dynamotable"
)

// needs is what IAM asks for each operation that the hub's programs send,
// where that is not the service's prefix and the operation's name.
var needs = map[string][]string{
	"DynamoDB TransactWriteItems": {"dynamodb:PutItem", "dynamodb:DeleteItem"},

	"S3 HeadObject":                      {"s3:GetObject", "s3:ListBucket"}, // the second tells missing from refused
	"S3 HeadBucket":                      {"s3:ListBucket"},
	"S3 CreateMultipartUpload":           {"s3:PutObject"},
	"S3 UploadPart":                      {"s3:PutObject"},
	"S3 CompleteMultipartUpload":         {"s3:PutObject"},
	"S3 ListMultipartUploads":            {"s3:ListBucketMultipartUploads"},
	"S3 ListObjectVersions":              {"s3:ListBucketVersions"},
	"S3 DeleteObjects":                   {"s3:DeleteObject", "s3:DeleteObjectVersion"},
	"S3 PutPublicAccessBlock":            {"s3:PutBucketPublicAccessBlock"},
	"S3 GetPublicAccessBlock":            {"s3:GetBucketPublicAccessBlock"},
	"S3 PutBucketEncryption":             {"s3:PutEncryptionConfiguration"},
	"S3 GetBucketEncryption":             {"s3:GetEncryptionConfiguration"},
	"S3 PutBucketLifecycleConfiguration": {"s3:PutLifecycleConfiguration"},
	"S3 GetBucketLifecycleConfiguration": {"s3:GetLifecycleConfiguration"},
	"STS GetCallerIdentity":              nil, // needs no permission
	"Secrets Manager GetSecretValue":     {"secretsmanager:GetSecretValue"},
	"SSM GetParameter":                   {"ssm:GetParameter"},
}

var prefixes = map[string]string{"DynamoDB": "dynamodb", "KMS": "kms", "CloudWatch Logs": "logs", "S3": "s3", "STS": "sts"}

// recorded are the operations and hosts of one role.
type recorded struct {
	mu    sync.Mutex
	calls map[awsconfig.Call]bool
}

func (r *recorded) add(c awsconfig.Call) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.calls == nil {
		r.calls = map[awsconfig.Call]bool{}
	}
	r.calls[c] = true
}

// actions are what IAM has to allow for what was called.
func (r *recorded) actions(t *testing.T) []string {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	all := map[string]bool{}
	for c := range r.calls {
		name := c.Service + " " + c.Operation
		actions, known := needs[name]
		if !known {
			prefix, ok := prefixes[c.Service]
			if !ok {
				t.Fatalf("no policy knows the service %s", c.Service)
			}
			actions = []string{prefix + ":" + c.Operation}
		}
		for _, a := range actions {
			all[a] = true
		}
	}
	return slices.Sorted(maps.Keys(all))
}

// want demands that the policies allow what was called and nothing else.
// services are actions that AWS's services take in the role's name, which no
// stand-in asks for.
func (r *recorded) want(t *testing.T, roles []string, services ...string) {
	t.Helper()
	allowed := map[string]bool{}
	for _, role := range roles {
		for _, a := range readPolicy(t, role).actions() {
			allowed[a] = true
		}
	}
	used := map[string]bool{}
	for _, a := range append(r.actions(t), services...) {
		used[a] = true
	}
	if diff := cmp.Diff(slices.Sorted(maps.Keys(allowed)), slices.Sorted(maps.Keys(used))); diff != "" {
		t.Errorf("%v (-allowed +used):\n%s", roles, diff)
	}
}

// onlyTo demands that nothing went anywhere else (residence).
func (r *recorded) onlyTo(t *testing.T, endpoints ...string) {
	t.Helper()
	hosts := map[string]bool{}
	for _, e := range endpoints {
		u, err := url.Parse(e)
		if err != nil {
			t.Fatal(err)
		}
		hosts[u.Host] = true
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for c := range r.calls {
		if !hosts[c.Host] {
			t.Errorf("%s %s went to %s", c.Service, c.Operation, c.Host)
		}
	}
}

// TestProvisioningIsWhatItsPolicyAllows holds what `hub client add` and
// `remove` call against the policy of their role, both ways.
func TestProvisioningIsWhatItsPolicyAllows(t *testing.T) {
	f := newFleet(t)
	var provision recorded
	bucketOf := func(p *hub.Provisioner) string {
		bucket, err := p.Add(t.Context(), "acme")
		if err != nil {
			t.Fatal(err)
		}
		return bucket
	}
	with := func(act func(p *hub.Provisioner)) {
		p, err := hub.NewProvisioner(t.Context(), f.cfg, &hub.ProvisionOptions{RecordAWS: provision.add})
		if err != nil {
			t.Fatal(err)
		}
		act(p)
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	}
	var bucket string
	with(func(p *hub.Provisioner) { bucket = bucketOf(p) })
	if _, err := f.s3().DeleteBucketPolicy(t.Context(), deletePolicy(bucket)); err != nil {
		t.Fatal(err)
	}
	fill(t, f, bucket)
	f.clients = "{}"
	f.load(t)
	with(func(p *hub.Provisioner) {
		if err := p.Remove(t.Context(), "acme"); err != nil {
			t.Fatal(err)
		}
	})
	// PutBucketVersioning mends what somebody switched on; the rest is
	// DynamoDB's use of the table's key.
	provision.want(t, []string{"provision"}, "s3:PutBucketVersioning", "kms:Decrypt", "kms:CreateGrant")
	provision.onlyTo(t, f.moto, f.buckets, f.dynamo)
}

// operations holds every call that the hub has made in its life, with what it
// asks for beside it, against the policies of its roles, both ways, and demands
// that none went anywhere else.
func operations(t *testing.T, h *onAWS) {
	t.Helper()
	f := h.fleet
	secrets(t, f.moto, h.calls.add)
	sweep(t, f, h.calls.add)
	// S3 and DynamoDB use the keys in the role's name.
	h.calls.want(t, []string{"hub", "client"}, "kms:GenerateDataKey", "kms:CreateGrant")
	h.calls.onlyTo(t, f.moto, f.dynamo, h.s3.Endpoint, h.logs.URL, h.sts)
}

func sweep(t *testing.T, f *fleet, record func(awsconfig.Call)) {
	t.Helper()
	for _, found := range hub.Doctor(t.Context(), f.cfg, &hub.DoctorOptions{RecordAWS: func(c awsconfig.Call) {
		if c.Service != "S3" { // it reads settings of buckets, which is another role's
			record(c)
		}
	}}) {
		if strings.HasSuffix(found.Name, "/permissions") && found.State != hub.FoundOK {
			t.Errorf("the doctor says %+v", found)
		}
	}
}

// secrets reads a secret and a parameter as a load of configuration does.
func secrets(t *testing.T, moto string, record func(awsconfig.Call)) {
	t.Helper()
	t.Setenv("AWS_ENDPOINT_URL_SECRETS_MANAGER", moto)
	t.Setenv("AWS_ENDPOINT_URL_SSM", moto)
	loaded, err := awsconfig.Load(t.Context(), awsconfig.Settings{Region: "eu-west-1", Record: record})
	if err != nil {
		t.Fatal(err)
	}
	plain, err := awsconfig.Load(t.Context(), awsconfig.Settings{Region: "eu-west-1"})
	if err != nil {
		t.Fatal(err)
	}
	name := "channelhub-" + rand.Text()
	made, err := secretsmanager.NewFromConfig(plain.Config()).CreateSecret(t.Context(), &secretsmanager.CreateSecretInput{Name: &name, SecretString: aws.String("x")})
	if err != nil {
		t.Fatal(err)
	}
	param := "/channelhub/" + rand.Text()
	_, err = ssm.NewFromConfig(plain.Config()).PutParameter(t.Context(), &ssm.PutParameterInput{Name: &param, Value: aws.String("y"), Type: ssmtypes.ParameterTypeSecureString})
	if err != nil {
		t.Fatal(err)
	}
	r := awssecrets.New(loaded.Config())
	for scheme, ref := range map[string]string{"aws-sm": aws.ToString(made.ARN), "aws-ssm": param} {
		if _, err := r.Resolve(t.Context(), scheme, ref); err != nil {
			t.Errorf("%s: %v", scheme, err)
		}
	}
}

// TestEndpointsAreTheRegions lets every driver call without an override. The
// call ends as soon as it is known where it would go.
func TestEndpointsAreTheRegions(t *testing.T) {
	t.Parallel()
	for _, region := range []string{"ca-central-1", "eu-central-1", "eu-west-1", "eu-west-2", "us-east-1"} {
		for want, call := range map[string]func(ctx context.Context, cfg aws.Config, a *awsconfig.AWS) error{
			"sts." + region + ".amazonaws.com": func(ctx context.Context, _ aws.Config, a *awsconfig.AWS) error {
				_, err := a.Identity(ctx)
				return err
			},
			"dynamodb." + region + ".amazonaws.com": func(ctx context.Context, cfg aws.Config, _ *awsconfig.AWS) error {
				_, err := dynamotable.Check(ctx, cfg, &dynamotable.Options{Table: "channelhub"})
				return err
			},
			"kms." + region + ".amazonaws.com": func(ctx context.Context, cfg aws.Config, _ *awsconfig.AWS) error {
				_, err := kmskeys.New(cfg, kmskeys.Options{KeyID: func(model.ClientID) string { return "alias/channelhub" }}).Describe(ctx, "")
				return err
			},
			"logs." + region + ".amazonaws.com": func(ctx context.Context, cfg aws.Config, _ *awsconfig.AWS) error {
				_, err := cloudwatchsink.Check(ctx, cfg, cloudwatchsink.Options{Group: "channelhub"})
				return err
			},
			"secretsmanager." + region + ".amazonaws.com": func(ctx context.Context, cfg aws.Config, _ *awsconfig.AWS) error {
				arn := "arn:aws:secretsmanager:" + cfg.Region + ":123456789012:secret:channelhub-AbCdEf"
				_, err := awssecrets.New(cfg).Resolve(ctx, awssecrets.SecretsManager, arn)
				return err
			},
			"ssm." + region + ".amazonaws.com": func(ctx context.Context, cfg aws.Config, _ *awsconfig.AWS) error {
				_, err := awssecrets.New(cfg).Resolve(ctx, awssecrets.ParameterStore, "/channelhub/token")
				return err
			},
			"bucket.s3." + region + ".amazonaws.com": func(ctx context.Context, cfg aws.Config, _ *awsconfig.AWS) error {
				_, err := s3blob.NewAdmin(cfg, nil).Check(ctx, s3blob.Wish{Bucket: s3blob.Bucket{Name: "bucket", Owner: "123456789012"}})
				return err
			},
		} {
			ctx, cancel := context.WithCancel(t.Context())
			var went []string
			a, err := awsconfig.Load(ctx, awsconfig.Settings{Region: region, Record: func(c awsconfig.Call) {
				went = append(went, c.Host)
				cancel()
			}})
			if err != nil {
				t.Fatal(err)
			}
			if err := call(ctx, a.Config(), a); err == nil {
				t.Errorf("%s: the call went out", want)
			}
			cancel()
			if diff := cmp.Diff([]string{want}, went); diff != "" {
				t.Errorf("residence (-want +got):\n%s", diff)
			}
		}
	}
}
