package model

import "time"

// Retention says how long each class of a client's data lives.
type Retention struct {
	Messages       time.Duration // content, after the client acknowledged it
	Undelivered    time.Duration // content that nobody acknowledges, after receipt
	DeadLetters    time.Duration // what the hub gave up on
	Attachments    time.Duration
	AttachmentLink time.Duration
	SignedURL      time.Duration
	Dedupe         time.Duration // the memory of what was received
	Idempotency    time.Duration // the memory of API calls
	Audit          time.Duration
}

// RowLife is how long the row of a message or event is kept: long enough to
// recognise a repeat, and to deliver.
func (r Retention) RowLife() time.Duration { return max(r.Dedupe, r.Undelivered) }

// Pace is how fast the hub sends for one account. Zero leaves it to the
// connector's own limits.
type Pace struct {
	PerSecond   float64
	Concurrency int
}

// AttachmentRules narrow which files an account takes.
type AttachmentRules struct {
	MaxSize int64    // bytes; 0: the channel's own limit, or 25 MiB
	Allow   []string // types such as image/*; empty: all that the hub takes
}
