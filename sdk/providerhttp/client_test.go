package providerhttp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/channelhub/channelhub/sdk"
	"github.com/channelhub/channelhub/sdk/internal/attempt"
)

// client returns a client to which the operator named the given hosts.
func client(opts *Options, named ...string) *Client {
	return newClient(&sdk.Host{}, named, opts)
}

// serving starts a provider and returns a client that may reach it.
func serving(t *testing.T, opts *Options, handler http.HandlerFunc) (*Client, string) {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
	})
	return client(opts, strings.TrimPrefix(server.URL, "http://")), server.URL
}

func outcome(t *testing.T, err error) *sdk.OutcomeError {
	t.Helper()
	var o *sdk.OutcomeError
	if !errors.As(err, &o) {
		t.Fatalf("%v is no outcome", err)
	}
	return o
}

func TestStatusBecomesOutcome(t *testing.T) {
	for _, c := range []struct {
		status int
		after  string
		kind   sdk.OutcomeKind
		scope  sdk.Scope
		wait   time.Duration
	}{
		{429, "", sdk.OutcomeThrottled, sdk.ScopeAccount, 0},
		{429, "12", sdk.OutcomeThrottled, sdk.ScopeAccount, 12 * time.Second},
		{429, "soon", sdk.OutcomeThrottled, sdk.ScopeAccount, 0},
		{503, "3", sdk.OutcomeThrottled, sdk.ScopeAccount, 3 * time.Second},
		{503, "", sdk.OutcomeUnknown, "", 0},
		{503, "99999999", sdk.OutcomeThrottled, sdk.ScopeAccount, 24 * time.Hour},
		{500, "3", sdk.OutcomeUnknown, "", 0},
		{502, "", sdk.OutcomeUnknown, "", 0},
		{504, "", sdk.OutcomeUnknown, "", 0},
		{408, "", sdk.OutcomeUnknown, "", 0},
		{401, "", sdk.OutcomeRejected, sdk.ScopeAccount, 0},
		{403, "", sdk.OutcomeRejected, sdk.ScopeAccount, 0},
		{400, "", sdk.OutcomeRejected, sdk.ScopeMessage, 0},
		{404, "", sdk.OutcomeRejected, sdk.ScopeMessage, 0},
		{304, "", sdk.OutcomeRejected, sdk.ScopeMessage, 0},
	} {
		client, url := serving(t, nil, func(w http.ResponseWriter, _ *http.Request) {
			if c.after != "" {
				w.Header().Set("Retry-After", c.after)
			}
			w.WriteHeader(c.status)
			_, _ = io.WriteString(w, "no message for +1555")
		})
		answer, err := client.Post(t.Context(), url, "text/plain", []byte("hello"), nil)
		got := outcome(t, err)
		if got.Kind != c.kind || got.Scope != c.scope || got.RetryAfter != c.wait {
			t.Errorf("%d with Retry-After %q gives %+v", c.status, c.after, got)
		}
		if answer == nil || answer.Status != c.status {
			t.Errorf("%d: the answer is %+v", c.status, answer)
		}
		if strings.Contains(err.Error(), "+1555") {
			t.Errorf("%d: the error quotes the provider: %v", c.status, err)
		}
	}
}

func TestRetryAfterAsADate(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for value, want := range map[string]time.Duration{
		"Fri, 02 Jan 2026 03:05:05 GMT": time.Minute,
		"Fri, 02 Jan 2026 03:00:00 GMT": 0,
		" 5 ":                           5 * time.Second,
	} {
		if got, ok := retryAfter(value, now); !ok || got != want {
			t.Errorf("%q is %v, %t", value, got, ok)
		}
	}
	for _, value := range []string{"", "-1", "1.5", "tomorrow"} {
		if got, ok := retryAfter(value, now); ok {
			t.Errorf("%q is %v", value, got)
		}
	}
}

func TestRequestArrivesAsWritten(t *testing.T) {
	client, url := serving(t, nil, func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		w.Header().Set("X-Seen", fmt.Sprint(r.Method, " ", r.Header.Get("Content-Type"), " ", r.Header.Get("X-Own"), " ", string(body)))
		w.WriteHeader(http.StatusCreated)
		_, _ = io.WriteString(w, "taken")
	})
	answer, err := client.Post(t.Context(), url, "text/plain", []byte("hello"), http.Header{"x-own": {"1"}})
	if err != nil || answer.Status != http.StatusCreated || string(answer.Body) != "taken" {
		t.Fatalf("answered %+v, %v", answer, err)
	}
	if got := answer.Header.Get("X-Seen"); got != "POST text/plain 1 hello" {
		t.Errorf("the provider saw %q", got)
	}
	if _, err := client.Post(t.Context(), "::", "text/plain", nil, nil); outcome(t, err).Kind != sdk.OutcomeRejected {
		t.Errorf("a bad URL gives %v", err)
	}
}

// inAttempt runs one request within a Send, and says whether it had begun.
func inAttempt(t *testing.T, c *Client, url string, sendUntil time.Time) (begun bool, err error) {
	t.Helper()
	try := attempt.New(sendUntil)
	_, err = c.Post(attempt.NewContext(t.Context(), try), url, "text/plain", []byte("hello"), nil)
	return try.Begun(), err
}

// nobody returns an address where nobody listens.
func nobody(t *testing.T) string {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	return listener.Addr().String()
}

func TestFailureBeforeTheFirstByteIsARetry(t *testing.T) {
	closed := nobody(t)
	begun, err := inAttempt(t, client(nil, closed), "http://"+closed, time.Time{})
	if begun || outcome(t, err).Kind != sdk.OutcomeRetry || !strings.Contains(err.Error(), "refused the connection") {
		t.Errorf("a refused connection: begun %t, %v", begun, err)
	}
	for _, err := range []error{
		&net.DNSError{Err: "no such host", Name: "token-123.example", IsNotFound: true},
		&net.OpError{Op: "dial", Err: context.DeadlineExceeded},
		errors.New("anything else"),
	} {
		if got := client(nil).failure(err, false); got.Kind != sdk.OutcomeRetry || strings.Contains(got.Error(), "token-123") {
			t.Errorf("%v before a byte has left is %v", err, got)
		}
		if got := client(nil).failure(err, true); got.Kind != sdk.OutcomeUnknown {
			t.Errorf("%v after a byte has left is %v", err, got)
		}
	}
}

func TestFailureAfterTheFirstByteIsUnknown(t *testing.T) {
	breaking, url := serving(t, nil, func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		_ = conn.Close()
	})
	begun, err := inAttempt(t, breaking, url, time.Time{})
	if !begun || outcome(t, err).Kind != sdk.OutcomeUnknown {
		t.Errorf("a broken connection: begun %t, %v", begun, err)
	}

	asked, release := make(chan struct{}), make(chan struct{})
	defer close(release)
	slow, url := serving(t, nil, func(http.ResponseWriter, *http.Request) {
		close(asked)
		<-release
	})
	ctx, giveUp := context.WithCancel(t.Context())
	go func() {
		<-asked
		giveUp()
	}()
	_, err = slow.Post(ctx, url, "text/plain", []byte("hello"), nil)
	if outcome(t, err).Kind != sdk.OutcomeUnknown || !errors.Is(err, context.Canceled) {
		t.Errorf("given up while waiting for the answer: %v", err)
	}
}

// A second request of the same Send is judged by its own bytes.
func TestEachRequestIsJudgedByItself(t *testing.T) {
	_, url := serving(t, nil, func(http.ResponseWriter, *http.Request) {})
	closed := nobody(t)
	c := client(nil, "127.0.0.1")
	try := attempt.New(time.Time{})
	ctx := attempt.NewContext(t.Context(), try)
	if _, err := c.Post(ctx, url, "text/plain", []byte("login"), nil); err != nil {
		t.Fatal(err)
	}
	_, err := c.Post(ctx, "http://"+closed, "text/plain", []byte("hello"), nil)
	if outcome(t, err).Kind != sdk.OutcomeRetry || !try.Begun() {
		t.Errorf("the second request gives %v, begun %t", err, try.Begun())
	}
}

func TestNothingLeavesWhenTheTimeIsOver(t *testing.T) {
	asked := make(chan struct{}, 10)
	c, url := serving(t, nil, func(http.ResponseWriter, *http.Request) { asked <- struct{}{} })
	begun, err := inAttempt(t, c, url, time.Now().Add(-time.Millisecond))
	if begun || outcome(t, err).Kind != sdk.OutcomeRetry || len(asked) > 0 {
		t.Errorf("begun %t, %v, asked %d times", begun, err, len(asked))
	}
	// The time ends between the first check and the body.
	over := attempt.New(time.Now().Add(-time.Millisecond))
	request := httptest.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader("hello"))
	holdBack(request, over)
	if _, err := io.ReadAll(request.Body); !errors.Is(err, errOver) {
		t.Errorf("the body is read when the time is over: %v", err)
	}
	if request.GetBody != nil {
		t.Error("the test's request can be read again, which this test does not look at")
	}
}

func TestAnswersHaveAnEnd(t *testing.T) {
	c, url := serving(t, &Options{MaxBody: 10}, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, strings.Repeat("x", len(r.URL.Path)))
	})
	if answer, err := c.Post(t.Context(), url+"/23456789", "", nil, nil); err != nil || len(answer.Body) != 9 {
		t.Errorf("an answer within the limit: %+v, %v", answer, err)
	}
	_, err := c.Post(t.Context(), url+"/23456789012", "", nil, nil)
	if outcome(t, err).Kind != sdk.OutcomeUnknown || !strings.Contains(err.Error(), "larger than 10 bytes") {
		t.Errorf("an answer beyond the limit: %v", err)
	}
}

func TestRedirectsAreFollowedOnlyWhenAsked(t *testing.T) {
	handler := func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/end" {
			http.Redirect(w, r, "/end", http.StatusTemporaryRedirect)
		}
	}
	c, url := serving(t, nil, handler)
	if answer, err := c.Post(t.Context(), url, "", nil, nil); outcome(t, err).Code != "redirected" || answer.Header.Get("Location") == "" {
		t.Errorf("a redirect: %+v, %v", answer, err)
	}
	c, url = serving(t, &Options{Redirects: 1}, handler)
	if answer, err := c.Post(t.Context(), url, "", nil, nil); err != nil || answer.Status != http.StatusOK {
		t.Errorf("a followed redirect: %+v, %v", answer, err)
	}
}

func TestOpenStreamsAFile(t *testing.T) {
	c, url := serving(t, &Options{MaxBody: 10}, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/missing" {
			w.WriteHeader(http.StatusNotFound)
		}
		_, _ = io.WriteString(w, strings.Repeat("x", 1000))
	})
	get := func(path string) (*http.Response, error) {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		return c.Open(request)
	}
	answer, err := get("/file")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	if body, err := io.ReadAll(answer.Body); err != nil || len(body) != 1000 {
		t.Errorf("read %d bytes, %v", len(body), err)
	}
	missing, err := get("/missing")
	if outcome(t, err).Kind != sdk.OutcomeRejected {
		t.Errorf("a missing file: %v", err)
		_ = missing.Body.Close()
	}
}

func TestErrorsHoldNoURL(t *testing.T) {
	closed := nobody(t)
	c := client(nil, closed)
	for _, url := range []string{"http://" + closed + "/token-123?key=t0p-secret", "gopher://" + closed + "/token-123"} {
		_, err := c.Post(t.Context(), url, "", nil, nil)
		if err == nil || strings.Contains(err.Error(), "token-123") || strings.Contains(err.Error(), "t0p-secret") {
			t.Errorf("the error is %v", err)
		}
	}
}
