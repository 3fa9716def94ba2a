package awsconfig_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/storage/awsconfig"
)

// TestPlainTextStaysOnTheMachine names endpoints in each place that the SDK
// hears: nothing is sent, and no URL signed, for one without TLS.
func TestPlainTextStaysOnTheMachine(t *testing.T) {
	wantRefused := func(what string, err error) {
		t.Helper()
		err = awsconfig.Fault("try", err)
		if !model.Is(err, model.Invalid) || !strings.Contains(err.Error(), "write https") {
			t.Errorf("%s: %v, want invalid and to write https", what, err)
		}
	}
	var called int
	settings := awsconfig.Settings{Record: func(awsconfig.Call) { called++ }}
	for _, endpoint := range []string{"http://192.0.2.1", "http://dynamodb.internal:8000", "http://0.0.0.0:1"} {
		wantRefused(endpoint, list(t.Context(), load(t, settings), endpoint))
	}
	t.Setenv("AWS_ENDPOINT_URL", "http://192.0.2.1")
	a := load(t, settings)
	client := s3.NewFromConfig(a.Config(), func(o *s3.Options) { o.UsePathStyle = true })
	object := &s3.GetObjectInput{Bucket: aws.String("bucket"), Key: aws.String("key")}
	_, err := client.GetObject(t.Context(), object)
	wantRefused("by the environment", err)
	_, err = s3.NewPresignClient(client).PresignGetObject(t.Context(), object)
	wantRefused("a signed URL", err)
	_, err = a.Identity(t.Context())
	wantRefused("STS", err)
	if called != 0 {
		t.Errorf("%d calls left", called)
	}
	s := newService(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(`{}`)) })
	if err := list(t.Context(), load(t, settings), s.URL); err != nil {
		t.Errorf("a stand-in on loopback: %v", err)
	}
}
