package cloudwatchsink

import (
	"context"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"
	"github.com/hashicorp/go-hclog"

	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/storage/awsconfig"
	"github.com/channelhub/channelhub/hub/telemetry"
)

// prepare makes group and stream unless they are there.
func (s *Sink) prepare(ctx context.Context) error {
	if s.prepared {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	group, err := s.prepareGroup(ctx)
	if err != nil {
		return err
	}
	refused := s.keep(ctx, group)
	if refused != nil && model.CodeOf(refused).Temporary() {
		return refused
	}
	if err := s.makeStream(ctx); err != nil {
		return err
	}
	s.prepared = true
	if refused != nil {
		// How long lines are kept is no reason to write none. If this is lost,
		// the doctor says it as well.
		_, _ = s.put(ctx, s.notKept(group, refused))
	}
	return nil
}

func (s *Sink) makeStream(ctx context.Context) error {
	_, err := s.api.CreateLogStream(ctx, &cloudwatchlogs.CreateLogStreamInput{
		LogGroupName: &s.opts.Group, LogStreamName: &s.opts.Stream,
	})
	if err != nil && !exists(err) {
		return s.fault(err, "make log stream", "logs:CreateLogStream")
	}
	return nil
}

// prepareGroup looks before it makes anything: where the group is made by
// somebody else, the hub's role need not be allowed to.
func (s *Sink) prepareGroup(ctx context.Context) (*types.LogGroup, error) {
	group, err := s.group(ctx)
	if err != nil {
		return nil, err
	}
	if group == nil {
		if s.opts.KMSKeyID != "" {
			return nil, model.Errorf(model.Invalid, "make log group",
				"there is no log group %s, and the hub does not give keys: make it with aws logs create-log-group --kms-key-id %s", s.opts.Group, s.opts.KMSKeyID)
		}
		_, err := s.api.CreateLogGroup(ctx, &cloudwatchlogs.CreateLogGroupInput{LogGroupName: &s.opts.Group})
		if err != nil && !exists(err) {
			return nil, s.fault(err, "make log group", "logs:CreateLogGroup")
		}
		return &types.LogGroup{}, nil
	}
	if key := aws.ToString(group.KmsKeyId); s.opts.KMSKeyID != "" && !sameKey(key, s.opts.KMSKeyID) {
		return nil, model.Errorf(model.Invalid, "check log group",
			"log group %s is not encrypted with key %s but with %s: aws logs associate-kms-key changes that", s.opts.Group, s.opts.KMSKeyID, orNone(key))
	}
	return group, nil
}

// keep sets the retention of the group where it is not the configured one.
func (s *Sink) keep(ctx context.Context, group *types.LogGroup) error {
	if s.opts.RetentionDays == 0 || aws.ToInt32(group.RetentionInDays) == s.opts.RetentionDays {
		return nil
	}
	_, err := s.api.PutRetentionPolicy(ctx, &cloudwatchlogs.PutRetentionPolicyInput{
		LogGroupName: &s.opts.Group, RetentionInDays: &s.opts.RetentionDays,
	})
	if err != nil {
		return s.fault(err, fmt.Sprintf("set the retention of the log group to %d days", s.opts.RetentionDays), "logs:PutRetentionPolicy")
	}
	return nil
}

// notKept is the line that says that the group keeps its lines longer or
// shorter than configured.
func (s *Sink) notKept(group *types.LogGroup, refused error) events {
	now := s.opts.Now()
	line := telemetry.Line(now, hclog.Warn, "hub.log", "the log is not kept as long as configured",
		telemetry.FieldCount, aws.ToInt32(group.RetentionInDays), telemetry.FieldError, refused,
		telemetry.FieldReason, "the days of the log group are not those of logging.cloudwatch.retention; else: "+setRetention(s.opts))
	return events{{Message: aws.String(string(line)), Timestamp: aws.Int64(now.UnixMilli())}}
}

// setRetention is the command that sets on the group what is configured.
func setRetention(opts Options) string {
	return fmt.Sprintf("aws logs put-retention-policy --log-group-name %s --retention-in-days %d", opts.Group, opts.RetentionDays)
}

// group finds the log group among those that begin like it; nil when there is
// none.
func (s *Sink) group(ctx context.Context) (*types.LogGroup, error) {
	var next *string
	for {
		out, err := s.api.DescribeLogGroups(ctx, &cloudwatchlogs.DescribeLogGroupsInput{
			LogGroupNamePrefix: &s.opts.Group, NextToken: next,
		})
		if err != nil {
			return nil, s.fault(err, "find log group", "logs:DescribeLogGroups")
		}
		for i := range out.LogGroups {
			if aws.ToString(out.LogGroups[i].LogGroupName) == s.opts.Group {
				return &out.LogGroups[i], nil
			}
		}
		if next = out.NextToken; next == nil {
			return nil, nil
		}
	}
}

func exists(err error) bool { return awsconfig.Word(err) == "ResourceAlreadyExistsException" }

// sameKey compares the ARN that the service keeps with what an operator wrote,
// which may be the key's id.
func sameKey(arn, id string) bool { return arn == id || strings.HasSuffix(arn, ":key/"+id) }

func orNone(key string) string {
	if key == "" {
		return "the service's own"
	}
	return key
}
