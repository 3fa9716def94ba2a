package pluginhost

import "time"

// Timings are the host's deadlines and intervals. The zero value of a field
// takes the default; only tests set them.
type Timings struct {
	Start     time.Duration // from exec to the handshake
	Describe  time.Duration
	Attach    time.Duration
	Terminate time.Duration // from SIGTERM to SIGKILL
	Drain     time.Duration

	Validate, OpenAccount, CloseAccount       time.Duration
	ReceiveHTTP, ReceiveSocket, RenderSocket  time.Duration
	Send, SendSignal                          time.Duration
	CheckHealth, CollectMetrics               time.Duration
	FetchStall                                time.Duration // without a chunk
	HealthInterval, HealthDeadline            time.Duration
	HealthMisses                              int // in a row: then the process is killed
	BackoffMin, BackoffMax, BackoffResetAfter time.Duration
	QuarantineCrashes                         int // within QuarantineWindow
	QuarantineWindow                          time.Duration
}

// withDefaults fills in what is not set.
func (t Timings) withDefaults() Timings {
	durations := []struct {
		field *time.Duration
		value time.Duration
	}{
		{&t.Start, 10 * time.Second},
		// The contract gives Describe one second. A machine that starts many
		// programs at once is slower, and that is not the connector's fault.
		{&t.Describe, 5 * time.Second},
		{&t.Attach, 5 * time.Second},
		{&t.Terminate, 2 * time.Second},
		{&t.Drain, 25 * time.Second},
		{&t.Validate, 2 * time.Second},
		{&t.OpenAccount, 10 * time.Second},
		{&t.CloseAccount, 10 * time.Second},
		{&t.ReceiveHTTP, 10 * time.Second},
		{&t.ReceiveSocket, 5 * time.Second},
		{&t.RenderSocket, 5 * time.Second},
		// Providers take long over media. A lane holds longer than this.
		{&t.Send, 60 * time.Second},
		{&t.SendSignal, 5 * time.Second},
		{&t.CheckHealth, 10 * time.Second},
		{&t.CollectMetrics, time.Second},
		{&t.FetchStall, 30 * time.Second},
		{&t.HealthInterval, 5 * time.Second},
		{&t.HealthDeadline, 2 * time.Second},
		{&t.BackoffMin, 100 * time.Millisecond},
		{&t.BackoffMax, 30 * time.Second},
		{&t.BackoffResetAfter, time.Minute},
		{&t.QuarantineWindow, 10 * time.Minute},
	}
	for _, d := range durations {
		if *d.field == 0 {
			*d.field = d.value
		}
	}
	if t.HealthMisses == 0 {
		t.HealthMisses = 3
	}
	if t.QuarantineCrashes == 0 {
		t.QuarantineCrashes = 5
	}
	return t
}
