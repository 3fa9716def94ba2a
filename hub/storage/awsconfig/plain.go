package awsconfig

import (
	"context"
	"errors"
	"net/netip"

	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/channelhub/channelhub/hub/model"
)

var errPlain = errors.New("the endpoint is plain http beyond loopback: write https, also in AWS_ENDPOINT_URL and the profile")

// refusePlain adds the step that lets no request leave, and no URL be signed,
// for an endpoint without TLS, wherever that was configured: by the hub's own
// settings, the environment or a profile. A stand-in on this machine may be.
func refusePlain(s *middleware.Stack) error {
	step := middleware.FinalizeMiddlewareFunc("RefusePlainText", func(ctx context.Context, in middleware.FinalizeInput, next middleware.FinalizeHandler) (middleware.FinalizeOutput, middleware.Metadata, error) {
		if r, ok := in.Request.(*smithyhttp.Request); ok && r.URL.Scheme != "https" && !loopback(r.URL.Hostname()) {
			return middleware.FinalizeOutput{}, middleware.Metadata{}, &model.Error{Code: model.Invalid, Op: "call AWS", Err: errPlain}
		}
		return next.HandleFinalize(ctx, in)
	})
	return s.Finalize.Insert(step, "ResolveEndpointV2", middleware.After)
}

func loopback(host string) bool {
	if host == "localhost" {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.Unmap().IsLoopback()
}
