// Package awsfault reads the errors of the AWS SDK, the same way for every
// driver.
package awsfault

import (
	"context"
	"errors"
	"net/http"

	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/channelhub/channelhub/hub/model"
)

// Name is the service's word for the error, such as "AccessDeniedException";
// empty when no service answered.
func Name(err error) string {
	if api, ok := errors.AsType[smithy.APIError](err); ok {
		return api.ErrorCode()
	}
	return ""
}

// byName are the words that all services share. What is not here is judged by
// its HTTP status.
var byName = map[string]model.Code{
	"AccessDenied":                model.Denied,
	"AccessDeniedException":       model.Denied,
	"AuthFailure":                 model.Denied,
	"InvalidAccessKeyId":          model.Denied,
	"InvalidClientTokenId":        model.Denied,
	"MissingAuthenticationToken":  model.Denied,
	"NotAuthorized":               model.Denied,
	"OptInRequired":               model.Denied,
	"UnauthorizedOperation":       model.Denied,
	"UnrecognizedClientException": model.Denied,

	// The credentials are renewed by themselves, or the clocks differ: neither
	// says that the hub may not.
	"ExpiredToken":              model.Unavailable,
	"ExpiredTokenException":     model.Unavailable,
	"InvalidSignatureException": model.Unavailable,
	"RequestExpired":            model.Unavailable,
	"RequestTimeTooSkewed":      model.Unavailable,

	"BandwidthLimitExceeded":                 model.Throttled,
	"LimitExceededException":                 model.Throttled,
	"PriorRequestNotComplete":                model.Throttled,
	"ProvisionedThroughputExceededException": model.Throttled,
	"RequestLimitExceeded":                   model.Throttled,
	"RequestThrottled":                       model.Throttled,
	"RequestThrottledException":              model.Throttled,
	"SlowDown":                               model.Throttled,
	"Throttling":                             model.Throttled,
	"ThrottlingException":                    model.Throttled,
	"ThrottledException":                     model.Throttled,
	"TooManyRequestsException":               model.Throttled,

	"InternalFailure":             model.Unavailable,
	"InternalServerError":         model.Unavailable,
	"RequestTimeout":              model.Unavailable,
	"RequestTimeoutException":     model.Unavailable,
	"ServiceUnavailable":          model.Unavailable,
	"ServiceUnavailableException": model.Unavailable,
}

// Code says what kind of thing went wrong. A call that got no answer is
// unavailable: what it reached, nobody knows.
func Code(err error) model.Code {
	if err == nil {
		return ""
	}
	if code, ok := byName[Name(err)]; ok {
		return code
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return model.Unavailable
	}
	if resp, ok := errors.AsType[*smithyhttp.ResponseError](err); ok {
		switch status := resp.HTTPStatusCode(); {
		case status == http.StatusUnauthorized, status == http.StatusForbidden:
			return model.Denied
		case status == http.StatusTooManyRequests:
			return model.Throttled
		case status == http.StatusRequestTimeout, status >= 500:
			return model.Unavailable
		case status >= 400:
			return model.Invalid
		}
	}
	if Name(err) != "" {
		return model.Invalid
	}
	return model.Unavailable
}
