// Package providerhttp is the HTTP client for requests to a provider. It keeps
// the promises that the hub's contract makes for a connector:
//
//   - no request begins after a delivery's SendUntil, and the SDK learns
//     whether one has begun, so that a plain error becomes the right outcome;
//   - a status becomes an outcome once, in one place (see [Do] of [Client]);
//   - addresses that the operator did not name must be public ones, checked
//     when the connection is made, behind any trick of DNS;
//   - answers and waiting have an end;
//   - errors hold neither secrets nor queries nor what the provider wrote.
//
// Proxies of the environment are not used: a connector runs without one.
package providerhttp

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"time"

	"github.com/channelhub/channelhub/sdk"
	"github.com/channelhub/channelhub/sdk/internal/attempt"
)

// Options change a client. The zero value and nil are the defaults.
type Options struct {
	// Timeout ends a request, its answer included; zero means 15 s. The
	// context's deadline counts as well.
	Timeout time.Duration
	// MaxBody is the size an answer may have in bytes; zero means 1 MiB.
	MaxBody int64
	// Redirects is how many redirects are followed; zero means none. Each
	// passes the same guard.
	Redirects int
}

// Client makes requests for one account. It is safe for concurrent use, keeps
// connections, and needs no closing.
type Client struct {
	http    *http.Client
	host    *sdk.Host
	timeout time.Duration
	maxBody int64
}

// New returns a client for the account that host belongs to. It may reach what
// the operator named and any public address.
func New(host *sdk.Host, opts *Options) *Client { return newClient(host, host.Egress(), opts) }

func newClient(host *sdk.Host, named []string, opts *Options) *Client {
	if opts == nil {
		opts = &Options{}
	}
	guard := &guard{named: named}
	redirects := opts.Redirects
	return &Client{
		host:    host,
		timeout: orDefault(opts.Timeout, 15*time.Second),
		maxBody: orDefault(opts.MaxBody, 1<<20),
		http: &http.Client{
			Transport: &http.Transport{
				DialContext:            guard.dial,
				TLSHandshakeTimeout:    10 * time.Second,
				MaxIdleConnsPerHost:    16,
				IdleConnTimeout:        90 * time.Second,
				MaxResponseHeaderBytes: 64 << 10,
				ForceAttemptHTTP2:      true,
			},
			CheckRedirect: func(_ *http.Request, via []*http.Request) error {
				if len(via) > redirects {
					return http.ErrUseLastResponse
				}
				return nil
			},
		},
	}
}

func orDefault[T int64 | time.Duration](value, fallback T) T {
	if value > 0 {
		return value
	}
	return fallback
}

// Response is a provider's answer, read whole.
type Response struct {
	Status int
	Header http.Header
	Body   []byte
}

// Do makes a request and reads the answer. A 2xx comes without an error. Any
// other answer comes with an [*sdk.OutcomeError], which Send may return as it
// is or replace by what it reads from the answer:
//
//	429, and 503 with Retry-After   throttled
//	401, 403                        rejected, the account
//	408, other 5xx                  unknown
//	3xx that was not followed       rejected, the message
//	other 4xx                       rejected, the message
//
// Without an answer the response is nil: when no byte had left, the error is a
// retry, and unknown otherwise.
func (c *Client) Do(request *http.Request) (*Response, error) {
	ctx, cancel := context.WithTimeout(request.Context(), c.timeout)
	defer cancel()
	answer, err := c.open(request.WithContext(ctx))
	if err != nil {
		return nil, err
	}
	body, readErr := io.ReadAll(io.LimitReader(answer.Body, c.maxBody+1))
	// The body has been read as far as it will be; what closing could say
	// does not change the outcome.
	_ = answer.Body.Close()
	response := &Response{Status: answer.StatusCode, Header: answer.Header, Body: body}
	switch {
	case answer.StatusCode < 200 || answer.StatusCode > 299:
		return response, outcomeOf(answer)
	case readErr != nil:
		return nil, sdk.Unknown(c.clean(fmt.Errorf("read answer: %w", readErr)))
	case int64(len(body)) > c.maxBody:
		return nil, sdk.Unknown(fmt.Errorf("the answer is larger than %d bytes", c.maxBody))
	}
	return response, nil
}

// Post makes a POST request with a body of the given type.
func (c *Client) Post(ctx context.Context, url, contentType string, body []byte, header http.Header) (*Response, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return nil, sdk.Reject("bad_url", errors.New("the URL is not valid"))
	}
	for name, values := range header {
		request.Header[http.CanonicalHeaderKey(name)] = values
	}
	request.Header.Set("Content-Type", contentType)
	return c.Do(request)
}

// Open makes a request and returns its answer while the body is still coming,
// for files. It has an error for any answer but 2xx, as Do has. The caller
// closes the body; only the request's context ends a slow one.
func (c *Client) Open(request *http.Request) (*http.Response, error) {
	answer, err := c.open(request)
	if err != nil {
		return nil, err
	}
	if answer.StatusCode < 200 || answer.StatusCode > 299 {
		_ = answer.Body.Close()
		return nil, outcomeOf(answer)
	}
	return answer, nil
}

// errOver is the end of an attempt that another hub may be deciding about.
var errOver = errors.New("the time to send is over")

// open makes a request, and tells the attempt that the context carries when
// its bytes begin to leave.
func (c *Client) open(request *http.Request) (*http.Response, error) {
	noted := attempt.From(request.Context())
	if noted.Over() {
		return nil, sdk.Retry(errOver)
	}
	// An attempt of this request alone: an earlier one in the same Send must
	// not make a refused connection look like a sent message here.
	own := attempt.New(noted.SendUntil())
	begin := func() { own.Begin(); noted.Begin() }
	ctx := httptrace.WithClientTrace(request.Context(), &httptrace.ClientTrace{
		// Before the first byte is flushed: rather too early than too late.
		WroteHeaderField: func(string, []string) { begin() },
	})
	request = request.Clone(attempt.NewContext(ctx, own))
	holdBack(request, own)
	answer, err := c.http.Do(request)
	if err != nil {
		return nil, c.failure(err, own.Begun())
	}
	return answer, nil
}

// holdBack makes the body of a request fail when the time to send is over. The
// check before the request cannot see how long connecting takes; without its
// body the provider has no message.
func holdBack(request *http.Request, a *attempt.Attempt) {
	if request.Body == nil || request.Body == http.NoBody {
		return
	}
	request.Body = &heldBody{request.Body, a}
	if again := request.GetBody; again != nil {
		request.GetBody = func() (io.ReadCloser, error) {
			body, err := again()
			if err != nil {
				return nil, err
			}
			return &heldBody{body, a}, nil
		}
	}
}

type heldBody struct {
	io.ReadCloser
	attempt *attempt.Attempt
}

// Read implements [io.Reader].
func (b *heldBody) Read(p []byte) (int, error) {
	if b.attempt.Over() {
		return 0, errOver
	}
	return b.ReadCloser.Read(p)
}
