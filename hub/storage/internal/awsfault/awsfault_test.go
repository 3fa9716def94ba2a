package awsfault

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"testing"

	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/channelhub/channelhub/hub/model"
)

func answered(status int, name string) error {
	cause := error(&smithy.GenericAPIError{Code: name, Message: "x"})
	if name == "" {
		cause = errors.New("not readable")
	}
	return fmt.Errorf("operation error: %w", &smithyhttp.ResponseError{
		Response: &smithyhttp.Response{Response: &http.Response{StatusCode: status}}, Err: cause,
	})
}

func TestCode(t *testing.T) {
	for _, tc := range []struct {
		err  error
		want model.Code
	}{
		{nil, ""},
		{answered(400, "AccessDeniedException"), model.Denied},
		{answered(403, "SomethingNew"), model.Denied},
		{answered(400, "ThrottlingException"), model.Throttled},
		{answered(429, ""), model.Throttled},
		{answered(400, "ExpiredTokenException"), model.Unavailable},
		{answered(500, "KMSInternalException"), model.Unavailable},
		{answered(503, ""), model.Unavailable},
		{answered(400, "ValidationException"), model.Invalid},
		{context.Canceled, model.Unavailable},
		{errors.New("dial tcp: connection refused"), model.Unavailable},
		{&smithy.GenericAPIError{Code: "Odd"}, model.Invalid},
	} {
		if got := Code(tc.err); got != tc.want {
			t.Errorf("%v: %q, want %q", tc.err, got, tc.want)
		}
	}
	if got := Name(answered(400, "X")); got != "X" {
		t.Errorf("the name is %q", got)
	}
}
