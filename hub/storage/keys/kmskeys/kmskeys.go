// Package kmskeys wraps keys under keys of AWS KMS.
//
// The encryption context of each call is the client and the purpose, so a blob
// opens for no other, KMS's own audit trail says whose key was used, and a
// policy can name the client that a role may use a key for. The hub's own keys
// have a purpose alone.
//
// A blob names the KMS key it was wrapped under. It is opened under that key
// and only if the configuration knows the key: who can write the hub's rows
// cannot have it use a key of theirs.
package kmskeys

import (
	"context"
	"slices"
	"strings"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"

	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/storage/keys/driver"
)

// Options for New.
type Options struct {
	// Endpoint is the base URL to call instead of the region's own; empty as a
	// rule.
	Endpoint string
	// KeyID names the key that wraps for a client now, for the hub's own when
	// the client is empty: an id, an ARN or an alias. It may be called
	// concurrently and may change its mind.
	KeyID func(client model.ClientID) string
	// Former are keys that wrap no more, and still open what they wrapped.
	Former []string
}

// Keys is a driver over AWS KMS. It is safe for concurrent use.
type Keys struct {
	api  *kms.Client
	opts Options

	mu   sync.Mutex
	arns map[string]string // what the configuration's names stand for
}

var _ driver.Driver = (*Keys)(nil)

// New returns a driver that calls KMS in the region and with the credentials
// of cfg. The SDK's retries are turned off: the port retries.
func New(cfg aws.Config, opts Options) *Keys {
	return &Keys{
		api: kms.NewFromConfig(cfg, func(o *kms.Options) {
			o.Retryer = aws.NopRetryer{}
			if opts.Endpoint != "" {
				o.BaseEndpoint = aws.String(opts.Endpoint)
			}
		}),
		opts: opts,
		arns: map[string]string{},
	}
}

// Wrap implements driver.Driver.
func (k *Keys) Wrap(ctx context.Context, kc driver.Context, plaintext []byte) ([]byte, error) {
	id := k.opts.KeyID(kc.Client)
	out, err := k.api.Encrypt(ctx, &kms.EncryptInput{
		KeyId: aws.String(id), Plaintext: plaintext, EncryptionContext: encryptionContext(kc),
	})
	if err != nil {
		return nil, fault(err, "kms:Encrypt", id)
	}
	return k.blob(id, out.KeyId, out.CiphertextBlob)
}

// Generate implements driver.Driver.
func (k *Keys) Generate(ctx context.Context, kc driver.Context) (plaintext, wrapped []byte, err error) {
	id := k.opts.KeyID(kc.Client)
	out, err := k.api.GenerateDataKey(ctx, &kms.GenerateDataKeyInput{
		KeyId: aws.String(id), KeySpec: types.DataKeySpecAes256, EncryptionContext: encryptionContext(kc),
	})
	if err != nil {
		return nil, nil, fault(err, "kms:GenerateDataKey", id)
	}
	wrapped, err = k.blob(id, out.KeyId, out.CiphertextBlob)
	if err != nil {
		return nil, nil, err
	}
	return out.Plaintext, wrapped, nil
}

// Unwrap implements driver.Driver.
func (k *Keys) Unwrap(ctx context.Context, kc driver.Context, wrapped []byte) ([]byte, error) {
	arn, ciphertext, ok := openBlob(wrapped)
	if !ok {
		return nil, model.Errorf(model.Corrupt, "open", "this is no key wrapped by KMS, or it is damaged")
	}
	if err := k.knows(ctx, kc.Client, arn); err != nil {
		return nil, err
	}
	out, err := k.api.Decrypt(ctx, &kms.DecryptInput{
		KeyId: aws.String(arn), CiphertextBlob: ciphertext, EncryptionContext: encryptionContext(kc),
	})
	if err != nil {
		return nil, fault(err, "kms:Decrypt", arn)
	}
	return out.Plaintext, nil
}

// Describe implements driver.Driver. It asks KMS each time.
func (k *Keys) Describe(ctx context.Context, client model.ClientID) (driver.Description, error) {
	id := k.opts.KeyID(client)
	out, err := k.api.DescribeKey(ctx, &kms.DescribeKeyInput{KeyId: aws.String(id)})
	if err != nil {
		return driver.Description{}, fault(err, "kms:DescribeKey", id)
	}
	d := driver.Description{KeyID: aws.ToString(out.KeyMetadata.Arn), Provider: "kms"}
	switch out.KeyMetadata.KeyState {
	case types.KeyStateEnabled:
		d.State = driver.Enabled
	case types.KeyStatePendingDeletion, types.KeyStatePendingReplicaDeletion:
		d.State = driver.Deleting
	default: // also those whose key material is not there: none of them wraps
		d.State = driver.Disabled
	}
	return d, nil
}

// Close implements driver.Driver.
func (k *Keys) Close() error { return nil }

// encryptionContext binds a call to its purpose. A client's name is never the
// hub's own, which has no such entry.
func encryptionContext(kc driver.Context) map[string]string {
	if kc.Client == "" {
		return map[string]string{"purpose": kc.Purpose}
	}
	return map[string]string{"client": string(kc.Client), "purpose": kc.Purpose}
}

// knows returns an error unless the key at arn is one of the configuration's:
// the client's, the hub's own, which served before the client had one, or a
// former one.
func (k *Keys) knows(ctx context.Context, client model.ClientID, arn string) error {
	known := slices.Concat([]string{k.opts.KeyID(client), k.opts.KeyID("")}, k.opts.Former)
	if slices.Contains(known, arn) {
		return nil
	}
	for _, fresh := range []bool{false, true} { // an alias may stand for another key by now
		for i, id := range known {
			if slices.Contains(known[:i], id) {
				continue
			}
			is, err := k.resolve(ctx, id, fresh)
			if err != nil {
				return err
			}
			if is == arn {
				return nil
			}
		}
	}
	return model.Errorf(model.Corrupt, "open",
		"wrapped under KMS key %s, which the configuration does not name: add it to storage.keys.kms.former_key_ids if it was used before", arn)
}

// resolve returns the ARN of a key that the configuration names, from memory
// unless it should be fresh.
func (k *Keys) resolve(ctx context.Context, id string, fresh bool) (string, error) {
	if isKeyARN(id) {
		return id, nil
	}
	k.mu.Lock()
	arn, ok := k.arns[id]
	k.mu.Unlock()
	if ok && !fresh {
		return arn, nil
	}
	out, err := k.api.DescribeKey(ctx, &kms.DescribeKeyInput{KeyId: aws.String(id)})
	if err != nil {
		return "", fault(err, "kms:DescribeKey", id)
	}
	arn = aws.ToString(out.KeyMetadata.Arn)
	k.learn(id, arn)
	return arn, nil
}

func (k *Keys) learn(id, arn string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.arns[id] = arn
}

func isKeyARN(id string) bool { return strings.HasPrefix(id, "arn:") && strings.Contains(id, ":key/") }
