// Package driver is the interface a dispatch driver implements. The hub uses
// the portable type in package dispatch instead.
//
// A driver never retries and never logs; it returns raw errors with a code of
// package model. The conformance suite in package drivertest is the full
// contract.
package driver

import "context"

// Limits of a task, in bytes. A lane must fit the group id of an SQS queue.
const (
	MaxLane = 128
	MaxKind = 64
	MaxRef  = 1024
)

// Task is a hint that there is work to look for in the table. It carries ids
// and nothing else.
type Task struct {
	// Lane orders: of one lane's tasks one runs at a time, in the order they
	// were submitted.
	Lane string
	// Kind names the handler.
	Kind string
	// Ref says to the handler where to look.
	Ref string
}

// Handler does the work of a task. An error means that it was not done; the
// task may come again, or not.
type Handler func(ctx context.Context, task Task) error

// Driver carries tasks to handlers, here or in another process. A task may be
// lost and may come twice: the table is the truth, and whoever reads it finds
// the work without a hint, only later. Submit may be called concurrently.
type Driver interface {
	// Start begins to hand tasks to handle, of different lanes concurrently.
	// It is called once. The context that handle gets ends when Close does
	// not wait any longer.
	Start(handle Handler) error
	// Submit takes a task, before Start too. It does not wait for room:
	// model.Throttled says that there is none.
	Submit(ctx context.Context, task Task) error
	// Close takes no more tasks, waits for what runs and for what only this
	// process knows of, and returns when no handler runs any more. When ctx
	// ends first, it ends the handlers' context and returns
	// model.Unavailable without waiting for them.
	Close(ctx context.Context) error
}
