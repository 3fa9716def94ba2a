package awstest

import (
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"

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

// TestDoctorNamesTheMissingPermission refuses the role one operation after the
// other, and demands that the doctor names what would allow it.
func TestDoctorNamesTheMissingPermission(t *testing.T) {
	f := newFleet(t)
	f.add(t)
	if _, err := f.logs().CreateLogGroup(t.Context(), &cloudwatchlogs.CreateLogGroupInput{LogGroupName: &f.group}); err != nil {
		t.Fatal(err)
	}
	rows, other := awslocal.NewProxy(t, f.dynamo), awslocal.NewProxy(t, f.moto)
	refused := *f.cfg
	refused.Storage.Table.DynamoDB.Endpoint = rows.URL
	refused.Storage.Keys.KMS.Endpoint, refused.Logging.CloudWatch.Endpoint = other.URL, other.URL
	f.cfg = &refused
	for _, test := range []struct {
		proxy           *awslocal.Proxy
		operation       string
		part, mend, say string
	}{
		{rows, "GetItem", "table/permissions", "allow dynamodb:GetItem", ""},
		{rows, "Query", "table/permissions", "allow dynamodb:Query", ""},
		{rows, "PutItem", "table/permissions", "allow dynamodb:PutItem", ""},
		{rows, "DeleteItem", "table/permissions", "allow dynamodb:DeleteItem", ""},
		{other, "DescribeKey", "keys/hub", "allow kms:DescribeKey", ""},
		{other, "Encrypt", "keys/hub", "allow kms:Encrypt", ""},
		{other, "Decrypt", "keys/hub", "allow kms:Decrypt", ""},
		{other, "DescribeLogGroups", "log", "allow logs:DescribeLogGroups", ""},
		{other, "CreateLogStream", "log/permissions", "logs:CreateLogStream", "allow logs:CreateLogStream"},
		{other, "PutLogEvents", "log/permissions", "logs:PutLogEvents", "allow logs:PutLogEvents"},
	} {
		test.proxy.SetOnly(test.operation, awslocal.Deny)
		got := f.find(t, test.part)
		wantFound(t, got, hub.FoundFail, test.mend)
		if !strings.Contains(got.Detail, test.say) {
			t.Errorf("%s refused: the doctor says %q", test.operation, got.Detail)
		}
		test.proxy.Set(awslocal.Pass)
		if test.part != "log" { // which is named only while it cannot be looked at
			wantFound(t, f.find(t, test.part), hub.FoundOK, "")
		}
	}
	const objects = "client/acme/objects"
	for method, mend := range map[string]string{
		http.MethodHead: "allow s3:GetObject and s3:ListBucket", http.MethodPut: "allow s3:PutObject",
		http.MethodGet: "allow s3:GetObject", http.MethodDelete: "s3:DeleteObject",
	} {
		f.objects.Fail(t, awslocal.S3Deny, method, -1)
		wantFound(t, f.find(t, objects), hub.FoundFail, mend)
		f.objects.Fail(t, "", "", 0)
	}
	wantFound(t, f.find(t, objects), hub.FoundOK, "")
}

// TestDoctorLeavesNoObject counts the objects of a bucket that it was shown.
func TestDoctorLeavesNoObject(t *testing.T) {
	f := newFleet(t)
	bucket := f.add(t)
	wantFound(t, f.find(t, "client/acme/objects"), hub.FoundOK, "")
	if left := objectsOf(t, f.objects, bucket); len(left) != 0 {
		t.Errorf("the doctor leaves %v", left)
	}
	stored := 0
	for _, r := range f.objects.Requests(t) {
		if r.Method == http.MethodPut && strings.Count(r.Path, "/") > 1 {
			stored++
		}
	}
	if stored != 1 {
		t.Errorf("%d objects stored by a look", stored)
	}
}
