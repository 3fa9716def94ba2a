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
	"time"

	"github.com/channelhub/channelhub/hub/hubtest"
	"github.com/channelhub/channelhub/hub/hubtest/storetest"
	"github.com/channelhub/channelhub/internal/awslocal"
)

// sessionLife is how long a session of TestSessionsAway lasts, so that those
// at hand end while STS is away. AWS has none under 15 minutes.
const sessionLife = 2 * time.Second

var sessionEnd = regexp.MustCompile(`<Expiration>[^<]*<`)

// briefSessions stands before STS and lets every session end soon.
func briefSessions(t *testing.T, moto string) (endpoint string) {
	t.Helper()
	to, err := url.Parse(moto)
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(&httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(to)
			r.Out.Header.Del("Accept-Encoding")
		},
		ModifyResponse: func(r *http.Response) error {
			body, err := io.ReadAll(r.Body)
			if err != nil {
				return err
			}
			end := time.Now().Add(sessionLife).UTC().Format("2006-01-02T15:04:05.000Z")
			body = sessionEnd.ReplaceAll(body, []byte("<Expiration>"+end+"<"))
			r.Body = io.NopCloser(bytes.NewReader(body))
			r.Header.Set("Content-Length", strconv.Itoa(len(body)))
			return nil
		},
	})
	t.Cleanup(s.Close)
	return s.URL
}

// TestSessionsAway lets STS fail under a hub whose clients each have a session
// of their own, until the sessions at hand have ended. Nobody is told yes
// meanwhile, /readyz names the sessions, and once STS is back everything goes
// on without a restart: what was accepted before is delivered, and what was
// refused can be repeated.
func TestSessionsAway(t *testing.T) {
	for name, fault := range map[string]awslocal.Fault{"refusing": awslocal.Deny, "throttling": awslocal.Throttle, "hanging": awslocal.Hang} {
		// The environment is the process's: hubs are started one by one.
		sts := awslocal.NewProxy(t, briefSessions(t, awslocal.Moto(t)))
		t.Setenv("AWS_ENDPOINT_URL_STS", sts.URL)
		served := hubtest.New(t, &hubtest.Options{Config: onDynamoDB(storetest.Table(t), awslocal.DynamoDB(t)) + `
aws: {region: eu-west-1, client_role_arn: "arn:aws:iam::123456789012:role/channelhub-client"}
`})
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := served.In(t)
			k := beginTalk(t, h, "ada")

			sts.Set(fault)
			away := newOutage(t)
			h.Provider.Handle(nil)
			h.Until("/readyz to say that no session is left", func() error {
				if got := stateOf(t, h, "sessions"); got != "failed" {
					return fmt.Errorf("it says %s", got)
				}
				return nil
			})
			if status, table := readiness(t, h); status != http.StatusServiceUnavailable || table.State != "ok" {
				t.Errorf("/readyz is %d and says of the table %+v, which the hub reaches", status, table)
			}
			k.refused(0)
			away.last(k.refused)

			sts.Set(awslocal.Pass)
			away.over(h, "sessions")
			k.repeated()
		})
	}
}
