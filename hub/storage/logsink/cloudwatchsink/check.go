package cloudwatchsink

import (
	"context"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/hashicorp/go-hclog"

	"github.com/channelhub/channelhub/hub/telemetry"
)

// The states of a Finding.
const (
	OK     = "ok"
	Warned = "warning" // it may be used; somebody should know
	Failed = "failed"  // Open refuses it
)

// Finding is one thing that Check looked at.
type Finding struct {
	Name   string // there, encryption or retention
	State  string // OK, Warned or Failed
	Detail string // what was found
	Mend   string // what to do about it, in one line; empty when OK
}

// Check looks whether the log group is as Open needs it, and changes nothing.
// An error means that it could not look.
func Check(ctx context.Context, cfg aws.Config, opts Options) ([]Finding, error) {
	s := newSink(cfg, opts)
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	group, err := s.group(ctx)
	if err != nil {
		return nil, err
	}
	if group == nil {
		f := Finding{Name: "there", State: Warned, Detail: fmt.Sprintf("there is no log group %s; the hub makes it at its start, if its role may", opts.Group)}
		f.Mend = "make it with the template in deploy/aws"
		if opts.KMSKeyID != "" {
			f.State, f.Detail = Failed, fmt.Sprintf("there is no log group %s, and the hub does not give keys", opts.Group)
		}
		return []Finding{f}, nil
	}
	there := Finding{Name: "there", State: OK, Detail: opts.Group}
	encryption := Finding{Name: "encryption", State: OK}
	switch key := aws.ToString(group.KmsKeyId); {
	case opts.KMSKeyID != "" && !sameKey(key, opts.KMSKeyID):
		encryption.State, encryption.Detail = Failed, "it is not encrypted with the key of logging.cloudwatch.kms_key_id but with "+orNone(key)
		encryption.Mend = "aws logs associate-kms-key --log-group-name " + opts.Group + " --kms-key-id " + opts.KMSKeyID
	case key == "":
		encryption.State, encryption.Detail = Warned, "it is encrypted under the service's own key"
		encryption.Mend = "aws logs associate-kms-key --log-group-name " + opts.Group + " --kms-key-id KEY_ARN"
	default:
		encryption.Detail = key
	}
	retention := Finding{Name: "retention", State: OK, Detail: kept(aws.ToInt32(group.RetentionInDays))}
	switch days := aws.ToInt32(group.RetentionInDays); {
	case opts.RetentionDays != 0 && days != opts.RetentionDays:
		retention.State, retention.Mend = Warned, setRetention(opts)+", or start a hub whose role may logs:PutRetentionPolicy"
		retention.Detail = fmt.Sprintf("%s, and logging.cloudwatch.retention says %d", kept(days), opts.RetentionDays)
	case days == 0:
		retention.State, retention.Detail, retention.Mend = Warned, kept(0), "set logging.cloudwatch.retention, or aws logs put-retention-policy"
	}
	return []Finding{there, encryption, retention}, nil
}

// tryStream is written to by Try alone, one short line each time.
const tryStream = "doctor"

// Try writes one line into a stream of its own in a group that is there: what
// Check cannot see, whether the role may write and the group's key works.
func Try(ctx context.Context, cfg aws.Config, opts Options) error {
	opts.Stream = tryStream
	s := newSink(cfg, opts)
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	if err := s.makeStream(ctx); err != nil {
		return err
	}
	now := time.Now()
	line := telemetry.Line(now, hclog.Info, "hub.doctor", "the log can be written")
	_, err := s.put(ctx, events{{Message: aws.String(string(line)), Timestamp: aws.Int64(now.UnixMilli())}})
	return err
}

func kept(days int32) string {
	if days == 0 {
		return "what is written is kept for ever"
	}
	return fmt.Sprintf("%d days", days)
}
