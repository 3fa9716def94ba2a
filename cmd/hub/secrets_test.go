package main

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"
	"github.com/google/uuid"

	"github.com/channelhub/channelhub/internal/awslocal"
)

// TestReferencesToAWS loads a configuration as `hub serve` does, from secrets
// that a server keeps.
func TestReferencesToAWS(t *testing.T) {
	endpoint := awslocal.Moto(t)
	awslocal.Credentials(t)
	t.Setenv("AWS_ENDPOINT_URL", endpoint)
	cfg := aws.Config{
		Region: "eu-west-2", BaseEndpoint: &endpoint,
		Credentials: credentials.NewStaticCredentialsProvider("test", "test", ""),
	}
	value := "s3cret-" + uuid.NewString()
	secret, err := secretsmanager.NewFromConfig(cfg).CreateSecret(t.Context(), &secretsmanager.CreateSecretInput{
		Name: aws.String(uuid.NewString()), SecretString: aws.String(`{"operator":"` + value + `"}`),
	})
	if err != nil {
		t.Fatal(err)
	}
	parameter := "/" + uuid.NewString()
	_, err = ssm.NewFromConfig(cfg).PutParameter(t.Context(), &ssm.PutParameterInput{
		Name: &parameter, Value: aws.String("p-" + value), Type: types.ParameterTypeSecureString,
	})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "hub.yaml")
	write := func(key string) {
		t.Helper()
		text := `
aws: {region: eu-west-2}
access:
  bootstrap_tokens:
    op: {role: operator, token: "${aws-sm:` + aws.ToString(secret.ARN) + `#` + key + `}"}
    audit: {role: auditor, token: "${aws-ssm:` + parameter + `}"}
`
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("operator")
	loaded, err := loadFiles(t.Context(), []string{file}, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"op": value, "audit": "p-" + value} {
		if got := loaded.Access.BootstrapTokens[name].Token.Reveal(); got != want {
			t.Errorf("token %s is %q, want %q", name, got, want)
		}
	}
	write("oprator")
	_, err = loadFiles(t.Context(), []string{file}, io.Discard)
	want := file + ":5:33: access.bootstrap_tokens.op.token: ${aws-sm:" + aws.ToString(secret.ARN) + `#oprator}: the secret has no key "oprator"`
	if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), value) {
		t.Errorf("got %v, want %q and no value", err, want)
	}
}
