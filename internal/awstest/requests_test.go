package awstest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/channelhub/channelhub/hub/hubtest"
)

// requestsVariable names a file into which TestS3RequestsOfAnAttachment writes
// what it counts, for `make bench`.
const requestsVariable = "HUB_TEST_S3_REQUESTS"

// TestS3RequestsOfAnAttachment counts, at the server, what S3 bills for a file
// of one part: stored, handed out through a link, and removed at its end. The
// figures stand in docs/cost.md.
func TestS3RequestsOfAnAttachment(t *testing.T) {
	const files = 8
	f := newFleet(t)
	bucket := f.add(t)
	start := func(retention string) *hubtest.Hub {
		return hubtest.New(t, &hubtest.Options{Config: fmt.Sprintf(`
storage:
  table: {driver: dynamodb, dynamodb: {table: %s, endpoint: %q}}
  blob: {driver: s3, s3: {endpoint: %q}}
  keys: {driver: kms, kms: {key_id: %q, endpoint: %q}}
aws: {region: eu-west-1}
retention: {%s}
`, f.table, f.dynamo, f.objects.Endpoint, f.key, f.moto, retention)})
	}
	upload := func(h *hubtest.Hub) (links []string) {
		for range files {
			a := h.Call(hubtest.Desk, http.MethodPost, "/v1/attachments?name=a.txt", "a file of a few words", "Content-Type", "text/plain")
			if a.Status != http.StatusCreated {
				t.Fatalf("upload: %d %s", a.Status, a.Body)
			}
			var up hubtest.Attachment
			decode(t, a, &up)
			links = append(links, up.URL)
		}
		return links
	}
	// Of the requests after the first n, those of each kind for one file.
	count := func(n int) map[string]float64 {
		out := map[string]float64{}
		for _, r := range f.objects.Requests(t)[n:] {
			kind := r.Method
			if strings.Contains(r.Query, "uploads") {
				kind = "LIST"
			}
			out[kind] += 1.0 / files
		}
		return out
	}
	so := func() int { return len(f.objects.Requests(t)) }

	h := start("attachments: 24h")
	got := map[string]map[string]float64{}
	n := so()
	links := upload(h)
	got["stored"] = count(n)
	n = so()
	for _, link := range links {
		if at := fetch(t, http.DefaultClient, link); at.Status != http.StatusOK {
			t.Fatalf("the link answers %d", at.Status)
		}
	}
	got["handed_out"] = count(n)
	h.Stop()

	h = start("attachments: 2s, attachment_link: 2s, signed_url: 1s")
	kept := len(objectsOf(t, f.objects, bucket))
	upload(h)
	n = so()
	admin := *h
	admin.Public = h.Admin
	h.Until("the files to be removed", func() error {
		admin.Call(hubtest.Operator, http.MethodPost, "/admin/v1/retention/run", nil)
		if removed := count(n)["DELETE"]; removed < 1 {
			return fmt.Errorf("%.0f of %d are", removed*files, files)
		}
		return nil
	})
	h.Stop()
	got["removed"] = count(n)
	if left := len(objectsOf(t, f.objects, bucket)); left != kept {
		t.Errorf("%d objects are left, want %d", left, kept)
	}

	want := map[string]map[string]float64{
		"stored": {"PUT": 1}, "handed_out": {"HEAD": 1, "GET": 1}, "removed": {"LIST": 1, "DELETE": 1},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("requests a file (-want +got):\n%s", diff)
	}
	if file := os.Getenv(requestsVariable); file != "" {
		raw, err := json.Marshal(got)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, raw, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}
