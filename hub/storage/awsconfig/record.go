package awsconfig

import (
	"context"

	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// Call is one request to AWS: what an IAM policy would have to allow, and
// where it went.
type Call struct {
	Service   string // the SDK's service id, such as "DynamoDB"
	Operation string // such as "PutItem"
	Host      string // host and port of the endpoint
}

// record adds the step that tells of each request once its endpoint is known.
func record(tell func(Call)) func(*middleware.Stack) error {
	step := middleware.FinalizeMiddlewareFunc("RecordCall", func(ctx context.Context, in middleware.FinalizeInput, next middleware.FinalizeHandler) (middleware.FinalizeOutput, middleware.Metadata, error) {
		c := Call{Service: awsmiddleware.GetServiceID(ctx), Operation: awsmiddleware.GetOperationName(ctx)}
		if r, ok := in.Request.(*smithyhttp.Request); ok {
			c.Host = r.URL.Host
		}
		tell(c)
		return next.HandleFinalize(ctx, in)
	})
	return func(s *middleware.Stack) error { return s.Finalize.Add(step, middleware.After) }
}
