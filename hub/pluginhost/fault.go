package pluginhost

import (
	"context"
	"errors"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/channelhub/channelhub/hub/model"
)

// rpcError is a gRPC error of a connector. Its text says the status alone: the
// message is the connector's own words, and may name a person.
type rpcError struct {
	code  codes.Code
	words string
}

func (f *rpcError) Error() string { return "rpc status " + f.code.String() }

// callError turns what a call returned into the hub's vocabulary. A gRPC error
// means that the connector, or the contract, broke; what a provider said
// travels in the answer.
func callError(method string, err error) error {
	if err == nil {
		return nil
	}
	if _, ok := errors.AsType[*model.Error](err); ok {
		return err
	}
	code := codeOf(err)
	out := &model.Error{
		Op: method, Code: model.Unavailable, Detail: "the connector failed: " + code.String(),
		Err: &rpcError{code: code, words: status.Convert(err).Message()},
	}
	switch code {
	case codes.InvalidArgument, codes.OutOfRange:
		out.Code = model.Invalid
	case codes.NotFound:
		out.Code = model.NotFound
	case codes.PermissionDenied, codes.Unauthenticated:
		out.Code = model.Denied
	case codes.FailedPrecondition, codes.Unimplemented:
		out.Code = model.Precondition
	case codes.ResourceExhausted:
		out.Code = model.TooLarge
	case codes.DeadlineExceeded:
		out.Detail = "the connector did not answer in time"
	case codes.Canceled:
		out.Detail = "the call was called off"
	case codes.Unavailable:
		out.Detail = "the connector went away"
	default:
	}
	return out
}

// codeOf is status.Code that knows the errors of contexts too.
func codeOf(err error) codes.Code {
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return codes.DeadlineExceeded
	case errors.Is(err, context.Canceled):
		return codes.Canceled
	default:
		return status.Code(err)
	}
}

func codeText(err error) string { return codeOf(err).String() }

// connectorText returns a connector's own words, made harmless, behind a
// colon. It is for setting things up, where they tell the operator what to
// mend and no contact is involved.
func connectorText(err error) string {
	if words := status.Convert(err).Message(); words != "" {
		return ": " + printable(words, maxDetail)
	}
	return ""
}

// explain adds a connector's own words to the error of a call that sets things
// up.
func explain(err error) error {
	fault, ok := errors.AsType[*rpcError](err)
	if !ok || fault.words == "" {
		return err
	}
	e, ok := errors.AsType[*model.Error](err)
	if !ok {
		return err
	}
	explained := *e
	explained.Detail += ": " + printable(fault.words, maxDetail)
	return &explained
}

// faultText is what a status shows of an error: the details, which are the
// hub's own words or made harmless, and never a cause.
func faultText(err error) string {
	e, ok := errors.AsType[*model.Error](err)
	if !ok {
		return "a fault of the hub"
	}
	parts := make([]string, 0, 1+len(e.Faults))
	if e.Detail != "" {
		parts = append(parts, e.Detail)
	}
	for _, f := range e.Faults {
		parts = append(parts, f.Field+": "+f.Detail)
	}
	if len(parts) == 0 {
		return e.Code.Title()
	}
	return cut(strings.Join(parts, "; "), maxDetail)
}
