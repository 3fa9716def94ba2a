package s3blob

import (
	"errors"
	"net/http"
	"strings"

	"github.com/aws/smithy-go"

	"github.com/channelhub/channelhub/hub/model"
)

// codes are the errors of S3 whose HTTP status does not say enough.
var codes = map[string]model.Code{
	"NoSuchBucket":               model.Denied, // noted and not there: somebody took it away
	"NoSuchKey":                  model.NotFound,
	"NoSuchUpload":               model.NotFound,
	"PreconditionFailed":         model.Precondition,
	"ConditionalRequestConflict": model.Conflicting,
	"OperationAborted":           model.Conflicting,
	"InvalidRange":               model.Invalid,
	"EntityTooLarge":             model.TooLarge,
	"RequestTimeout":             model.Unavailable, // a 400: the body came too slowly
	"ExpiredToken":               model.Unavailable, // a session that ended on the way; the next call has a new one
	"SlowDown":                   model.Throttled,
	"RequestLimitExceeded":       model.Throttled,
}

// statuses are what else an answer can say. HEAD has no text, and thus only
// these.
var statuses = map[int]model.Code{
	http.StatusForbidden:                    model.Denied,
	http.StatusUnauthorized:                 model.Denied,
	http.StatusNotFound:                     model.NotFound,
	http.StatusConflict:                     model.Conflicting,
	http.StatusPreconditionFailed:           model.Precondition,
	http.StatusRequestedRangeNotSatisfiable: model.Invalid,
	http.StatusTooManyRequests:              model.Throttled,
}

// coded gives an error of a call its code; nil, and one that has a code, stay
// as they are. The text of an answer is S3's own: it names buckets and keys,
// none of which says anything of a customer.
func coded(op string, err error) error {
	if err == nil {
		return nil
	}
	if _, ok := errors.AsType[*model.Error](err); ok {
		return err
	}
	if api, ok := errors.AsType[smithy.APIError](err); ok {
		name := api.ErrorCode()
		if code, ok := codes[name]; ok {
			return model.Wrap(code, op, err)
		}
		if strings.Contains(name, "Throttl") { // of KMS, behind S3
			return model.Wrap(model.Throttled, op, err)
		}
	}
	at := status(err)
	if code, ok := statuses[at]; ok {
		return model.Wrap(code, op, err)
	}
	if at >= 400 && at < 500 {
		return model.Wrap(model.Internal, op, err) // the hub asked wrongly
	}
	return model.Wrap(model.Unavailable, op, err) // no answer, or 5xx
}

// status is the HTTP status of an answer, 0 when there was none.
func status(err error) int {
	var answer interface{ HTTPStatusCode() int }
	if errors.As(err, &answer) {
		return answer.HTTPStatusCode()
	}
	return 0
}
