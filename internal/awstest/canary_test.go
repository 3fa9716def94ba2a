package awstest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	dynamotypes "github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/channelhub/channelhub/hub/hubtest"
	"github.com/channelhub/channelhub/internal/awslocal"
	"github.com/channelhub/channelhub/internal/canary"
)

// screen is standard error of a hub.
type screen struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (s *screen) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.buf.Write(p)
}

func (s *screen) bytes() []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	return bytes.Clone(s.buf.Bytes())
}

// items are all rows of the fleet's table, as DynamoDB has them.
func (f *fleet) items(t *testing.T) []map[string]dynamotypes.AttributeValue {
	t.Helper()
	var all []map[string]dynamotypes.AttributeValue
	pages := dynamodb.NewScanPaginator(f.rows(), &dynamodb.ScanInput{TableName: &f.table, ConsistentRead: aws.Bool(true)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, page.Items...)
	}
	return all
}

// spell is everything that an item holds, in clear as it lies there.
func spell(item map[string]dynamotypes.AttributeValue) []byte {
	var out []byte
	for name, v := range item {
		out = append(out, name...)
		switch v := v.(type) {
		case *dynamotypes.AttributeValueMemberB:
			out = append(out, v.Value...)
		case *dynamotypes.AttributeValueMemberS:
			out = append(out, v.Value...)
		case *dynamotypes.AttributeValueMemberN:
			out = append(out, v.Value...)
		default:
			out = append(out, fmt.Sprintf("%#v", v)...)
		}
	}
	return out
}

// objectsOf returns what can be seen of a bucket's objects: their keys,
// headers and bytes, by key.
func objectsOf(t *testing.T, server *awslocal.S3Server, bucket string) map[string][]byte {
	t.Helper()
	api := s3.New(s3.Options{
		Region: "eu-west-1", BaseEndpoint: &server.Endpoint, UsePathStyle: true,
		Credentials: credentials.NewStaticCredentialsProvider(server.Access, server.Secret, ""),
	})
	page, err := api.ListObjectsV2(t.Context(), &s3.ListObjectsV2Input{Bucket: &bucket})
	if err != nil {
		t.Fatal(err)
	}
	out := map[string][]byte{}
	for _, o := range page.Contents {
		got, err := api.GetObject(t.Context(), &s3.GetObjectInput{Bucket: &bucket, Key: o.Key})
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(got.Body)
		_ = got.Body.Close()
		if err != nil {
			t.Fatal(err)
		}
		told, err := json.Marshal(map[string]any{
			"key": o.Key, "metadata": got.Metadata, "type": got.ContentType, "disposition": got.ContentDisposition,
			"encoding": got.ContentEncoding, "language": got.ContentLanguage, "cache": got.CacheControl, "tags": got.TagCount,
		})
		if err != nil {
			t.Fatal(err)
		}
		out[*o.Key] = append(told, body...)
	}
	return out
}

// streams returns all lines of the fleet's log group.
func (f *fleet) streams(t *testing.T) []byte {
	t.Helper()
	var out []byte
	pages := cloudwatchlogs.NewFilterLogEventsPaginator(f.logs(), &cloudwatchlogs.FilterLogEventsInput{LogGroupName: &f.group})
	for pages.HasMorePages() {
		page, err := pages.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range page.Events {
			out = append(out, aws.ToString(e.LogStreamName)+" "+aws.ToString(e.Message)+"\n"...)
		}
	}
	return out
}

// TestNothingShowsOnAWS lets a hub work with everything on AWS and its own seal
// on files, and searches all that AWS could look at: rows, keys, headers and
// bytes of objects, every request to S3, log streams, and standard error (I6).
func TestNothingShowsOnAWS(t *testing.T) {
	f := newFleet(t)
	server, bucket := f.objects, f.add(t)
	if _, err := f.logs().CreateLogGroup(t.Context(), &cloudwatchlogs.CreateLogGroupInput{LogGroupName: &f.group}); err != nil {
		t.Fatal(err)
	}
	out := &screen{}
	h := hubtest.New(t, &hubtest.Options{LogTo: out, Config: fmt.Sprintf(`
storage:
  table: {driver: dynamodb, dynamodb: {table: %s, endpoint: %q}}
  blob: {driver: s3, seal: always, s3: {endpoint: %q}}
  keys: {driver: kms, kms: {key_id: %q, endpoint: %q}}
logging: {level: debug, sink: cloudwatch, cloudwatch: {group: %s, retention: 30d, endpoint: %q}}
aws: {region: eu-west-1}
`, f.table, f.dynamo, server.Endpoint, f.key, f.moto, f.group, f.moto)})

	var marks []string
	mark := func(name string) string {
		m := canary.New(name)
		marks = append(marks, m)
		return m
	}
	ada, text, answer := mark("address"), mark("text"), mark("answer")
	h.Say(ada, mark("providerid"), text)
	sent := h.Send(ada, answer)
	h.Await(sent.ID, "sent")
	h.Receipt("read", hubtest.ProviderID(sent.ID))
	h.Await(sent.ID, "read")
	h.Provider.Handle(func(w http.ResponseWriter, _ *http.Request) { http.Error(w, mark("refusal"), http.StatusBadRequest) })
	h.Await(h.Send(mark("nobody"), mark("refused")).ID, "failed")

	fileName, words := mark("filename"), mark("filebytes")
	a := h.Call(hubtest.Desk, http.MethodPost, "/v1/attachments?name="+fileName+".txt", strings.Repeat(words+" ", 100), "Content-Type", "text/plain")
	var file struct{ URL string }
	if a.Status != http.StatusCreated {
		t.Fatalf("upload: %d %s", a.Status, a.Body)
	}
	decode(t, a, &file)
	if a := h.Call("", http.MethodGet, strings.TrimPrefix(file.URL, h.Public), nil); a.Status != http.StatusOK || !bytes.Contains(a.Body, []byte(words)) {
		t.Errorf("the link answers %d: with the hub's own seal it hands out the bytes", a.Status)
	}
	// The paths were real: the client reads what was said.
	feed := h.Call(hubtest.Archive, http.MethodGet, "/v1/events?limit=100", nil)
	for _, m := range []string{ada, text} {
		if !bytes.Contains(feed.Body, []byte(m)) {
			t.Errorf("the feed does not show %q", m)
		}
	}
	h.Stop()

	search := func(where string, data []byte, control string) {
		t.Helper()
		if !bytes.Contains(data, []byte(control)) {
			t.Errorf("the search does not find %q in the %s", control, where)
		}
		for _, hit := range canary.Scan(where, data, marks...) {
			t.Errorf("found %s", hit)
		}
	}
	var rows []byte
	for _, item := range f.items(t) {
		rows = append(rows, spell(item)...)
	}
	search("table", rows, "c/acme/")
	blobs := objectsOf(t, server, bucket)
	var bytesOf []byte
	for _, o := range blobs {
		bytesOf = append(bytesOf, o...)
	}
	if len(blobs) != 1 {
		t.Errorf("the bucket has %d objects, want the file alone", len(blobs))
	}
	search("bucket", bytesOf, `"key"`)
	requests, err := json.Marshal(server.Requests(t))
	if err != nil {
		t.Fatal(err)
	}
	search("requests to S3", requests, bucket)
	search("log streams", f.streams(t), `"client_id":"acme"`)
	for _, hit := range canary.Scan("standard error", out.bytes(), marks...) {
		t.Errorf("found %s", hit)
	}
}
