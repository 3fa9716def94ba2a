package awstest

import (
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/channelhub/channelhub/hub"
	"github.com/channelhub/channelhub/internal/awslocal"
)

// find is what the doctor says of one part.
func (f *fleet) find(t *testing.T, name string) hub.Finding {
	t.Helper()
	for _, found := range hub.Doctor(t.Context(), f.cfg, nil) {
		if found.Name == name {
			return found
		}
	}
	t.Fatalf("the doctor says nothing of %s", name)
	return hub.Finding{}
}

func wantFound(t *testing.T, got hub.Finding, state, mend string) {
	t.Helper()
	if got.State != state || !strings.Contains(got.Mend, mend) || strings.Contains(got.Mend+got.Detail, "\n") {
		t.Errorf("the doctor says %+v, want %s and to %q", got, state, mend)
	}
}

// TestDoctorSeesAForeignRegion opens a fleet of another region over a client
// whose bucket lies here (residence).
func TestDoctorSeesAForeignRegion(t *testing.T) {
	f := newFleet(t)
	f.add(t)
	abroad := *f.cfg
	abroad.AWS.Region = "eu-central-1"
	f.cfg = &abroad
	wantFound(t, f.find(t, "client/acme/bucket"), hub.FoundFail, "in the region of this fleet")
}

// TestDoctorSeesTheClock lets AWS's clock differ from the machine's.
func TestDoctorSeesTheClock(t *testing.T) {
	f := newFleet(t)
	to, err := url.Parse(f.moto)
	if err != nil {
		t.Fatal(err)
	}
	var off time.Duration
	pass := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(to) },
		ModifyResponse: func(r *http.Response) error {
			r.Header.Set("Date", time.Now().Add(off).UTC().Format(http.TimeFormat))
			return nil
		},
	}
	s := httptest.NewServer(pass)
	t.Cleanup(s.Close)
	t.Setenv("AWS_ENDPOINT_URL_STS", s.URL)
	for _, test := range []struct {
		off   time.Duration
		state string
		mend  string
	}{
		{0, hub.FoundOK, ""},
		{-2 * time.Minute, hub.FoundWarn, "NTP"},
		{2 * time.Minute, hub.FoundWarn, "NTP"},
		{10 * time.Minute, hub.FoundFail, "NTP"},
		{-10 * time.Minute, hub.FoundFail, "NTP"},
	} {
		off = test.off
		wantFound(t, f.find(t, "clock/aws"), test.state, test.mend)
	}
}

// TestDoctorNamesTheMissingPermission has KMS and the log refuse the role.
func TestDoctorNamesTheMissingPermission(t *testing.T) {
	f := newFleet(t)
	proxy := awslocal.NewProxy(t, f.moto)
	proxy.Set(awslocal.Deny)
	refused := *f.cfg
	refused.Storage.Keys.KMS.Endpoint = proxy.URL
	refused.Logging.CloudWatch.Endpoint = proxy.URL
	f.cfg = &refused
	wantFound(t, f.find(t, "keys/hub"), hub.FoundFail, "allow kms:DescribeKey")
	wantFound(t, f.find(t, "log"), hub.FoundFail, "allow logs:DescribeLogGroups")
}
