package awsconfig

import (
	"context"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
)

// Identity is who the hub's credentials belong to, as AWS sees it.
type Identity struct {
	Account string
	ARN     string // of the user, or of the session of the role
	// Skew is how far the local clock is ahead of AWS's, by the Date of its
	// answer, to the second; negative when it is behind.
	Skew time.Duration
}

// Identity asks AWS who the hub is, and what time it is. Everybody may ask,
// whatever their policies say.
func (a *AWS) Identity(ctx context.Context) (Identity, error) {
	ctx, cancel := context.WithTimeout(ctx, assumeTimeout)
	defer cancel()
	began := time.Now()
	out, err := a.sts.GetCallerIdentity(ctx, nil)
	if err != nil {
		return Identity{}, Fault("ask who the hub is", err)
	}
	id := Identity{Account: aws.ToString(out.Account), ARN: aws.ToString(out.Arn)}
	if at, ok := awsmiddleware.GetServerTime(out.ResultMetadata); ok {
		// The answer was dated at some time between the two, to the second.
		id.Skew = skew(at, began, time.Now())
	}
	return id, nil
}

// skew is how far a clock that reads began and ended around a moment is off
// one that reads at then, cut to the second. Within that it cannot be told.
func skew(at, began, ended time.Time) time.Duration {
	switch next := at.Add(time.Second); {
	case began.After(next):
		return began.Sub(next)
	case ended.Before(at):
		return ended.Sub(at)
	}
	return 0
}
