package cloudwatchsink

import (
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"
	"github.com/hashicorp/go-hclog"

	"github.com/channelhub/channelhub/hub/storage/logsink/driver"
	"github.com/channelhub/channelhub/hub/telemetry"
)

// The limits of one PutLogEvents, and of the events the service takes.
const (
	maxEvents     = 10_000
	maxBytes      = 1 << 20
	eventOverhead = 26 // counted for each event besides its text
	maxSpan       = 24 * time.Hour
	maxAge        = 14 * 24 * time.Hour
	maxAhead      = 2 * time.Hour

	// margin keeps what was just within a limit here within it there, where
	// another clock decides.
	margin = time.Minute
	// tolerance is how far a record may lie before the one it follows and
	// still count as of the same instant: goroutines that log at once are
	// written in an order of their own. A clock that is set back goes further.
	tolerance = 5 * time.Minute
)

type events = []types.InputLogEvent

// split makes calls of records, each within the limits and in the order of
// time, which within the tolerance is the order of the records: last is the
// time of the newest event before them. Records that the service would refuse
// are left out and counted.
func split(records []driver.Record, now, last time.Time) (calls []events, late int) {
	var call events
	var first time.Time
	size := 0
	end := func() {
		if len(call) > 0 {
			calls = append(calls, call)
		}
		call, size = nil, 0
	}
	for _, r := range records {
		at := r.Time
		if at.Before(now.Add(margin-maxAge)) || at.After(now.Add(maxAhead-margin)) {
			late++
			continue
		}
		if at.Before(last) {
			if last.Sub(at) <= tolerance {
				at = last
			} else {
				end() // a call must not go back in time
			}
		}
		n := len(r.Line) + eventOverhead
		if len(call) == maxEvents || size+n > maxBytes || len(call) > 0 && at.Sub(first) > maxSpan-margin {
			end()
		}
		if len(call) == 0 {
			first = at
		}
		call = append(call, types.InputLogEvent{Message: aws.String(string(r.Line)), Timestamp: aws.Int64(at.UnixMilli())})
		size, last = size+n, at
	}
	end()
	return calls, late
}

// lastTime is the time of the newest event, to which the next is compared.
func lastTime(calls []events) time.Time {
	call := calls[len(calls)-1]
	return time.UnixMilli(*call[len(call)-1].Timestamp)
}

// report is the line that stands for dropped records.
func report(now time.Time, dropped int) events {
	line := telemetry.Line(now, hclog.Warn, "hub.log", "log records dropped",
		telemetry.FieldCount, dropped, telemetry.FieldReason, "CloudWatch Logs takes nothing older than 14 days or than its retention, and nothing more than 2 h ahead")
	return events{{Message: aws.String(string(line)), Timestamp: aws.Int64(now.UnixMilli())}}
}
