package s3blob_test

import (
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/storage/blob/s3blob"
	"github.com/channelhub/channelhub/internal/awslocal"
)

func admin(t *testing.T) (*s3blob.Admin, *s3.Client, s3blob.Wish) {
	t.Helper()
	endpoint := awslocal.Moto(t)
	a := s3blob.NewAdmin(config("test", "test"), &s3blob.AdminOptions{Endpoint: endpoint, STSEndpoint: endpoint})
	account, err := a.Account(t.Context())
	if err != nil || len(account) != 12 {
		t.Fatalf("account %q, %v", account, err)
	}
	name, err := s3blob.NewBucketName("channelhub-")
	if err != nil {
		t.Fatal(err)
	}
	raw := s3.NewFromConfig(config("test", "test"), func(o *s3.Options) {
		o.BaseEndpoint, o.UsePathStyle = aws.String(endpoint), true
	})
	return a, raw, s3blob.Wish{Bucket: s3blob.Bucket{
		Name: name, Owner: account, KeyID: "arn:aws:kms:eu-west-1:" + account + ":key/one",
	}, Days: 1}
}

func wantFindings(t *testing.T, a *s3blob.Admin, w s3blob.Wish, want string) {
	t.Helper()
	found, err := a.Check(t.Context(), w)
	if err != nil {
		t.Fatalf("check: %v", err)
	}
	var names []string
	for _, f := range found {
		names = append(names, f.Name)
		if f.Says == "" || f.Mend == "" || strings.Contains(f.Mend, "\n") {
			t.Errorf("%+v does not say what is wrong, or its mend in one line", f)
		}
	}
	if got := strings.Join(names, " "); got != want {
		t.Errorf("found %q, want %q", got, want)
	}
}

func TestProvision(t *testing.T) {
	a, raw, w := admin(t)
	if _, err := a.Check(t.Context(), w); !model.Is(err, model.NotFound) {
		t.Errorf("check of no bucket: got %v, want not_found", err)
	}
	for range 2 {
		if err := a.Provision(t.Context(), w); err != nil {
			t.Fatalf("provision: %v", err)
		}
		wantFindings(t, a, w, "")
	}
	name := aws.String(w.Name)
	for want, spoil := range map[string]func() error{
		"private": func() error {
			_, err := raw.PutPublicAccessBlock(t.Context(), &s3.PutPublicAccessBlockInput{
				Bucket: name, PublicAccessBlockConfiguration: &types.PublicAccessBlockConfiguration{BlockPublicAcls: aws.Bool(true)},
			})
			return err
		},
		"ownership": func() error {
			_, err := raw.DeleteBucketOwnershipControls(t.Context(), &s3.DeleteBucketOwnershipControlsInput{Bucket: name})
			return err
		},
		"encryption": func() error {
			_, err := raw.PutBucketEncryption(t.Context(), &s3.PutBucketEncryptionInput{
				Bucket: name, ServerSideEncryptionConfiguration: &types.ServerSideEncryptionConfiguration{Rules: []types.ServerSideEncryptionRule{{
					ApplyServerSideEncryptionByDefault: &types.ServerSideEncryptionByDefault{SSEAlgorithm: types.ServerSideEncryptionAes256},
				}}},
			})
			return err
		},
		"policy": func() error {
			_, err := raw.PutBucketPolicy(t.Context(), &s3.PutBucketPolicyInput{
				Bucket: name,
				Policy: aws.String(`{"Version":"2012-10-17","Statement":[{"Sid":"x","Effect":"Allow","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::` + w.Name + `/*"}]}`),
			})
			return err
		},
		"lifecycle": func() error {
			_, err := raw.DeleteBucketLifecycle(t.Context(), &s3.DeleteBucketLifecycleInput{Bucket: name})
			return err
		},
		"versioning": func() error {
			_, err := raw.PutBucketVersioning(t.Context(), &s3.PutBucketVersioningInput{
				Bucket: name, VersioningConfiguration: &types.VersioningConfiguration{Status: types.BucketVersioningStatusEnabled},
			})
			return err
		},
	} {
		if err := spoil(); err != nil {
			t.Fatalf("spoil %s: %v", want, err)
		}
		wantFindings(t, a, w, want)
		if err := a.Provision(t.Context(), w); err != nil {
			t.Fatalf("provision again: %v", err)
		}
		wantFindings(t, a, w, "")
	}
	other := w
	other.KeyID, other.Days = "another", 7
	wantFindings(t, a, other, "encryption lifecycle")
}

func TestDeprovision(t *testing.T) {
	a, raw, w := admin(t)
	if err := a.Provision(t.Context(), w); err != nil {
		t.Fatal(err)
	}
	name := aws.String(w.Name)
	// The server obeys the policy, and speaks no TLS.
	if _, err := raw.DeleteBucketPolicy(t.Context(), &s3.DeleteBucketPolicyInput{Bucket: name}); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"a", "b", "a"} {
		if _, err := raw.PutObject(t.Context(), &s3.PutObjectInput{Bucket: name, Key: aws.String(key), Body: strings.NewReader("x")}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := raw.CreateMultipartUpload(t.Context(), &s3.CreateMultipartUploadInput{Bucket: name, Key: aws.String("c")}); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := a.Deprovision(t.Context(), w.Bucket); err != nil {
			t.Fatalf("deprovision: %v", err)
		}
		if _, err := a.Check(t.Context(), w); !model.Is(err, model.NotFound) {
			t.Errorf("afterwards: got %v, want not_found", err)
		}
	}
}

func TestBucketNames(t *testing.T) {
	seen := map[string]bool{}
	for range 100 {
		name, err := s3blob.NewBucketName("channelhub-")
		if err != nil || len(name) > 63 || seen[name] {
			t.Fatalf("%q, %v", name, err)
		}
		seen[name] = true
	}
	for _, prefix := range []string{"Upper-", "a.b", "-x", strings.Repeat("a", 38)} {
		if name, err := s3blob.NewBucketName(prefix); !model.Is(err, model.Invalid) {
			t.Errorf("prefix %q: %q, %v", prefix, name, err)
		}
	}
}
