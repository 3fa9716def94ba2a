// Package awssecrets reads values that configuration refers to, from AWS
// Secrets Manager and from the SSM parameter store.
package awssecrets

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/ssm"

	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/storage/awsconfig"
	"github.com/channelhub/channelhub/hub/storage/internal/retry"
)

// The kinds of reference.
const (
	SecretsManager = "aws-sm"
	ParameterStore = "aws-ssm"
)

// patience is how long one value may take. A hub starts and reloads only with
// all of them, so what is away for a moment is asked again.
const patience = 5 * time.Second

// Resolver reads values. It remembers what it has read, so that the keys of one
// secret are one call: make one for each load of a configuration. It is used
// from one goroutine at a time.
type Resolver struct {
	region  string
	secrets *secretsmanager.Client
	params  *ssm.Client
	read    map[string]value // by kind and name
	// away is why a kind is not asked again: with many references to a service
	// that does not answer, each would wait for it anew.
	away map[string]error
}

type value struct {
	text string
	err  error
}

// New returns a resolver that asks in the region and with the credentials of
// cfg. The environment may name other endpoints, as for any program of AWS.
func New(cfg aws.Config) *Resolver {
	return &Resolver{
		region:  cfg.Region,
		secrets: secretsmanager.NewFromConfig(cfg, func(o *secretsmanager.Options) { o.Retryer = aws.NopRetryer{} }),
		params:  ssm.NewFromConfig(cfg, func(o *ssm.Options) { o.Retryer = aws.NopRetryer{} }),
		read:    map[string]value{},
		away:    map[string]error{},
	}
}

// Resolve returns the value of a reference. The name is an ARN or a name, for
// a secret also with #key behind it. The error says how to mend it and holds no
// value.
func (r *Resolver) Resolve(ctx context.Context, kind, name string) (string, error) {
	id, key, keyed := name, "", false
	switch kind {
	case SecretsManager:
		id, key, keyed = strings.Cut(name, "#")
	case ParameterStore:
	default:
		return "", errors.New("there are no references of this kind")
	}
	if err := r.local(id); err != nil {
		return "", err
	}
	found, ok := r.read[kind+":"+id]
	if !ok {
		found.text, found.err = r.ask(ctx, kind, id)
		r.read[kind+":"+id] = found
	}
	if found.err != nil || !keyed {
		return found.text, found.err
	}
	return field(found.text, key)
}

// local refuses what another region keeps: data of this fleet stays in its own.
func (r *Resolver) local(id string) error {
	if parts := strings.SplitN(id, ":", 6); parts[0] == "arn" && len(parts) == 6 && parts[3] != r.region {
		return fmt.Errorf("it is kept in %s, and this fleet serves %s: copy it there", parts[3], r.region)
	}
	return nil
}

func (r *Resolver) ask(ctx context.Context, kind, id string) (text string, err error) {
	if err := r.away[kind]; err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	err = retry.Do(ctx, func() error {
		if kind == SecretsManager {
			text, err = r.secret(ctx, id)
		} else {
			text, err = r.parameter(ctx, id)
		}
		return model.Wrap(awsconfig.Code(err), "", err)
	})
	if err != nil {
		explained := r.explain(kind, err)
		if code := awsconfig.Code(err); code == model.Unavailable || code == model.Throttled {
			r.away[kind] = explained
		}
		return "", explained
	}
	return text, nil
}

func (r *Resolver) secret(ctx context.Context, id string) (string, error) {
	out, err := r.secrets.GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{SecretId: &id})
	if err != nil {
		return "", err
	}
	if out.SecretString == nil {
		return "", errNoText
	}
	return *out.SecretString, nil
}

func (r *Resolver) parameter(ctx context.Context, id string) (string, error) {
	out, err := r.params.GetParameter(ctx, &ssm.GetParameterInput{Name: &id, WithDecryption: aws.Bool(true)})
	if err != nil {
		return "", err
	}
	return aws.ToString(out.Parameter.Value), nil
}

var errNoText = model.Errorf(model.Invalid, "", "the secret is binary; only text can be used")

// explain words an error for the operator. The service's own message is left
// out: nobody promises what it holds.
func (r *Resolver) explain(kind string, err error) error {
	service, what, action := "Secrets Manager", "secret", "secretsmanager:GetSecretValue"
	if kind == ParameterStore {
		service, what, action = "the parameter store", "parameter", "ssm:GetParameter"
	}
	if errors.Is(err, errNoText) {
		return errors.New(errNoText.Detail)
	}
	name := awsconfig.Word(err)
	switch name {
	case "ResourceNotFoundException", "ParameterNotFound", "ParameterVersionNotFound":
		return fmt.Errorf("there is no such %s in %s", what, r.region)
	case "InvalidRequestException":
		return fmt.Errorf("the %s cannot be read now: it may be marked for deletion", what)
	case "DecryptionFailure", "InvalidKeyId":
		return fmt.Errorf("the %s does not decrypt: allow kms:Decrypt on its key, and see that the key is enabled", what)
	}
	switch code := awsconfig.Code(err); code {
	case model.Denied:
		return fmt.Errorf("the hub may not read it: allow %s on it, and kms:Decrypt on its key, in the policy of the hub's role", action)
	case model.Unavailable, model.Throttled:
		if name == "" {
			name = "no answer, or no credentials"
		}
		return fmt.Errorf("%s of %s did not answer in %s: %s; check the network, the VPC endpoint and the credentials", service, r.region, patience, name)
	default:
		return fmt.Errorf("%s refused: %s", service, name)
	}
}

// field returns a member of a JSON object: a string as it is, anything else as
// it is written.
func field(text, key string) (string, error) {
	var object map[string]json.RawMessage
	if json.Unmarshal([]byte(text), &object) != nil {
		return "", fmt.Errorf("the secret is not a JSON object, so it has no key %q", key)
	}
	raw, ok := object[key]
	if !ok {
		return "", fmt.Errorf("the secret has no key %q", key)
	}
	var s string
	if json.Unmarshal(raw, &s) == nil {
		return s, nil
	}
	return string(raw), nil
}
