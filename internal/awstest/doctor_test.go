package awstest

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	dynamotypes "github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/channelhub/channelhub/hub"
	"github.com/channelhub/channelhub/hub/config"
	"github.com/channelhub/channelhub/hub/hubtest/storetest"
	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/storage/awsconfig"
	"github.com/channelhub/channelhub/internal/awslocal"
)

// fleet is everything that a configuration of AWS names, on local servers.
type fleet struct {
	cfg     *config.Config
	sdk     aws.Config
	moto    string
	buckets string // moto and, for objects, the server of objects
	objects *awslocal.S3Server
	dynamo  string
	table   string
	group   string
	key     string
	clients string // YAML
	dir     string
}

func newFleet(t *testing.T) *fleet {
	t.Helper()
	f := &fleet{
		moto: awslocal.Moto(t), dynamo: awslocal.DynamoDB(t), table: storetest.Table(t), group: "channelhub/" + rand.Text(),
		clients: "{acme: {name: Acme}}", dir: t.TempDir(),
	}
	t.Setenv("AWS_ENDPOINT_URL_STS", f.moto)
	f.objects = awslocal.S3(t)
	t.Setenv("AWS_ACCESS_KEY_ID", f.objects.Access)
	t.Setenv("AWS_SECRET_ACCESS_KEY", f.objects.Secret)
	f.buckets = inOne(t, f.moto, f.objects)
	loaded, err := awsconfig.Load(t.Context(), awsconfig.Settings{Region: "eu-west-1"})
	if err != nil {
		t.Fatal(err)
	}
	f.sdk = loaded.Config()
	out, err := f.kms().CreateKey(t.Context(), &kms.CreateKeyInput{})
	if err != nil {
		t.Fatal(err)
	}
	f.key = aws.ToString(out.KeyMetadata.Arn)
	f.load(t)
	return f
}

// inOne stands before moto and the server of objects, and leads what is about
// an object to that one: moto has the settings of buckets and denies every
// object, since it takes no notice of the conditions of a bucket's policy. An
// upload in parts is moto's, where the tests begin one.
func inOne(t *testing.T, moto string, objects *awslocal.S3Server) string {
	t.Helper()
	to := func(base string) *httputil.ReverseProxy {
		u, err := url.Parse(base)
		if err != nil {
			t.Fatal(err)
		}
		return &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(u)
			r.Out.Host = r.In.Host // it is signed
		}}
	}
	var made sync.Map
	settings, bytes := to(moto), to(objects.Endpoint)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		bucket, key, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
		query := r.URL.Query()
		switch {
		case key != "" && !query.Has("uploadId"), query.Has("uploads") && query.Has("prefix"):
			bytes.ServeHTTP(w, r)
		case r.Method == http.MethodPut && query.Encode() == "" || query.Get("x-id") == "CreateBucket":
			if _, there := made.LoadOrStore(bucket, true); !there {
				makeBucket(r.Context(), t, objects, bucket)
			}
			fallthrough
		default:
			settings.ServeHTTP(w, r)
		}
	}))
	t.Cleanup(s.Close)
	return s.URL
}

func (f *fleet) kms() *kms.Client {
	return kms.NewFromConfig(f.sdk, func(o *kms.Options) { o.BaseEndpoint = &f.moto })
}

func (f *fleet) logs() *cloudwatchlogs.Client {
	return cloudwatchlogs.NewFromConfig(f.sdk, func(o *cloudwatchlogs.Options) { o.BaseEndpoint = &f.moto })
}

func (f *fleet) s3() *s3.Client {
	return s3.NewFromConfig(f.sdk, func(o *s3.Options) { o.BaseEndpoint, o.UsePathStyle = &f.moto, true })
}

func (f *fleet) rows() *dynamodb.Client {
	return dynamodb.NewFromConfig(f.sdk, func(o *dynamodb.Options) { o.BaseEndpoint = &f.dynamo })
}

// load reads the configuration as it is now.
func (f *fleet) load(t *testing.T) {
	t.Helper()
	path := filepath.Join(f.dir, "hub.yaml")
	text := fmt.Sprintf(`
data_dir: %s
aws: {region: eu-west-1}
listeners: {public: {address: "127.0.0.1:0"}, admin: {address: "127.0.0.1:0"}}
storage:
  table: {driver: dynamodb, dynamodb: {table: %s, endpoint: %q}}
  blob: {driver: s3, s3: {endpoint: %q}}
  keys: {driver: kms, kms: {key_id: %q, endpoint: %q}}
logging: {sink: cloudwatch, cloudwatch: {group: %s, retention: 30d, endpoint: %q}}
clients: %s
`, filepath.Join(f.dir, "data"), f.table, f.dynamo, f.buckets, f.key, f.moto, f.group, f.moto, f.clients)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	var err error
	f.cfg, _, err = config.Load(t.Context(), &config.Options{Files: []string{path}, Env: func() []string { return nil }})
	if err != nil {
		t.Fatal(err)
	}
}

// sick is what the doctor finds that is not ok; each has a mend in one line.
func (f *fleet) sick(t *testing.T) map[string]string {
	t.Helper()
	out := map[string]string{}
	for _, found := range hub.Doctor(t.Context(), f.cfg, nil) {
		if (found.State == hub.FoundOK) != (found.Mend == "") || strings.Contains(found.Mend+found.Detail, "\n") || found.Detail == "" {
			t.Errorf("%+v has no detail or no mend, or not in one line", found)
		}
		if found.State != hub.FoundOK {
			out[found.Name] = found.State
		}
	}
	return out
}

func (f *fleet) wantSick(t *testing.T, name, state string) {
	t.Helper()
	if got := f.sick(t); got[name] != state {
		t.Errorf("%s is %q, want %q; found %v", name, got[name], state, got)
	}
}

// add provisions the client acme, and returns its bucket.
func (f *fleet) add(t *testing.T) string {
	t.Helper()
	return f.give(t, "acme")
}

// give provisions a client as `hub client add` does, and returns its bucket.
func (f *fleet) give(t *testing.T, client string) string {
	t.Helper()
	p, err := hub.NewProvisioner(t.Context(), f.cfg, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	}()
	bucket, err := p.Add(t.Context(), model.ClientID(client))
	if err != nil {
		t.Fatalf("add the client: %v", err)
	}
	return bucket
}

// TestDoctor breaks one part after the other and demands that the doctor names
// it, and names nothing else that was well before.
func TestDoctor(t *testing.T) {
	f := newFleet(t)
	f.wantSick(t, "client/acme/bucket", hub.FoundFail)
	f.wantSick(t, "log/there", hub.FoundWarn)
	bucket := f.add(t)
	if again := f.add(t); again != bucket {
		t.Errorf("added twice: %s, then %s", bucket, again)
	}
	ctx := t.Context()
	if _, err := f.logs().CreateLogGroup(ctx, &cloudwatchlogs.CreateLogGroupInput{LogGroupName: &f.group, KmsKeyId: &f.key}); err != nil {
		t.Fatal(err)
	}
	if _, err := f.logs().PutRetentionPolicy(ctx, &cloudwatchlogs.PutRetentionPolicyInput{LogGroupName: &f.group, RetentionInDays: aws.Int32(30)}); err != nil {
		t.Fatal(err)
	}
	for name, state := range f.sick(t) {
		if name != "aws/client_role" {
			t.Errorf("%s is %q although everything is as it should be", name, state)
		}
	}

	t.Run("public bucket", func(t *testing.T) {
		if _, err := f.s3().DeletePublicAccessBlock(t.Context(), &s3.DeletePublicAccessBlockInput{Bucket: &bucket}); err != nil {
			t.Fatal(err)
		}
		f.wantSick(t, "client/acme/bucket/private", hub.FoundFail)
		f.add(t)
		f.wantSick(t, "client/acme/bucket/private", "")
	})
	t.Run("no encryption", func(t *testing.T) {
		_, err := f.s3().PutBucketEncryption(t.Context(), &s3.PutBucketEncryptionInput{
			Bucket: &bucket, ServerSideEncryptionConfiguration: &s3types.ServerSideEncryptionConfiguration{Rules: []s3types.ServerSideEncryptionRule{{
				ApplyServerSideEncryptionByDefault: &s3types.ServerSideEncryptionByDefault{SSEAlgorithm: s3types.ServerSideEncryptionAes256},
			}}},
		})
		if err != nil {
			t.Fatal(err)
		}
		f.wantSick(t, "client/acme/bucket/encryption", hub.FoundFail)
		f.add(t)
	})
	t.Run("another key", func(t *testing.T) {
		out, err := f.kms().CreateKey(t.Context(), &kms.CreateKeyInput{})
		if err != nil {
			t.Fatal(err)
		}
		changed := *f
		changed.clients = "{acme: {name: Acme, kms_key_id: \"" + aws.ToString(out.KeyMetadata.KeyId) + "\"}}"
		changed.load(t)
		changed.wantSick(t, "client/acme/bucket/key", hub.FoundFail)
		if again := changed.add(t); again != bucket {
			t.Errorf("another bucket: %s", again)
		}
		changed.wantSick(t, "client/acme/bucket/key", "")
		changed.wantSick(t, "client/acme/bucket/encryption", "")
		settings, err := f.s3().GetBucketEncryption(t.Context(), &s3.GetBucketEncryptionInput{Bucket: &bucket})
		if err != nil {
			t.Fatal(err)
		}
		rule := settings.ServerSideEncryptionConfiguration.Rules[0].ApplyServerSideEncryptionByDefault
		if got, want := aws.ToString(rule.KMSMasterKeyID), aws.ToString(out.KeyMetadata.Arn); got != want {
			t.Errorf("the bucket's default is %s, want %s", got, want)
		}
		f.load(t)
		f.add(t) // and back
		f.wantSick(t, "client/acme/bucket/key", "")
	})
	t.Run("expiry off", func(t *testing.T) {
		_, err := f.rows().UpdateTimeToLive(t.Context(), &dynamodb.UpdateTimeToLiveInput{
			TableName: &f.table, TimeToLiveSpecification: &dynamotypes.TimeToLiveSpecification{AttributeName: aws.String("x"), Enabled: aws.Bool(false)},
		})
		if err != nil {
			t.Fatal(err)
		}
		f.wantSick(t, "table/expiry", hub.FoundFail)
	})
	t.Run("log kept for another time", func(t *testing.T) {
		if _, err := f.logs().PutRetentionPolicy(t.Context(), &cloudwatchlogs.PutRetentionPolicyInput{LogGroupName: &f.group, RetentionInDays: aws.Int32(7)}); err != nil {
			t.Fatal(err)
		}
		wantFound(t, f.find(t, "log/retention"), hub.FoundWarn, "aws logs put-retention-policy --log-group-name "+f.group+" --retention-in-days 30")
	})
	t.Run("no table", func(t *testing.T) {
		broken := *f
		broken.table = "none-" + rand.Text()
		broken.load(t)
		broken.wantSick(t, "table/there", hub.FoundFail)
	})
	t.Run("key disabled", func(t *testing.T) {
		if _, err := f.kms().DisableKey(t.Context(), &kms.DisableKeyInput{KeyId: aws.String(f.key[strings.LastIndexByte(f.key, '/')+1:])}); err != nil {
			t.Fatal(err)
		}
		f.wantSick(t, "keys/hub", hub.FoundFail)
	})
	t.Run("no such key", func(t *testing.T) {
		broken := *f
		broken.key = "alias/none-" + strings.ToLower(rand.Text())
		broken.load(t)
		broken.wantSick(t, "keys/hub", hub.FoundFail)
	})
	t.Run("table refused", func(t *testing.T) {
		broken := *f
		proxy := awslocal.NewProxy(t, f.dynamo)
		proxy.Set(awslocal.Deny)
		broken.dynamo = proxy.URL
		broken.load(t)
		broken.wantSick(t, "table", hub.FoundFail)
		broken.wantSick(t, "blob", hub.FoundWarn)
	})
}

// TestRemovedClientHasNoBucket removes a client's bucket, which it refuses as
// long as a hub may serve that client.
func TestRemovedClientHasNoBucket(t *testing.T) {
	f := newFleet(t)
	bucket := f.add(t)
	remove := func() error {
		p, err := hub.NewProvisioner(t.Context(), f.cfg, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = p.Close() }()
		return p.Remove(t.Context(), "acme")
	}
	if err := remove(); err == nil || !strings.Contains(err.Error(), "take it out first") {
		t.Errorf("removed although it is configured: %v", err)
	}
	f.clients = "{}"
	f.load(t)
	// The server obeys the policy, and speaks no TLS.
	if _, err := f.s3().DeleteBucketPolicy(t.Context(), &s3.DeleteBucketPolicyInput{Bucket: &bucket}); err != nil {
		t.Fatal(err)
	}
	if err := remove(); err != nil {
		t.Fatal(err)
	}
	if _, err := f.s3().HeadBucket(t.Context(), &s3.HeadBucketInput{Bucket: &bucket}); err == nil {
		t.Error("the bucket is still there")
	}
	if err := remove(); err == nil || !strings.Contains(err.Error(), "has no bucket") {
		t.Errorf("removed twice: %v", err)
	}
}

func deletePolicy(bucket string) *s3.DeleteBucketPolicyInput {
	return &s3.DeleteBucketPolicyInput{Bucket: &bucket}
}

// fill leaves an object and an unfinished upload in a bucket.
func fill(t *testing.T, f *fleet, bucket string) {
	t.Helper()
	c := s3.NewFromConfig(f.sdk, func(o *s3.Options) { o.BaseEndpoint, o.UsePathStyle = &f.moto, true })
	if _, err := c.PutObject(t.Context(), &s3.PutObjectInput{Bucket: &bucket, Key: aws.String("a"), Body: strings.NewReader("x")}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.CreateMultipartUpload(t.Context(), &s3.CreateMultipartUploadInput{Bucket: &bucket, Key: aws.String("b")}); err != nil {
		t.Fatal(err)
	}
}

func makeBucket(ctx context.Context, t *testing.T, server *awslocal.S3Server, name string) {
	t.Helper()
	c := s3.New(s3.Options{
		Region: "eu-west-1", BaseEndpoint: &server.Endpoint, UsePathStyle: true,
		Credentials: credentials.NewStaticCredentialsProvider(server.Access, server.Secret, ""),
	})
	if _, err := c.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: &name}); err != nil {
		t.Fatal(err)
	}
}
