// Package cloudwatchsink writes log lines to CloudWatch Logs, one event a
// line, in a stream of its own for each start of a process.
//
// The port batches, bounds and retries; the driver keeps the service's limits
// and says what the service did not take: in the stream, and to Options.OnDrop.
package cloudwatchsink

import (
	"context"
	"errors"
	"fmt"
	"os"
	"regexp"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/google/uuid"

	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/storage/awsconfig"
	"github.com/channelhub/channelhub/hub/storage/logsink/driver"
)

// callTimeout bounds one call: a service that hangs must not hold back what
// could be reported as lost.
const callTimeout = 10 * time.Second

// Options for Open.
type Options struct {
	// Endpoint is the base URL to call instead of the region's own; empty as a
	// rule.
	Endpoint string
	// Group is the log group, made if it is absent.
	Group string
	// Stream is the log stream, made if it is absent; named after this start
	// of this process when empty.
	Stream string
	// RetentionDays is set on the group where it differs; one of the service's
	// own numbers. 0 leaves the group as it is. A refusal is a warning in the
	// stream.
	RetentionDays int32
	// KMSKeyID is the key that the group must be encrypted with; empty: any,
	// or the service's own. It is checked and never set.
	KMSKeyID string
	// OnDrop is told of records that the service did not take. It must not log.
	OnDrop func(records int)
	// Now judges which events the service would refuse; time.Now when nil.
	Now func() time.Time
}

// Sink is a driver over one log stream.
type Sink struct {
	api      *cloudwatchlogs.Client
	opts     Options
	prepared bool // group and stream are there
	last     time.Time
}

var _ driver.Driver = (*Sink)(nil)

// Open returns a driver that calls the service in the region and with the
// credentials of cfg, and makes group and stream. While the service is away
// that is put off; a refusal is an error. The SDK's retries are turned off: the
// port retries.
func Open(ctx context.Context, cfg aws.Config, opts Options) (*Sink, error) {
	if opts.Stream == "" {
		opts.Stream = streamName(time.Now())
	}
	if opts.OnDrop == nil {
		opts.OnDrop = func(int) {}
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	s := newSink(cfg, opts)
	if err := s.prepare(ctx); err != nil && !model.CodeOf(err).Temporary() {
		return nil, err
	}
	return s, nil
}

func newSink(cfg aws.Config, opts Options) *Sink {
	return &Sink{opts: opts, api: cloudwatchlogs.NewFromConfig(cfg, func(o *cloudwatchlogs.Options) {
		o.Retryer = aws.NopRetryer{}
		if opts.Endpoint != "" {
			o.BaseEndpoint = aws.String(opts.Endpoint)
		}
	})}
}

// Stream is the name of the log stream.
func (s *Sink) Stream() string { return s.opts.Stream }

// streamName is different for each start; names sort by machine and time.
func streamName(at time.Time) string {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	host = regexp.MustCompile(`[^A-Za-z0-9._-]`).ReplaceAllString(host, "-")
	return fmt.Sprintf("%s/%s/%s", host, at.UTC().Format("2006-01-02T15-04-05Z"), uuid.NewString()[:8])
}

// Write implements driver.Driver.
func (s *Sink) Write(ctx context.Context, records []driver.Record) error {
	if err := s.prepare(ctx); err != nil {
		return err
	}
	now := s.opts.Now()
	calls, late := split(records, now, s.last)
	dropped := late
	for _, events := range calls {
		n, err := s.put(ctx, events)
		if err != nil {
			return err // all of them come again, those too old as well
		}
		dropped += n
	}
	if len(calls) > 0 {
		s.last = lastTime(calls)
	}
	if dropped == 0 {
		return nil
	}
	s.opts.OnDrop(dropped)
	// They are counted in any case. Were a failure of this an error, the rest
	// would come again.
	_, _ = s.put(ctx, report(now, dropped))
	return nil
}

// put writes events that are within the limits of one call, and returns how
// many of them the service did not take.
func (s *Sink) put(ctx context.Context, events events) (refused int, err error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	out, err := s.api.PutLogEvents(ctx, &cloudwatchlogs.PutLogEventsInput{
		LogGroupName: &s.opts.Group, LogStreamName: &s.opts.Stream, LogEvents: events,
	})
	switch awsconfig.Word(err) {
	case "DataAlreadyAcceptedException": // a repeat
		return 0, nil
	case "ResourceNotFoundException": // somebody has removed them: they are made again
		s.prepared = false
		return 0, model.Errorf(model.Unavailable, "put log events", "log group or stream was removed, and is made again")
	}
	if err != nil {
		return 0, s.fault(err, "put log events", "logs:PutLogEvents")
	}
	if info := out.RejectedLogEventsInfo; info != nil {
		// Ends are exclusive, a start is inclusive.
		refused = int(max(aws.ToInt32(info.TooOldLogEventEndIndex), aws.ToInt32(info.ExpiredLogEventEndIndex)))
		if info.TooNewLogEventStartIndex != nil {
			refused += len(events) - int(*info.TooNewLogEventStartIndex)
		}
	}
	return refused, nil
}

// Flush implements driver.Driver. Nothing is held back.
func (s *Sink) Flush(context.Context) error { return nil }

// Close implements driver.Driver.
func (s *Sink) Close(context.Context) error { return nil }

func (s *Sink) fault(err error, op, action string) error {
	e := &model.Error{Code: awsconfig.Code(err), Op: op, Err: errors.Unwrap(awsconfig.Fault("", err))}
	if e.Code == model.Denied {
		e.Detail = fmt.Sprintf("the hub may not write to log group %s: allow %s in the policy of the hub's role", s.opts.Group, action)
		if action == "logs:CreateLogGroup" {
			e.Detail = fmt.Sprintf("there is no log group %s, and the hub may not make it: make it with the template in deploy/aws, or allow %s in the policy of the hub's role", s.opts.Group, action)
		}
	}
	return e
}
