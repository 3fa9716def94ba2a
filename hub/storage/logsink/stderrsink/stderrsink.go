// Package stderrsink writes log lines to a stream of the process, standard
// error as a rule, one JSON object a line.
package stderrsink

import (
	"context"
	"io"
	"os"

	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/storage/logsink/driver"
)

// Sink is a driver over a writer, which it does not own: standard error stays
// open after Close.
type Sink struct {
	w   io.Writer
	buf []byte
}

var _ driver.Driver = (*Sink)(nil)

// New returns a driver that writes to w, or to standard error when w is nil.
func New(w io.Writer) *Sink {
	if w == nil {
		w = os.Stderr
	}
	return &Sink{w: w}
}

// keepBuffer bounds the memory kept between batches.
const keepBuffer = 64 << 10

// Write implements driver.Driver. The lines go out in one call, so that another
// process on the same terminal does not come between.
func (s *Sink) Write(_ context.Context, records []driver.Record) error {
	buf := s.buf[:0]
	for _, r := range records {
		buf = append(buf, r.Line...)
		buf = append(buf, '\n')
	}
	if cap(buf) <= keepBuffer {
		s.buf = buf
	}
	// A closed pipe will not open again, so nobody should try.
	_, err := s.w.Write(buf)
	return model.Wrap(model.Internal, "write log", err)
}

// Flush implements driver.Driver. Nothing is held back.
func (s *Sink) Flush(context.Context) error { return nil }

// Close implements driver.Driver.
func (s *Sink) Close(context.Context) error { return nil }
