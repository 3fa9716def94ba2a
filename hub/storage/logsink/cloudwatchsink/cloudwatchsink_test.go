package cloudwatchsink

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/storage/logsink/driver"
	"github.com/channelhub/channelhub/hub/storage/logsink/drivertest"
	"github.com/channelhub/channelhub/internal/awslocal"
)

func awsConfig() aws.Config {
	return aws.Config{Region: "eu-west-1", Credentials: credentials.NewStaticCredentialsProvider("test", "test", "")}
}

func open(t *testing.T, opts Options) *Sink {
	t.Helper()
	s, err := Open(t.Context(), awsConfig(), opts)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func groupName() string { return "channelhub/" + uuid.NewString() }

// read returns the texts of a stream, in order.
func read(t *testing.T, s *Sink) []string {
	t.Helper()
	var texts []string
	var next *string
	for {
		out, err := s.api.GetLogEvents(t.Context(), &cloudwatchlogs.GetLogEventsInput{
			LogGroupName: &s.opts.Group, LogStreamName: &s.opts.Stream, StartFromHead: aws.Bool(true), NextToken: next,
		})
		if err != nil {
			t.Fatal(err)
		}
		if len(out.Events) == 0 {
			return texts
		}
		for _, e := range out.Events {
			texts = append(texts, aws.ToString(e.Message))
		}
		next = out.NextForwardToken
	}
}

func TestConformance(t *testing.T) {
	endpoint := awslocal.Moto(t)
	drivertest.Run(t, func(t *testing.T) drivertest.Harness {
		s := open(t, Options{Endpoint: endpoint, Group: groupName()})
		return drivertest.Harness{Driver: s, Lines: func(t *testing.T) []string { return read(t, s) }}
	})
}

func write(t *testing.T, s *Sink, records ...driver.Record) {
	t.Helper()
	if err := s.Write(t.Context(), records); err != nil {
		t.Fatal(err)
	}
}

func TestEachStartHasAStream(t *testing.T) {
	endpoint, group := awslocal.Moto(t), groupName()
	first := open(t, Options{Endpoint: endpoint, Group: group})
	second := open(t, Options{Endpoint: endpoint, Group: group})
	if first.Stream() == second.Stream() || strings.ContainsAny(first.Stream(), ":*") {
		t.Errorf("streams %q and %q", first.Stream(), second.Stream())
	}
	write(t, first, driver.Record{Time: time.Now(), Line: []byte("1")})
	if got := read(t, second); len(got) != 0 {
		t.Errorf("the second stream holds %q", got)
	}
}

func TestRetentionIsSetOnTheGroup(t *testing.T) {
	endpoint, group := awslocal.Moto(t), groupName()
	for _, days := range []int32{30, 0, 7} { // made with, left alone, changed
		s := open(t, Options{Endpoint: endpoint, Group: group, RetentionDays: days})
		is, err := s.group(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		want := days
		if want == 0 {
			want = 30
		}
		if got := aws.ToInt32(is.RetentionInDays); got != want {
			t.Errorf("retention %d days, want %d", got, want)
		}
	}
}

func TestTheGroupsKeyIsChecked(t *testing.T) {
	endpoint, group := awslocal.Moto(t), groupName()
	keys := kms.NewFromConfig(awsConfig(), func(o *kms.Options) { o.BaseEndpoint = &endpoint })
	key, err := keys.CreateKey(t.Context(), &kms.CreateKeyInput{})
	if err != nil {
		t.Fatal(err)
	}
	opts := Options{Endpoint: endpoint, Group: group, KMSKeyID: aws.ToString(key.KeyMetadata.KeyId)}
	refused := func(what string) {
		t.Helper()
		if _, err := Open(t.Context(), awsConfig(), opts); !model.Is(err, model.Invalid) || !strings.Contains(err.Error(), opts.KMSKeyID) {
			t.Errorf("%s: %v, want invalid naming the key", what, err)
		}
	}
	refused("no group")
	plain := open(t, Options{Endpoint: endpoint, Group: group})
	refused("a group without a key")
	// moto cannot give a key to a group that is there.
	if _, err := plain.api.DeleteLogGroup(t.Context(), &cloudwatchlogs.DeleteLogGroupInput{LogGroupName: &group}); err != nil {
		t.Fatal(err)
	}
	if _, err := plain.api.CreateLogGroup(t.Context(), &cloudwatchlogs.CreateLogGroupInput{LogGroupName: &group, KmsKeyId: key.KeyMetadata.Arn}); err != nil {
		t.Fatal(err)
	}
	open(t, opts)
}

func TestRemovedStreamsAreMadeAgain(t *testing.T) {
	s := open(t, Options{Endpoint: awslocal.Moto(t), Group: groupName()})
	write(t, s, driver.Record{Time: time.Now(), Line: []byte("1")})
	_, err := s.api.DeleteLogGroup(t.Context(), &cloudwatchlogs.DeleteLogGroupInput{LogGroupName: &s.opts.Group})
	if err != nil {
		t.Fatal(err)
	}
	again := []driver.Record{{Time: time.Now(), Line: []byte("2")}}
	if err := s.Write(t.Context(), again); !model.Is(err, model.Unavailable) {
		t.Errorf("got %v, want unavailable: the records come again", err)
	}
	write(t, s, again...)
	if diff := cmp.Diff([]string{"2"}, read(t, s)); diff != "" {
		t.Errorf("lines (-want +got):\n%s", diff)
	}
}

func TestWhatTheServiceWouldRefuseIsReported(t *testing.T) {
	dropped := 0
	s := open(t, Options{Endpoint: awslocal.Moto(t), Group: groupName(), OnDrop: func(n int) { dropped += n }})
	now := time.Now()
	write(t, s,
		driver.Record{Time: now.Add(-15 * 24 * time.Hour), Line: []byte("old")},
		driver.Record{Time: now, Line: []byte("new")},
		driver.Record{Time: now.Add(3 * time.Hour), Line: []byte("ahead")},
	)
	got := read(t, s)
	if len(got) != 2 || got[0] != "new" || !strings.Contains(got[1], `"count":2`) || !strings.Contains(got[1], "log records dropped") {
		t.Errorf("lines %q, want the one and a report of two", got)
	}
	if dropped != 2 {
		t.Errorf("%d counted as dropped, want 2", dropped)
	}
}

func TestSplit(t *testing.T) {
	now := time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)
	at := func(d time.Duration, n int) driver.Record {
		return driver.Record{Time: now.Add(d), Line: make([]byte, n)}
	}
	many := make([]driver.Record, maxEvents+1)
	for i := range many {
		many[i] = at(0, 1)
	}
	for _, tc := range []struct {
		name    string
		records []driver.Record
		last    time.Duration
		want    []string // events and bytes of each call, and its times
		late    int
	}{
		{"too many", many, -time.Hour, []string{"10000 events, 270000 bytes, 0s to 0s", "1 events, 27 bytes, 0s to 0s"}, 0},
		{
			"too large",
			[]driver.Record{at(0, maxBytes/2-eventOverhead), at(0, maxBytes/2-eventOverhead), at(0, 1)},
			-time.Hour,
			[]string{"2 events, 1048576 bytes, 0s to 0s", "1 events, 27 bytes, 0s to 0s"},
			0,
		},
		{
			"too long",
			[]driver.Record{at(-24*time.Hour, 1), at(-time.Minute, 1), at(0, 1)},
			-48 * time.Hour,
			[]string{"2 events, 54 bytes, -24h0m0s to -1m0s", "1 events, 27 bytes, 0s to 0s"},
			0,
		},
		{
			"not in order",
			[]driver.Record{at(0, 1), at(-time.Second, 1), at(-tolerance, 1)},
			-time.Hour,
			[]string{"3 events, 81 bytes, 0s to 0s"},
			0,
		},
		{
			"after what went before",
			[]driver.Record{at(-time.Second, 1)},
			0,
			[]string{"1 events, 27 bytes, 0s to 0s"},
			0,
		},
		{
			"the clock was set back",
			[]driver.Record{at(0, 1), at(-time.Hour, 1)},
			-time.Hour,
			[]string{"1 events, 27 bytes, 0s to 0s", "1 events, 27 bytes, -1h0m0s to -1h0m0s"},
			0,
		},
		{
			"too old and ahead",
			[]driver.Record{at(-maxAge, 1), at(-maxAge+2*margin, 1), at(maxAhead, 1)},
			-30 * 24 * time.Hour,
			[]string{"1 events, 27 bytes, -335h58m0s to -335h58m0s"},
			2,
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			calls, late := split(tc.records, now, now.Add(tc.last))
			var got []string
			for _, call := range calls {
				size := 0
				for i, e := range call {
					size += len(*e.Message) + eventOverhead
					if i > 0 && *e.Timestamp < *call[i-1].Timestamp {
						t.Error("a call goes back in time")
					}
				}
				when := func(e int) time.Duration { return time.UnixMilli(*call[e].Timestamp).Sub(now) }
				got = append(got, fmt.Sprintf("%d events, %d bytes, %s to %s", len(call), size, when(0), when(len(call)-1)))
			}
			if diff := cmp.Diff(tc.want, got); diff != "" || late != tc.late {
				t.Errorf("%d late, want %d; calls (-want +got):\n%s", late, tc.late, diff)
			}
		})
	}
}
