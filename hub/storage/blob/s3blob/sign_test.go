package s3blob_test

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/storage/awsconfig"
	"github.com/channelhub/channelhub/hub/storage/blob"
	"github.com/channelhub/channelhub/hub/storage/blob/s3blob"
)

func put(t *testing.T, h blob.Handle, content string) blob.Key {
	t.Helper()
	key := blob.NewKey()
	if _, err := h.Put(t.Context(), key, time.Now().Add(24*time.Hour), strings.NewReader(content)); err != nil {
		t.Fatalf("put: %v", err)
	}
	return key
}

// ask sends a request that carries nothing but its URL.
func ask(t *testing.T, method, to string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, to, nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(body)
}

func TestSignedURLEndsToTheSecond(t *testing.T) {
	w := newWorld(t)
	at := time.Now().Truncate(time.Second)
	h := blob.New(w.open(nil), &blob.Options{Now: func() time.Time { return at }}).For("acme")
	key := put(t, h, "content")
	signed, err := h.SignGet(t.Context(), key, 15*time.Minute, blob.As{FileName: "a.txt"})
	if err != nil || !signed.Expires.Equal(at.Add(15*time.Minute)) {
		t.Fatalf("sign: until %s, %v", signed.Expires, err)
	}
	for after, want := range map[time.Duration]int{
		0: 200, 14*time.Minute + 59*time.Second: 200, 15 * time.Minute: 200, 15*time.Minute + time.Second: 403,
	} {
		w.server.SetClock(t, at.Add(after))
		status, body := ask(t, http.MethodGet, signed.URL)
		if status != want || (want == 200) != (body == "content") {
			t.Errorf("after %s: status %d, %q; want %d", after, status, body, want)
		}
	}
}

func TestSignedURLIsForNothingElse(t *testing.T) {
	w := newWorld(t)
	h := w.port(nil).For("acme")
	key, other := put(t, h, "content"), put(t, h, "another")
	signed, err := h.SignGet(t.Context(), key, 15*time.Minute, blob.As{ContentType: "image/png", FileName: "a.png"})
	if err != nil {
		t.Fatal(err)
	}
	if status, body := ask(t, http.MethodGet, signed.URL); status != 200 || body != "content" {
		t.Fatalf("as signed: status %d, %q", status, body)
	}
	query := func(name, value string) string {
		u, err := url.Parse(signed.URL)
		if err != nil {
			t.Fatal(err)
		}
		q := u.Query()
		if q.Get(name) == "" || q.Get(name) == value {
			t.Fatalf("%s is %q in %s", name, q.Get(name), signed.URL)
		}
		q.Set(name, value)
		u.RawQuery = q.Encode()
		return u.String()
	}
	for name, tc := range map[string]struct{ method, url string }{
		"another signature":   {http.MethodGet, query("X-Amz-Signature", strings.Repeat("0", 64))},
		"another key":         {http.MethodGet, strings.Replace(signed.URL, string(key), string(other), 1)},
		"another bucket":      {http.MethodGet, strings.Replace(signed.URL, w.buckets["acme"].Name, w.buckets["globex"].Name, 1)},
		"a longer life":       {http.MethodGet, query("X-Amz-Expires", "3600")},
		"a later beginning":   {http.MethodGet, query("X-Amz-Date", time.Now().UTC().Add(time.Minute).Format("20060102T150405Z"))},
		"another file name":   {http.MethodGet, query("response-content-disposition", "inline")},
		"another type":        {http.MethodGet, query("response-content-type", "text/html")},
		"another owner":       {http.MethodGet, query("x-amz-expected-bucket-owner", "210987654321")},
		"to delete":           {http.MethodDelete, signed.URL},
		"to write":            {http.MethodPut, signed.URL},
		"without a signature": {http.MethodGet, signed.URL[:strings.Index(signed.URL, "?")]},
	} {
		if status, body := ask(t, tc.method, tc.url); status != 403 || strings.Contains(body, "content") {
			t.Errorf("%s: status %d, %q; want 403", name, status, body)
		}
	}
	for key, want := range map[blob.Key]string{key: "content", other: "another"} {
		if got := content(t, h, key); got != want {
			t.Errorf("afterwards: got %q, want %q", got, want)
		}
	}
}

func content(t *testing.T, h blob.Handle, key blob.Key) string {
	t.Helper()
	body, _, err := h.Open(t.Context(), key, blob.Range{})
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	got, err := io.ReadAll(body)
	if err != nil {
		t.Fatal(err)
	}
	if err := body.Close(); err != nil {
		t.Fatal(err)
	}
	return string(got)
}

// sessions hands out sessions of given lives, one after the other.
type sessions struct {
	w     *world
	lives []time.Duration
	given int
}

func (s *sessions) Retrieve(context.Context) (aws.Credentials, error) {
	life := s.lives[min(s.given, len(s.lives)-1)]
	s.given++
	return aws.Credentials{
		AccessKeyID: s.w.server.Access, SecretAccessKey: s.w.server.Secret,
		CanExpire: true, Expires: time.Now().Add(life),
	}, nil
}

func TestSessionOutlivesTheURL(t *testing.T) {
	for name, tc := range map[string]struct {
		lives []time.Duration
		given int
		code  model.Code
	}{
		"long enough":    {[]time.Duration{time.Hour}, 1, ""},
		"fetched anew":   {[]time.Duration{10 * time.Minute, time.Hour}, 2, ""},
		"never so long":  {[]time.Duration{10 * time.Minute}, 2, model.Unavailable},
		"to the instant": {[]time.Duration{14*time.Minute + 58*time.Second, 15*time.Minute + time.Minute}, 2, ""},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			given := &sessions{w: w, lives: tc.lives}
			cached := aws.NewCredentialsCache(given)
			h := w.port(&s3blob.Options{Clients: clients(func(awsconfig.ClientScope) aws.CredentialsProvider { return cached })}).For("acme")
			key := put(t, h, "content")
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			if tc.code != "" {
				// The port would ask again and again: whom to ask is enough.
				var stop context.CancelFunc
				ctx, stop = context.WithTimeout(ctx, 100*time.Millisecond)
				defer stop()
			}
			signed, err := h.SignGet(ctx, key, 15*time.Minute, blob.As{})
			if model.CodeOf(err) != tc.code {
				t.Fatalf("sign: got %v, want %q", err, tc.code)
			}
			if tc.code == "" {
				if given.given != tc.given {
					t.Errorf("%d sessions were fetched, want %d", given.given, tc.given)
				}
				if status, body := ask(t, http.MethodGet, signed.URL); status != 200 || body != "content" {
					t.Errorf("get: status %d, %q", status, body)
				}
			}
		})
	}
}
