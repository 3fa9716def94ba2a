package s3blob_test

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/storage/awsconfig"
	"github.com/channelhub/channelhub/hub/storage/blob"
	"github.com/channelhub/channelhub/hub/storage/blob/s3blob"
	"github.com/channelhub/channelhub/internal/awslocal"
)

// exercise makes every call that the driver has.
func exercise(t *testing.T, h blob.Handle) {
	t.Helper()
	key := put(t, h, "small")
	if got := content(t, h, key); got != "small" {
		t.Errorf("got %q", got)
	}
	large := blob.NewKey()
	if _, err := h.Put(t.Context(), large, time.Now().Add(time.Hour), bytes.NewReader(make([]byte, blob.PartBytes+1))); err != nil {
		t.Fatal(err)
	}
	if _, err := h.SignGet(t.Context(), key, time.Minute, blob.As{}); err != nil {
		t.Fatal(err)
	}
	for _, k := range []blob.Key{key, large} {
		if err := h.Discard(t.Context(), k); err != nil {
			t.Fatal(err)
		}
	}
}

func TestEveryCallNamesOwnerAndKey(t *testing.T) {
	w := newWorld(t)
	before := len(w.server.Requests(t))
	exercise(t, w.port(nil).For("acme"))
	writes := 0
	for _, r := range w.server.Requests(t)[before:] {
		if r.Owner != w.server.Account {
			t.Errorf("%s %s?%s expects owner %q", r.Method, r.Path, r.Query, r.Owner)
		}
		if !strings.HasPrefix(r.Path, "/"+w.buckets["acme"].Name) {
			t.Errorf("%s %s is not in the client's bucket", r.Method, r.Path)
		}
		if r.SSE != "" {
			writes++
			if r.SSE != "aws:kms" || r.KeyID != w.buckets["acme"].KeyID || !r.BucketKey {
				t.Errorf("%s %s is encrypted with %q under %q, bucket key %t", r.Method, r.Path, r.SSE, r.KeyID, r.BucketKey)
			}
		}
	}
	if writes != 2 {
		t.Errorf("%d writes name their encryption, want a put and a multipart upload", writes)
	}
}

func TestAnotherOwnerIsRefused(t *testing.T) {
	w := newWorld(t)
	h := w.port(nil).For("acme")
	key := put(t, h, "content")
	b := w.buckets["acme"]
	b.Owner = "210987654321"
	w.buckets["acme"] = b
	if _, err := h.Head(t.Context(), key); !model.Is(err, model.Denied) {
		t.Errorf("head: got %v, want denied", err)
	}
	if _, err := h.Put(t.Context(), blob.NewKey(), time.Now().Add(time.Hour), strings.NewReader("x")); !model.Is(err, model.Denied) {
		t.Errorf("put: got %v, want denied", err)
	}
}

func TestClientWithoutBucket(t *testing.T) {
	w := newWorld(t)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err := w.port(nil).For("initech").Head(ctx, blob.NewKey())
	if !model.Is(err, model.Unavailable) || !strings.Contains(err.Error(), "hub client add initech") {
		t.Errorf("got %v, want unavailable and what to run", err)
	}
}

func TestBucketThatIsGone(t *testing.T) {
	w := newWorld(t)
	b := w.buckets["acme"]
	b.Name = "channelhub-gone"
	w.buckets["acme"] = b
	_, err := w.port(nil).For("acme").Put(t.Context(), blob.NewKey(), time.Now().Add(time.Hour), strings.NewReader("x"))
	if !model.Is(err, model.Denied) {
		t.Errorf("got %v, want denied", err)
	}
}

// TestNothingIsLeftWithoutABucket: where there is no bucket, what is to be
// removed is gone, and nobody is kept waiting for it.
func TestNothingIsLeftWithoutABucket(t *testing.T) {
	w := newWorld(t)
	b := w.buckets["acme"]
	b.Name = "channelhub-gone"
	w.buckets["acme"] = b
	for _, client := range []model.ClientID{"initech", "acme"} { // never noted; noted and gone
		h := w.port(nil).For(client)
		if err := h.Discard(t.Context(), blob.NewKey()); err != nil {
			t.Errorf("discard of %s: %v", client, err)
		}
		if err := h.Delete(t.Context(), blob.NewKey()); err != nil {
			t.Errorf("delete of %s: %v", client, err)
		}
	}
	// What cannot be looked up may be there.
	d := s3blob.New(config(w.server.Access, w.server.Secret), func(context.Context, model.ClientID) (s3blob.Bucket, error) {
		return s3blob.Bucket{}, model.Errorf(model.Denied, "read bucket row", "refused by the test")
	}, &s3blob.Options{Endpoint: w.server.Endpoint})
	if err := blob.New(d, nil).For("acme").Discard(t.Context(), blob.NewKey()); !model.Is(err, model.Denied) {
		t.Errorf("without an answer: %v, want denied", err)
	}
}

func TestSessionPerClient(t *testing.T) {
	w := newWorld(t)
	var asked []model.ClientID
	h := w.port(&s3blob.Options{Clients: clients(func(scope awsconfig.ClientScope) aws.CredentialsProvider {
		asked = append(asked, scope.Client)
		if scope.Bucket != w.buckets[scope.Client].Name {
			t.Errorf("a session of %s for bucket %s", scope.Client, scope.Bucket)
		}
		if scope.Client == "globex" {
			return credentials.NewStaticCredentialsProvider("AKIAOFSOMEBODYELSE", w.server.Secret, "")
		}
		return nil
	})})
	put(t, h.For("acme"), "x")
	if _, err := h.For("globex").Head(t.Context(), blob.NewKey()); !model.Is(err, model.Denied) {
		t.Errorf("got %v, want denied", err)
	}
	if len(asked) != 2 || asked[0] != "acme" || asked[1] != "globex" {
		t.Errorf("sessions of %v were asked for", asked)
	}
}

// TestFaults lets each kind of fault meet each kind of request.
func TestFaults(t *testing.T) {
	for _, kind := range []string{awslocal.S3Refuse, awslocal.S3Lost, awslocal.S3Hang, awslocal.S3Slow} {
		t.Run(kind, func(t *testing.T) {
			for _, method := range []string{"PUT", "POST", "GET", "HEAD", "DELETE"} {
				t.Run(method, func(t *testing.T) {
					w := newWorld(t)
					h := w.port(&s3blob.Options{CallTimeout: 500 * time.Millisecond}).For("acme")
					w.server.Fail(t, kind, method, 1)
					exercise(t, h)
					// A request to begin whose answer is lost leaves an upload that
					// only Discard knows of.
					if n := w.unfinished(t); n != 0 {
						t.Errorf("%d uploads are left", n)
					}
				})
			}
		})
	}
}

func TestFaultsThatStay(t *testing.T) {
	for kind, code := range map[string]model.Code{
		awslocal.S3Refuse: model.Unavailable, awslocal.S3Hang: model.Unavailable, awslocal.S3Slow: model.Throttled,
	} {
		t.Run(kind, func(t *testing.T) {
			w := newWorld(t)
			h := w.port(&s3blob.Options{CallTimeout: 50 * time.Millisecond}).For("acme")
			w.server.Fail(t, kind, "", 1000)
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			key := blob.NewKey()
			_, err := h.Put(ctx, key, time.Now().Add(time.Hour), strings.NewReader("x"))
			// The last answer counts, which may be none when time is up.
			if !model.Is(err, code) && !model.Is(err, model.Unavailable) {
				t.Errorf("put: got %v, want %s", err, code)
			}
			w.server.Fail(t, "", "", 0)
			if _, err := h.Head(t.Context(), key); !model.Is(err, model.NotFound) {
				t.Errorf("head: got %v, want not_found", err)
			}
			put(t, h, "and on it goes")
		})
	}
}
