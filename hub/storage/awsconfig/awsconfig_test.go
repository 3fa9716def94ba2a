package awsconfig_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/google/go-cmp/cmp"

	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/storage/awsconfig"
)

// service is an endpoint of AWS as the loader sees it: it answers as told and
// notes what was asked.
type service struct {
	*httptest.Server
	mu     sync.Mutex
	asked  []map[string]string // the form of each call, or nothing
	answer http.HandlerFunc
}

func newService(t *testing.T, answer http.HandlerFunc) *service {
	t.Helper()
	s := &service{answer: answer}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body) // to its end: only then the server sees a caller leave
		r.Body = io.NopCloser(bytes.NewReader(body))
		form := map[string]string{}
		if err := r.ParseForm(); err == nil {
			for k := range r.PostForm {
				form[k] = r.PostForm.Get(k)
			}
		}
		s.mu.Lock()
		s.asked = append(s.asked, form)
		answer := s.answer
		s.mu.Unlock()
		answer(w, r)
	}))
	t.Cleanup(s.Close)
	return s
}

func (s *service) calls() []map[string]string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]map[string]string(nil), s.asked...)
}

func (s *service) set(answer http.HandlerFunc) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answer = answer
}

// session answers AssumeRole with a session of the given life.
func session(life time.Duration) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/xml")
		_, _ = fmt.Fprintf(w, `<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult><Credentials>
<AccessKeyId>ASIASESSION</AccessKeyId><SecretAccessKey>secret</SecretAccessKey><SessionToken>token</SessionToken><Expiration>%s</Expiration>
</Credentials></AssumeRoleResult></AssumeRoleResponse>`, time.Now().Add(life).UTC().Format(time.RFC3339))
	}
}

func refuse(status int, word, message string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Amzn-Requestid", "REQUEST1")
		w.WriteHeader(status)
		_, _ = fmt.Fprintf(w, `{"__type":"com.amazonaws.dynamodb.v20120810#%s","message":%q}`, word, message)
	}
}

func load(t *testing.T, s awsconfig.Settings) *awsconfig.AWS {
	t.Helper()
	t.Setenv("AWS_ACCESS_KEY_ID", "test")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "test")
	t.Setenv("AWS_CONFIG_FILE", "/dev/null")
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
	s.Region = "eu-west-1"
	a, err := awsconfig.Load(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func list(ctx context.Context, a *awsconfig.AWS, endpoint string) error {
	client := dynamodb.NewFromConfig(a.Config(), func(o *dynamodb.Options) { o.BaseEndpoint = aws.String(endpoint) })
	_, err := client.ListTables(ctx, nil)
	return err
}

func TestEveryCallIsRecordedAndNoneRepeated(t *testing.T) {
	var calls []awsconfig.Call
	a := load(t, awsconfig.Settings{Record: func(c awsconfig.Call) { calls = append(calls, c) }})
	s := newService(t, refuse(http.StatusInternalServerError, "InternalServerError", ""))
	err := list(t.Context(), a, s.URL)
	if code := awsconfig.Code(err); code != model.Unavailable {
		t.Errorf("code %q, want %q", code, model.Unavailable)
	}
	if n := len(s.calls()); n != 1 {
		t.Errorf("%d calls: only the portable type retries", n)
	}
	want := []awsconfig.Call{{Service: "DynamoDB", Operation: "ListTables", Host: strings.TrimPrefix(s.URL, "http://")}}
	if diff := cmp.Diff(want, calls); diff != "" {
		t.Errorf("recorded (-want +got):\n%s", diff)
	}
}

func TestCallsGoToTheRegion(t *testing.T) {
	var host string
	a := load(t, awsconfig.Settings{Record: func(c awsconfig.Call) { host = c.Host }})
	ctx, cancel := context.WithCancel(t.Context())
	client := dynamodb.NewFromConfig(a.Config(), func(o *dynamodb.Options) {
		o.HTTPClient = aws.HTTPClient(httpFunc(func(*http.Request) (*http.Response, error) { cancel(); return nil, ctx.Err() }))
	})
	_, err := client.ListTables(ctx, nil)
	if code := awsconfig.Code(err); code != model.Unavailable {
		t.Errorf("code %q of an ended context, want %q", code, model.Unavailable)
	}
	if host != "dynamodb.eu-west-1.amazonaws.com" {
		t.Errorf("a call to %q", host)
	}
}

type httpFunc func(*http.Request) (*http.Response, error)

func (f httpFunc) Do(r *http.Request) (*http.Response, error) { return f(r) }

func TestSilentEndpointIsUnavailable(t *testing.T) {
	a := load(t, awsconfig.Settings{})
	s := newService(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	err := awsconfig.Fault("list tables", list(ctx, a, s.URL))
	if !model.Is(err, model.Unavailable) || !strings.Contains(err.Error(), "no answer in time") {
		t.Errorf("error = %v, want unavailable and no answer in time", err)
	}
	s.CloseClientConnections()
	s.Close()
	err = awsconfig.Fault("list tables", list(t.Context(), a, s.URL))
	if !model.Is(err, model.Unavailable) || !strings.Contains(err.Error(), "refused") {
		t.Errorf("error = %v, want unavailable and a refused connection", err)
	}
}

func TestFaultsHaveCodesAndNoValues(t *testing.T) {
	a := load(t, awsconfig.Settings{})
	s := newService(t, nil)
	const value = "a value that must not be told"
	for _, test := range []struct {
		status int
		word   string
		want   model.Code
	}{
		{400, "ProvisionedThroughputExceededException", model.Throttled},
		{400, "ThrottlingException", model.Throttled},
		{400, "TransactionConflictException", model.Throttled},
		{400, "TransactionInProgressException", model.Unavailable},
		{400, "ExpiredTokenException", model.Unavailable},
		{400, "AccessDeniedException", model.Denied},
		{400, "UnrecognizedClientException", model.Denied},
		{400, "ResourceNotFoundException", model.NotFound},
		{400, "ConditionalCheckFailedException", model.Precondition},
		{400, "ValidationException", model.Invalid},
		{400, "NewWordException", model.Invalid},
		{403, "NewWord", model.Denied},
		{409, "NewWord", model.Conflicting},
		{413, "NewWord", model.TooLarge},
		{429, "NewWord", model.Throttled},
		{503, "NewWord", model.Unavailable},
		{500, "InternalServerError", model.Unavailable},
	} {
		s.set(refuse(test.status, test.word, value))
		err := awsconfig.Fault("list tables", list(t.Context(), a, s.URL))
		if !model.Is(err, test.want) {
			t.Errorf("%d %s: error = %v, want code %q", test.status, test.word, err, test.want)
		}
		if strings.Contains(err.Error(), value) {
			t.Errorf("the text holds what AWS said: %v", err)
		}
		for _, want := range []string{"DynamoDB ListTables", test.word, fmt.Sprint(test.status), "REQUEST1"} {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("the text lacks %q: %v", want, err)
			}
		}
	}
	s.set(refuse(400, "Odd "+value, ""))
	if err := awsconfig.Fault("list tables", list(t.Context(), a, s.URL)); strings.Contains(err.Error(), value) {
		t.Errorf("the text holds AWS's word though it is none: %v", err)
	}
	if awsconfig.Fault("x", nil) != nil {
		t.Error("no error has become one")
	}
}

func TestHubRoleIsAssumed(t *testing.T) {
	s := newService(t, session(time.Hour))
	a := load(t, awsconfig.Settings{RoleARN: "arn:aws:iam::123456789012:role/hub", STSEndpoint: s.URL})
	for range 2 {
		c, err := a.Config().Credentials.Retrieve(t.Context())
		if err != nil || c.AccessKeyID != "ASIASESSION" {
			t.Fatalf("credentials %v, %v; want the session's", c.AccessKeyID, err)
		}
	}
	if calls := s.calls(); len(calls) != 1 || calls[0]["RoleArn"] != "arn:aws:iam::123456789012:role/hub" || calls[0]["Policy"] != "" {
		t.Errorf("asked %v", calls)
	}
}

func TestClientSessionNamesThatClientAlone(t *testing.T) {
	s := newService(t, session(time.Hour))
	a := load(t, awsconfig.Settings{ClientRoleARN: "arn:aws:iam::123456789012:role/client", STSEndpoint: s.URL})
	scope := awsconfig.ClientScope{Client: "acme", TableARN: "arn:aws:dynamodb:eu-west-1:123456789012:table/channelhub", Bucket: "channelhub-x1"}
	for range 2 {
		if _, err := a.ForClient(scope).Retrieve(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	calls := s.calls()
	if len(calls) != 1 {
		t.Fatalf("%d sessions for one client", len(calls))
	}
	if n := len(calls[0]["Policy"]); n == 0 || n > 2048 {
		t.Errorf("a policy of %d characters", n)
	}
	var policy struct {
		Statement []struct {
			Action, Resource []string
			Condition        map[string]map[string]any
		}
	}
	if err := json.Unmarshal([]byte(calls[0]["Policy"]), &policy); err != nil || len(policy.Statement) != 3 {
		t.Fatalf("policy %s: %v", calls[0]["Policy"], err)
	}
	rows, objects := policy.Statement[0], policy.Statement[1]
	if diff := cmp.Diff([]any{"c/acme/*"}, rows.Condition["ForAllValues:StringLike"]["dynamodb:LeadingKeys"]); diff != "" {
		t.Errorf("partitions (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{scope.TableARN}, rows.Resource); diff != "" {
		t.Errorf("table (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"arn:aws:s3:::channelhub-x1", "arn:aws:s3:::channelhub-x1/*"}, objects.Resource); diff != "" {
		t.Errorf("bucket (-want +got):\n%s", diff)
	}
	other := scope
	other.Client = "other"
	if _, err := a.ForClient(other).Retrieve(t.Context()); err != nil {
		t.Fatal(err)
	}
	if calls = s.calls(); len(calls) != 2 || !strings.Contains(calls[1]["Policy"], "c/other/*") || strings.Contains(calls[1]["Policy"], "acme") {
		t.Errorf("the other client's session: %v", calls[1:])
	}
}

// TestSessionOutlivesAnOutage lets STS fail when a session is to be renewed:
// what is left of it serves. Once there is nothing left the fault is told.
func TestSessionOutlivesAnOutage(t *testing.T) {
	s := newService(t, session(10*time.Minute)) // less than what is kept in hand: to be renewed at once
	a := load(t, awsconfig.Settings{ClientRoleARN: "arn:aws:iam::123456789012:role/client", STSEndpoint: s.URL})
	scope := awsconfig.ClientScope{Client: "acme", Bucket: "b"}
	if _, err := a.ForClient(scope).Retrieve(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.set(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) })
	for range 3 {
		if _, err := a.ForClient(scope).Retrieve(t.Context()); err != nil {
			t.Fatalf("with ten minutes left: %v", err)
		}
	}
	if n := len(s.calls()); n != 2 {
		t.Errorf("%d calls, want one for the session and one to renew it", n)
	}
	scope.Client = "new"
	if _, err := a.ForClient(scope).Retrieve(t.Context()); awsconfig.Code(err) != model.Unavailable {
		t.Errorf("error = %v, want code %q", err, model.Unavailable)
	}
}

func TestWithoutAClientRoleTheHubServesAll(t *testing.T) {
	a := load(t, awsconfig.Settings{})
	c, err := a.ForClient(awsconfig.ClientScope{Client: "acme"}).Retrieve(t.Context())
	if err != nil || c.AccessKeyID != "test" {
		t.Errorf("credentials %q, %v; want the hub's own", c.AccessKeyID, err)
	}
}

func TestNoRegionIsRefused(t *testing.T) {
	if _, err := awsconfig.Load(t.Context(), awsconfig.Settings{}); !model.Is(err, model.Invalid) {
		t.Errorf("error = %v, want code %q", err, model.Invalid)
	}
}
