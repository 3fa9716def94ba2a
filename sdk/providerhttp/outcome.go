package providerhttp

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/channelhub/channelhub/sdk"
)

// maxWait bounds what a provider may ask us to wait. A longer wait is a
// mistake more often than a wish, and the hub asks again anyway.
const maxWait = 24 * time.Hour

// outcomeOf classifies an answer that is not a 2xx. What the provider wrote is
// left to the connector: it may quote the message or the recipient.
func outcomeOf(answer *http.Response) *sdk.OutcomeError {
	status := answer.StatusCode
	code := strconv.Itoa(status)
	said := fmt.Errorf("the provider answered %d", status)
	after, named := retryAfter(answer.Header.Get("Retry-After"), time.Now())
	switch {
	case status == http.StatusTooManyRequests, status == http.StatusServiceUnavailable && named:
		return sdk.Throttle(after, said).WithProviderCode(code)
	case status == http.StatusUnauthorized, status == http.StatusForbidden:
		return sdk.RejectAccount("credentials_refused", said).WithProviderCode(code)
	case status == http.StatusRequestTimeout, status >= 500:
		return sdk.Unknown(said)
	case status >= 400:
		return sdk.Reject("provider_refused", said).WithProviderCode(code)
	case status >= 300:
		return sdk.Reject("redirected", said).WithProviderCode(code)
	default:
		return sdk.Unknown(said)
	}
}

// retryAfter reads a Retry-After header, in seconds or as a date.
func retryAfter(value string, now time.Time) (wait time.Duration, ok bool) {
	value = strings.TrimSpace(value)
	if value == "" {
		return 0, false
	}
	if seconds, err := strconv.ParseUint(value, 10, 32); err == nil {
		return min(time.Duration(seconds)*time.Second, maxWait), true
	}
	at, err := http.ParseTime(value)
	if err != nil {
		return 0, false
	}
	return min(max(at.Sub(now), 0), maxWait), true
}

// failure classifies a request that got no answer.
func (c *Client) failure(err error, begun bool) *sdk.OutcomeError {
	switch {
	case errors.Is(err, errOver):
		return sdk.Retry(errOver)
	case errors.Is(err, errPrivate):
		return sdk.Reject("address_refused", errPrivate)
	case begun:
		return sdk.Unknown(c.clean(err))
	default:
		return sdk.Retry(c.clean(err))
	}
}

// clean says what went wrong without URL, secrets or a chain that leads back
// to them. What callers may test for stays: the end of a context.
func (c *Client) clean(err error) error {
	var cause error
	for _, known := range []error{context.Canceled, context.DeadlineExceeded} {
		if errors.Is(err, known) {
			cause = known
		}
	}
	var timeout net.Error
	var name *net.DNSError
	switch {
	case errors.Is(err, context.Canceled):
		return &requestError{"the request was given up", cause}
	case errors.As(err, &timeout) && timeout.Timeout():
		return &requestError{"the provider did not answer in time", cause}
	case errors.As(err, &name):
		return &requestError{"the provider's name could not be resolved", cause}
	case errors.Is(err, syscall.ECONNREFUSED):
		return &requestError{"the provider refused the connection", cause}
	case errors.Is(err, syscall.ECONNRESET):
		return &requestError{"the provider broke the connection", cause}
	}
	var inURL *url.Error
	if errors.As(err, &inURL) {
		err = inURL.Err // without method and URL
	}
	return &requestError{c.host.Redact(err.Error()), cause}
}

// requestError is a request that failed, in words fit for an operator.
type requestError struct {
	text  string
	cause error // the end of a context, or nil
}

// Error implements error.
func (e *requestError) Error() string { return e.text }

// Unwrap returns the context's error, if that was the cause.
func (e *requestError) Unwrap() error { return e.cause }
