package awsconfig

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"syscall"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/channelhub/channelhub/hub/model"
)

// Fault gives an error of the SDK its code. Its text names the service, the
// operation, AWS's own word for the error, the status and the request id, and
// nothing that was sent or came back: messages of AWS hold keys, names and
// values. The cause can be reached by errors.As and must not be printed. nil
// stays nil.
//
// With model.Unavailable the call may have been carried out; every other code
// says that it was not.
func Fault(op string, err error) error {
	if err == nil {
		return nil
	}
	return &model.Error{Code: Code(err), Op: op, Err: &quiet{text: describe(err), cause: err}}
}

// quiet is an error whose text holds no values of its cause.
type quiet struct {
	text  string
	cause error
}

func (q *quiet) Error() string { return q.text }
func (q *quiet) Unwrap() error { return q.cause }

// codes are AWS's words for what a caller can act on. Words not here are
// judged by the HTTP status.
var codes = map[string]model.Code{
	// Too many requests: the same one may succeed later, and nothing was done.
	"ProvisionedThroughputExceededException": model.Throttled,
	"RequestLimitExceeded":                   model.Throttled,
	"RequestThrottled":                       model.Throttled,
	"RequestThrottledException":              model.Throttled,
	"SlowDown":                               model.Throttled,
	"Throttling":                             model.Throttled,
	"ThrottlingError":                        model.Throttled,
	"ThrottlingException":                    model.Throttled,
	"ThrottledException":                     model.Throttled,
	"TooManyRequestsException":               model.Throttled,
	"BandwidthLimitExceeded":                 model.Throttled,
	"LimitExceededException":                 model.Throttled,
	"TransactionConflict":                    model.Throttled,
	"TransactionConflictException":           model.Throttled,
	"ReplicatedWriteConflictException":       model.Throttled,

	"TransactionInProgressException": model.Unavailable,
	"DependencyTimeoutException":     model.Unavailable,
	"KeyUnavailableException":        model.Unavailable,
	"KMSInternalException":           model.Unavailable,
	"InternalServerError":            model.Unavailable,
	"InternalError":                  model.Unavailable,
	"InternalFailure":                model.Unavailable,
	"ServiceUnavailable":             model.Unavailable,
	"ServiceUnavailableException":    model.Unavailable,
	"RequestTimeout":                 model.Unavailable,
	"RequestTimeoutException":        model.Unavailable,
	// A session that ended, or a clock that is off, is mended by the next
	// session and by the next look at the clock.
	"ExpiredToken":          model.Unavailable,
	"ExpiredTokenException": model.Unavailable,
	"RequestExpired":        model.Unavailable,
	"RequestTimeTooSkewed":  model.Unavailable,

	"AccessDenied":                 model.Denied,
	"AccessDeniedException":        model.Denied,
	"AllAccessDisabled":            model.Denied,
	"AuthorizationHeaderMalformed": model.Denied,
	"DisabledException":            model.Denied,
	"IncompleteSignature":          model.Denied,
	"InvalidAccessKeyId":           model.Denied,
	"InvalidClientTokenId":         model.Denied,
	"InvalidSignatureException":    model.Denied,
	"KMSInvalidStateException":     model.Denied,
	"MissingAuthenticationToken":   model.Denied,
	"NotAuthorized":                model.Denied,
	"OptInRequired":                model.Denied,
	"SignatureDoesNotMatch":        model.Denied,
	"UnrecognizedClientException":  model.Denied,

	"NoSuchBucket":              model.NotFound,
	"NoSuchKey":                 model.NotFound,
	"NoSuchUpload":              model.NotFound,
	"NotFound":                  model.NotFound,
	"NotFoundException":         model.NotFound,
	"ParameterNotFound":         model.NotFound,
	"ResourceNotFoundException": model.NotFound,

	"EntityTooLarge": model.TooLarge,
	"ItemCollectionSizeLimitExceededException": model.TooLarge,
	"RequestEntityTooLarge":                    model.TooLarge,

	"ConditionalCheckFailedException": model.Precondition,
	"PreconditionFailed":              model.Precondition,

	"AbortedException":               model.Conflicting,
	"ConditionalRequestConflict":     model.Conflicting,
	"ConflictException":              model.Conflicting,
	"OperationAborted":               model.Conflicting,
	"ResourceAlreadyExistsException": model.Conflicting,
	"ResourceInUseException":         model.Conflicting,
}

// Code is what an error of the SDK means for the hub.
func Code(err error) model.Code {
	if own, ok := errors.AsType[*model.Error](err); ok {
		return own.Code
	}
	if word := Word(err); word != "" {
		if code, ok := codes[word]; ok {
			return code
		}
	}
	if answer, ok := errors.AsType[*smithyhttp.ResponseError](err); ok {
		return ofStatus(answer.HTTPStatusCode())
	}
	// Nothing that could be read came back: the network, a time-out, an ended
	// context, credentials that could not be fetched.
	return model.Unavailable
}

func ofStatus(status int) model.Code {
	switch {
	case status == 401 || status == 403:
		return model.Denied
	case status == 404:
		return model.NotFound
	case status == 409:
		return model.Conflicting
	case status == 412:
		return model.Precondition
	case status == 413:
		return model.TooLarge
	case status == 429:
		return model.Throttled
	case status >= 400 && status < 500:
		return model.Invalid
	}
	return model.Unavailable
}

// Word is AWS's own word for an error, such as "AccessDenied"; empty when AWS
// did not answer.
func Word(err error) string {
	answer, ok := errors.AsType[smithy.APIError](err)
	if !ok {
		return ""
	}
	word := answer.ErrorCode()
	if i := strings.LastIndexByte(word, '#'); i >= 0 {
		word = word[i+1:]
	}
	// It comes from outside: nothing but a word is let through.
	if len(word) > 80 || strings.ContainsFunc(word, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '.' && r != '_'
	}) {
		return "unreadable"
	}
	return word
}

func describe(err error) string {
	var b strings.Builder
	if call, ok := errors.AsType[*smithy.OperationError](err); ok {
		fmt.Fprintf(&b, "%s %s: ", call.Service(), call.Operation())
	}
	word := Word(err)
	if word == "" {
		word = silence(err)
	}
	b.WriteString(word)
	if answer, ok := errors.AsType[*smithyhttp.ResponseError](err); ok && answer.HTTPStatusCode() != 0 {
		fmt.Fprintf(&b, ", status %d", answer.HTTPStatusCode())
	}
	if id, ok := errors.AsType[interface {
		error
		ServiceRequestID() string
	}](err); ok && id.ServiceRequestID() != "" {
		fmt.Fprintf(&b, ", request %.64q", id.ServiceRequestID())
	}
	return b.String()
}

// silence says why there is no answer of AWS.
func silence(err error) string {
	var timeout interface{ Timeout() bool }
	switch {
	case errors.Is(err, errPlain):
		return errPlain.Error()
	case errors.Is(err, context.Canceled):
		return "the caller left"
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return "no answer in time"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "the connection was refused"
	}
	if _, ok := errors.AsType[*net.DNSError](err); ok {
		return "the endpoint's name was not found"
	}
	if _, ok := errors.AsType[*net.OpError](err); ok {
		return "the network failed"
	}
	if _, ok := errors.AsType[*smithyhttp.RequestSendError](err); ok {
		return "the connection failed"
	}
	if _, ok := errors.AsType[*smithy.DeserializationError](err); ok {
		return "the answer could not be read"
	}
	if _, ok := errors.AsType[*aws.RequestCanceledError](err); ok {
		return "the call ended early"
	}
	return "no credentials, or no answer"
}
