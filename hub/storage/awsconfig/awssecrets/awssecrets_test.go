package awssecrets

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"
	"github.com/google/uuid"

	"github.com/channelhub/channelhub/internal/awslocal"
)

func resolver(endpoint string) *Resolver {
	return New(aws.Config{
		Region: "eu-west-1", BaseEndpoint: &endpoint,
		Credentials: credentials.NewStaticCredentialsProvider("test", "test", ""),
	})
}

// newSecret keeps a text and returns the secret's ARN.
func newSecret(t *testing.T, r *Resolver, text *string, binary []byte) string {
	t.Helper()
	out, err := r.secrets.CreateSecret(t.Context(), &secretsmanager.CreateSecretInput{
		Name: aws.String("channelhub/" + uuid.NewString()), SecretString: text, SecretBinary: binary,
	})
	if err != nil {
		t.Fatal(err)
	}
	return aws.ToString(out.ARN)
}

func newParameter(t *testing.T, r *Resolver, text string) string {
	t.Helper()
	name := "/channelhub/" + uuid.NewString()
	_, err := r.params.PutParameter(t.Context(), &ssm.PutParameterInput{Name: &name, Value: &text, Type: types.ParameterTypeSecureString})
	if err != nil {
		t.Fatal(err)
	}
	return name
}

func TestResolve(t *testing.T) {
	r := resolver(awslocal.Moto(t))
	object := newSecret(t, r, aws.String(`{"token":"s3cret","port":5061,"empty":""}`), nil)
	plain := newSecret(t, r, aws.String("s3cret # 1"), nil)
	binary := newSecret(t, r, nil, []byte("s3cret"))
	parameter := newParameter(t, r, "s3cret")
	for _, tc := range []struct{ kind, name, want, fault string }{
		{SecretsManager, object + "#token", "s3cret", ""},
		{SecretsManager, object + "#port", "5061", ""},
		{SecretsManager, object + "#empty", "", ""},
		{SecretsManager, object, `{"token":"s3cret","port":5061,"empty":""}`, ""},
		{SecretsManager, plain, "s3cret # 1", ""},
		{ParameterStore, parameter, "s3cret", ""},

		{SecretsManager, object + "#tokne", "", `has no key "tokne"`},
		{SecretsManager, plain + "#token", "", "not a JSON object"},
		{SecretsManager, binary, "", "binary"},
		{SecretsManager, "channelhub/none", "", "no such secret in eu-west-1"},
		{SecretsManager, strings.Replace(object, "eu-west-1", "us-east-1", 1), "", "kept in us-east-1"},
		{ParameterStore, "/channelhub/none", "", "no such parameter in eu-west-1"},
		{"aws-x", "y", "", "no references of this kind"},
	} {
		got, err := r.Resolve(t.Context(), tc.kind, tc.name)
		if got != tc.want || (err == nil) != (tc.fault == "") {
			t.Errorf("%s %s: %q, %v", tc.kind, tc.name, got, err)
		}
		if err != nil && (!strings.Contains(err.Error(), tc.fault) || strings.Contains(err.Error(), "s3cret")) {
			t.Errorf("%s %s: %v, want %q and no value", tc.kind, tc.name, err, tc.fault)
		}
	}
}

// answering stands for a service in states that moto does not know.
func answering(t *testing.T, status int, name string) (*Resolver, *atomic.Int64) {
	calls := &atomic.Int64{}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		calls.Add(1)
		w.Header().Set("Content-Type", "application/x-amz-json-1.1")
		w.WriteHeader(status)
		_, _ = fmt.Fprintf(w, `{"__type":%q,"message":"s3cret"}`, name)
	}))
	t.Cleanup(s.Close)
	return resolver(s.URL), calls
}

func TestWhatTheServicesAnswer(t *testing.T) {
	for name, want := range map[string]string{
		"AccessDeniedException":   "allow ",
		"InvalidRequestException": "marked for deletion",
		"DecryptionFailure":       "kms:Decrypt",
		"InvalidKeyId":            "kms:Decrypt",
		"ValidationException":     "refused: ValidationException",
	} {
		r, calls := answering(t, 400, name)
		for i, kind := range []string{SecretsManager, ParameterStore, SecretsManager} {
			_, err := r.Resolve(t.Context(), kind, "/name")
			if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "s3cret") {
				t.Errorf("%s, %d: %v, want %q and not the service's own words", name, i, err, want)
			}
		}
		if n := calls.Load(); n != 2 {
			t.Errorf("%s: %d calls, want one for each kind", name, n)
		}
	}
}

func TestAPassingOutageIsSatOut(t *testing.T) {
	calls := 0
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/x-amz-json-1.1")
		if calls++; calls == 1 {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		_, _ = io.WriteString(w, `{"Parameter":{"Value":"found"}}`)
	}))
	defer s.Close()
	if got, err := resolver(s.URL).Resolve(t.Context(), ParameterStore, "/name"); err != nil || got != "found" {
		t.Errorf("got %q, %v", got, err)
	}
}

// TestAServiceThatHangsIsAskedOnce: many references wait no longer than one.
func TestAServiceThatHangsIsAskedOnce(t *testing.T) {
	t.Parallel()
	proxy := awslocal.NewProxy(t, "")
	proxy.Set(awslocal.Hang)
	r := resolver(proxy.URL)
	for i := range 10 {
		_, err := r.Resolve(t.Context(), SecretsManager, fmt.Sprintf("channelhub/%d", i))
		if err == nil || !strings.Contains(err.Error(), "Secrets Manager of eu-west-1 did not answer in 5s") {
			t.Errorf("%d: %v", i, err)
		}
	}
	if n := proxy.Calls(); n != 1 {
		t.Errorf("%d calls, want the first one's alone", n)
	}
}
