package kmskeys

import (
	"bytes"
	"context"
	"sync/atomic"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/kms"

	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/storage/keys/driver"
	"github.com/channelhub/channelhub/hub/storage/keys/drivertest"
	"github.com/channelhub/channelhub/internal/awslocal"
)

func awsConfig() aws.Config {
	return aws.Config{Region: "eu-west-1", Credentials: credentials.NewStaticCredentialsProvider("test", "test", "")}
}

// newKey makes a KMS key and returns its id and ARN.
func newKey(t *testing.T, api *kms.Client) (id, arn string) {
	t.Helper()
	out, err := api.CreateKey(t.Context(), &kms.CreateKeyInput{})
	if err != nil {
		t.Fatal(err)
	}
	return aws.ToString(out.KeyMetadata.KeyId), aws.ToString(out.KeyMetadata.Arn)
}

func alias(t *testing.T, api *kms.Client, name, id string) {
	t.Helper()
	if _, err := api.CreateAlias(t.Context(), &kms.CreateAliasInput{AliasName: &name, TargetKeyId: &id}); err != nil {
		t.Fatal(err)
	}
}

func always(id string) func(model.ClientID) string { return func(model.ClientID) string { return id } }

func open(endpoint, id string, former ...string) *Keys {
	return New(awsConfig(), Options{Endpoint: endpoint, KeyID: always(id), Former: former})
}

func TestConformance(t *testing.T) {
	endpoint := awslocal.Moto(t)
	for _, named := range []string{"id", "arn", "alias"} {
		t.Run(named, func(t *testing.T) {
			drivertest.Run(t, func(t *testing.T) drivertest.Open {
				api := open(endpoint, "").api
				id, arn := newKey(t, api)
				switch named {
				case "arn":
					id = arn
				case "alias":
					alias(t, api, "alias/"+id, id)
					id = "alias/" + id
				}
				return func(*testing.T) driver.Driver { return open(endpoint, id) }
			})
		})
	}
}

var acme = driver.Context{Client: "acme", Purpose: "keyset/seal"}

func wrap(t *testing.T, k *Keys, kc driver.Context) []byte {
	t.Helper()
	wrapped, err := k.Wrap(t.Context(), kc, []byte("secret"))
	if err != nil {
		t.Fatal(err)
	}
	return wrapped
}

func opens(t *testing.T, k *Keys, kc driver.Context, wrapped []byte) {
	t.Helper()
	if got, err := k.Unwrap(t.Context(), kc, wrapped); err != nil || string(got) != "secret" {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestEachClientHasItsKey(t *testing.T) {
	endpoint := awslocal.Moto(t)
	api := open(endpoint, "").api
	shared, sharedARN := newKey(t, api)
	own, ownARN := newKey(t, api)
	ids := map[model.ClientID]string{}
	k := New(awsConfig(), Options{Endpoint: endpoint, KeyID: func(client model.ClientID) string {
		if id := ids[client]; id != "" {
			return id
		}
		return shared
	}})
	before := wrap(t, k, acme)
	if arn, _, _ := openBlob(before); arn != sharedARN {
		t.Errorf("wrapped under %s, want %s", arn, sharedARN)
	}
	ids["acme"] = own
	after := wrap(t, k, acme)
	if arn, _, _ := openBlob(after); arn != ownARN {
		t.Errorf("wrapped under %s, want the client's %s", arn, ownARN)
	}
	opens(t, k, acme, before) // from before the client had a key
	opens(t, k, acme, after)
	other := driver.Context{Client: "other", Purpose: acme.Purpose}
	if _, err := k.Unwrap(t.Context(), other, after); !model.Is(err, model.Corrupt) {
		t.Errorf("another client: %v, want corrupt", err)
	}
	for client, want := range map[model.ClientID]string{"acme": ownARN, "other": sharedARN, "": sharedARN} {
		if d, err := k.Describe(t.Context(), client); err != nil || d.KeyID != want {
			t.Errorf("describe %q: %+v, %v; want %s", client, d, err, want)
		}
	}
}

func TestFormerKeysOpen(t *testing.T) {
	endpoint := awslocal.Moto(t)
	api := open(endpoint, "").api
	was, wasARN := newKey(t, api)
	is, _ := newKey(t, api)
	wrapped := wrap(t, open(endpoint, was), acme)
	if _, err := open(endpoint, is).Unwrap(t.Context(), acme, wrapped); !model.Is(err, model.Corrupt) ||
		!bytes.Contains([]byte(err.Error()), []byte(wasARN)) || !bytes.Contains([]byte(err.Error()), []byte("former_key_ids")) {
		t.Errorf("a key that is not named: %v, want corrupt with the key and the mend", err)
	}
	opens(t, open(endpoint, is, was), acme, wrapped)
	opens(t, open(endpoint, is, wasARN), acme, wrapped)
}

func TestAnAliasMayMove(t *testing.T) {
	endpoint := awslocal.Moto(t)
	api := open(endpoint, "").api
	first, _ := newKey(t, api)
	second, _ := newKey(t, api)
	name := "alias/moves-" + first
	alias(t, api, name, first)
	here, elsewhere := open(endpoint, name), open(endpoint, name)
	opens(t, here, acme, wrap(t, here, acme)) // here remembers the first key
	if _, err := api.UpdateAlias(t.Context(), &kms.UpdateAliasInput{AliasName: &name, TargetKeyId: &second}); err != nil {
		t.Fatal(err)
	}
	opens(t, here, acme, wrap(t, elsewhere, acme))
}

// TestNamesAreAskedForOnce counts what an unwrap costs.
func TestNamesAreAskedForOnce(t *testing.T) {
	endpoint := awslocal.Moto(t)
	api := open(endpoint, "").api
	id, _ := newKey(t, api)
	wrapped := wrap(t, open(endpoint, id), acme)
	var calls atomic.Int64
	cfg := awsConfig()
	cfg.HTTPClient = counted{&calls}
	k := New(cfg, Options{Endpoint: endpoint, KeyID: always(id)})
	for range 10 {
		opens(t, k, acme, wrapped)
	}
	if n := calls.Load(); n != 11 {
		t.Errorf("10 unwraps made %d calls, want one each and one for the name", n)
	}
}

func TestPurposeIsPartOfTheContext(t *testing.T) {
	endpoint := awslocal.Moto(t)
	id, _ := newKey(t, open(endpoint, "").api)
	k := open(endpoint, id)
	wrapped := wrap(t, k, driver.Context{Purpose: "keyset/seal"})
	_, ciphertext, _ := openBlob(wrapped)
	out, err := k.api.Decrypt(context.Background(), &kms.DecryptInput{
		CiphertextBlob: ciphertext, EncryptionContext: map[string]string{"purpose": "keyset/seal"},
	})
	if err != nil || string(out.Plaintext) != "secret" {
		t.Errorf("KMS itself, asked with the purpose: %v", err)
	}
	if _, err := k.api.Decrypt(context.Background(), &kms.DecryptInput{CiphertextBlob: ciphertext}); err == nil {
		t.Error("KMS opens it without the purpose")
	}
}
