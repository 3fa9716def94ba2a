package canarytest

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/google/uuid"

	"github.com/channelhub/channelhub/internal/awslocal"
)

// place is where a hub logs to.
type place struct {
	name   string
	config string
	env    []string
	log    func(t *testing.T, h *hub) []byte // all that was logged
}

func stderr(*testing.T) place {
	return place{name: "stderr", log: func(_ *testing.T, h *hub) []byte { return h.out.bytes() }}
}

func file(*testing.T) place {
	return place{
		name:   "file",
		config: "logging: {sink: file, file: {path: logs/hub.log}}",
		log: func(t *testing.T, h *hub) []byte {
			names, err := filepath.Glob(filepath.Join(h.dir, "logs", "hub.log*"))
			if err != nil || len(names) == 0 {
				t.Errorf("log files %q, %v", names, err)
			}
			var all bytes.Buffer
			for _, name := range names {
				content, err := os.ReadFile(name)
				if err != nil {
					t.Fatal(err)
				}
				all.Write(content)
			}
			return all.Bytes()
		},
	}
}

// cloud is CloudWatch; the keys are in KMS as well.
func cloud(t *testing.T) place {
	endpoint := awslocal.Moto(t)
	cfg := aws.Config{
		Region: "eu-west-1", BaseEndpoint: &endpoint,
		Credentials: credentials.NewStaticCredentialsProvider("test", "test", ""),
	}
	key, err := kms.NewFromConfig(cfg).CreateKey(t.Context(), &kms.CreateKeyInput{})
	if err != nil {
		t.Fatal(err)
	}
	group := "canary/" + uuid.NewString()
	return place{
		name: "cloudwatch",
		config: fmt.Sprintf(`
aws: {region: eu-west-1}
storage: {keys: {driver: kms, kms: {key_id: %q, endpoint: %q}}}
logging: {sink: cloudwatch, cloudwatch: {group: %q, endpoint: %q}}
`, aws.ToString(key.KeyMetadata.KeyId), endpoint, group, endpoint),
		env: []string{"AWS_ACCESS_KEY_ID=test", "AWS_SECRET_ACCESS_KEY=test"},
		log: func(t *testing.T, _ *hub) []byte { return readGroup(t, cloudwatchlogs.NewFromConfig(cfg), group) },
	}
}

// readGroup returns the events of all streams of a group, one a line: each
// start of the hub has made a stream.
func readGroup(t *testing.T, api *cloudwatchlogs.Client, group string) []byte {
	t.Helper()
	streams, err := api.DescribeLogStreams(t.Context(), &cloudwatchlogs.DescribeLogStreamsInput{LogGroupName: &group})
	if err != nil || len(streams.LogStreams) != 2 {
		t.Fatalf("%d log streams, %v; want one for each of 2 starts", len(streams.LogStreams), err)
	}
	var all bytes.Buffer
	for _, s := range streams.LogStreams {
		var next *string
		for {
			out, err := api.GetLogEvents(t.Context(), &cloudwatchlogs.GetLogEventsInput{
				LogGroupName: &group, LogStreamName: s.LogStreamName, StartFromHead: aws.Bool(true), NextToken: next,
			})
			if err != nil {
				t.Fatal(err)
			}
			if len(out.Events) == 0 {
				break
			}
			for _, e := range out.Events {
				all.WriteString(aws.ToString(e.Message) + "\n")
			}
			next = out.NextForwardToken
		}
	}
	return all.Bytes()
}
