// Package driver is the interface a logsink driver implements. The hub uses
// the portable type in package logsink instead.
//
// A driver never retries and never logs; it returns raw errors with a code of
// package model. The conformance suite in package drivertest is the full
// contract.
package driver

import (
	"context"
	"time"
)

// Limits of what a driver is given.
const (
	MaxLineBytes    = 64 << 10  // one line
	MaxBatchRecords = 256       // records of one Write
	MaxBatchBytes   = 256 << 10 // lines of one Write together
)

// Record is one line of the log.
type Record struct {
	// Time is when it was logged. Records come in the order they were
	// logged, which is not quite that of their times.
	Time time.Time
	// Line is a JSON object without a line end.
	Line []byte
}

// Driver writes one stream of lines. The portable type makes one call at a
// time, from one goroutine.
type Driver interface {
	// Write appends the records in their order; there is at least one. The
	// records are the driver's from then on. After an error with
	// model.Throttled or model.Unavailable the same records come again: some
	// lines may then stand twice, but none is missing.
	Write(ctx context.Context, records []Record) error
	// Flush returns once all that was written can be read where it went.
	Flush(ctx context.Context) error
	// Close flushes and releases what the driver holds. No call follows.
	Close(ctx context.Context) error
}
