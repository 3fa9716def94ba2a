package awstest

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"regexp"
	"strconv"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"

	"github.com/channelhub/channelhub/hub/hubtest"
	"github.com/channelhub/channelhub/internal/awslocal"
)

// onAWS is a hub with everything on AWS: rows, keys, attachments and logs,
// each client's under a session of its own. The buckets were made by the
// provisioner; their bytes lie on a server that checks signatures and owners.
type onAWS struct {
	*hubtest.Hub
	fleet   *fleet
	s3      *awslocal.S3Server
	logs    *awslocal.Proxy
	calls   *recorded
	sts     string
	config  string            // without those who leave
	buckets map[string]string // by client
}

func newOnAWS(t *testing.T) *onAWS {
	t.Helper()
	f := newFleet(t)
	s3 := f.objects
	f.clients = "{acme: {}, gone: {}, kept: {}}"
	f.load(t)
	h := &onAWS{fleet: f, s3: s3, logs: awslocal.NewProxy(t, f.moto), calls: &recorded{}, sts: sessions(t, f.moto, s3), buckets: map[string]string{}}
	for _, client := range []string{"acme", "gone", "kept"} {
		h.buckets[client] = f.give(t, client)
	}
	t.Setenv("AWS_ENDPOINT_URL_STS", h.sts)
	if _, err := f.logs().CreateLogGroup(t.Context(), &cloudwatchlogs.CreateLogGroupInput{LogGroupName: &f.group}); err != nil {
		t.Fatal(err)
	}
	h.config = fmt.Sprintf(`
storage:
  table: {driver: dynamodb, dynamodb: {table: %s, endpoint: %q}}
  blob: {driver: s3, s3: {endpoint: %q}}
  keys: {driver: kms, kms: {key_id: %q, endpoint: %q}}
logging: {level: info, sink: cloudwatch, cloudwatch: {group: %s, retention: 30d, endpoint: %q}}
aws: {region: eu-west-1, client_role_arn: "arn:aws:iam::123456789012:role/channelhub-client"}
`, f.table, f.dynamo, s3.Endpoint, f.key, f.moto, f.group, h.logs.URL)
	h.Hub = hubtest.New(t, &hubtest.Options{WebChat: true, RecordAWS: h.calls.add, Config: h.config + leaving})
	return h
}

// in returns the hub for a subtest.
func (h *onAWS) in(t *testing.T) *onAWS {
	sub := *h
	sub.Hub = h.In(t)
	return &sub
}

func (h *onAWS) upload(name, text string) hubtest.Answer {
	return h.Call(hubtest.Desk, http.MethodPost, "/v1/attachments?name="+name, text, "Content-Type", "application/octet-stream")
}

var sessionKey = regexp.MustCompile(`<(AccessKeyId|SecretAccessKey)>[^<]*<`)

// sessions stands before STS and hands out sessions under the key that the
// server of objects knows: no stand-in knows what another one makes up.
func sessions(t *testing.T, moto string, server *awslocal.S3Server) (endpoint string) {
	t.Helper()
	to, err := url.Parse(moto)
	if err != nil {
		t.Fatal(err)
	}
	keys := map[string]string{"AccessKeyId": server.Access, "SecretAccessKey": server.Secret}
	s := httptest.NewServer(&httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(to)
			r.Out.Host = r.In.Host
			r.Out.Header.Del("Accept-Encoding")
		},
		ModifyResponse: func(r *http.Response) error {
			body, err := io.ReadAll(r.Body)
			if err != nil {
				return err
			}
			body = sessionKey.ReplaceAllFunc(body, func(found []byte) []byte {
				name := sessionKey.FindSubmatch(found)[1]
				return fmt.Appendf(nil, "<%s>%s<", name, keys[string(name)])
			})
			r.Body = io.NopCloser(bytes.NewReader(body))
			r.Header.Set("Content-Length", strconv.Itoa(len(body)))
			return nil
		},
	})
	t.Cleanup(s.Close)
	return s.URL
}
