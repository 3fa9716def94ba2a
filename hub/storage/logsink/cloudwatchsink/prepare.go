package cloudwatchsink

import (
	"context"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"

	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/storage/awsconfig"
)

// prepare makes group and stream unless they are there.
func (s *Sink) prepare(ctx context.Context) error {
	if s.prepared {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	if err := s.prepareGroup(ctx); err != nil {
		return err
	}
	_, err := s.api.CreateLogStream(ctx, &cloudwatchlogs.CreateLogStreamInput{
		LogGroupName: &s.opts.Group, LogStreamName: &s.opts.Stream,
	})
	if err != nil && !exists(err) {
		return s.fault(err, "make log stream", "logs:CreateLogStream")
	}
	s.prepared = true
	return nil
}

// prepareGroup looks before it makes anything: where the group is made by
// somebody else, the hub's role need not be allowed to.
func (s *Sink) prepareGroup(ctx context.Context) error {
	group, err := s.group(ctx)
	if err != nil {
		return err
	}
	if group == nil {
		if s.opts.KMSKeyID != "" {
			return model.Errorf(model.Invalid, "make log group",
				"there is no log group %s, and the hub does not give keys: make it with aws logs create-log-group --kms-key-id %s", s.opts.Group, s.opts.KMSKeyID)
		}
		_, err := s.api.CreateLogGroup(ctx, &cloudwatchlogs.CreateLogGroupInput{LogGroupName: &s.opts.Group})
		if err != nil && !exists(err) {
			return s.fault(err, "make log group", "logs:CreateLogGroup")
		}
		group = &types.LogGroup{}
	} else if key := aws.ToString(group.KmsKeyId); s.opts.KMSKeyID != "" && !sameKey(key, s.opts.KMSKeyID) {
		return model.Errorf(model.Invalid, "check log group",
			"log group %s is not encrypted with key %s but with %s: aws logs associate-kms-key changes that", s.opts.Group, s.opts.KMSKeyID, orNone(key))
	}
	if s.opts.RetentionDays == 0 || aws.ToInt32(group.RetentionInDays) == s.opts.RetentionDays {
		return nil
	}
	_, err = s.api.PutRetentionPolicy(ctx, &cloudwatchlogs.PutRetentionPolicyInput{
		LogGroupName: &s.opts.Group, RetentionInDays: &s.opts.RetentionDays,
	})
	if err != nil {
		return s.fault(err, fmt.Sprintf("set the retention of the log group to %d days", s.opts.RetentionDays), "logs:PutRetentionPolicy")
	}
	return nil
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
