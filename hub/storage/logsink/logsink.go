// Package logsink is the port for log lines: a portable type over a small
// driver.
//
// A Sink is one stream, in the order of its writes. Logging must not stop the
// hub: a Write that finds the queue full waits a little for room and then
// gives its record up. Records given up are counted, and a line in their place
// says how many they were. What must not be lost, such as the audit log, does
// not come this way.
package logsink

import (
	"bytes"
	"context"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/storage/internal/retry"
	"github.com/channelhub/channelhub/hub/storage/logsink/driver"
	"github.com/channelhub/channelhub/hub/telemetry"
)

// Record is one line of the log.
type Record = driver.Record

// Options may be nil.
type Options struct {
	// Queue is how many records may wait to be written; 4096 when 0.
	Queue int
	// Wait is how long a Write waits for room in the queue; 50 ms when 0.
	Wait time.Duration
	// Patience is how long a batch is tried again while the driver is away; 3 s
	// when 0. What is logged meanwhile waits in the queue.
	Patience time.Duration
	// OnDrop is told of records given up, besides the line in the stream. It
	// must not log.
	OnDrop func(records int)
	// OnError is told of each call that the driver did not take, whether it is
	// tried again or given up. It must not log.
	OnError func(err error)
	// OnTaken is told of each batch that the driver took. It must not log.
	OnTaken func()
}

// Sink is one stream of log lines. It is safe for concurrent use. It owns its
// driver.
type Sink struct {
	d    driver.Driver
	opts Options

	mu      sync.Mutex
	queue   []entry
	waiting int           // records in queue
	room    chan struct{} // closed when a full queue has room again; nil while there is
	stalled bool          // somebody has waited in vain, so nobody else does
	closed  bool

	work    chan struct{} // holds a token while there may be work
	stop    context.CancelFunc
	stopped chan struct{} // closed when the writer has ended
}

// entry is a record, or the count of records that would stand here, or
// somebody who waits until what is before has been written, or until records
// of their own have been.
type entry struct {
	record  Record
	dropped int
	flushed chan<- error
	deliver []Record // with flushed: what somebody waits for
}

var _ telemetry.LineWriter = (*Sink)(nil)

// New returns the port over a driver, which it then owns. It writes until
// Close.
func New(d driver.Driver, opts *Options) *Sink {
	s := &Sink{d: d, work: make(chan struct{}, 1), stopped: make(chan struct{})}
	if opts != nil {
		s.opts = *opts
	}
	if s.opts.Queue == 0 {
		s.opts.Queue = 4096
	}
	if s.opts.Wait == 0 {
		s.opts.Wait = 50 * time.Millisecond
	}
	if s.opts.Patience == 0 {
		s.opts.Patience = retry.Budget
	}
	if s.opts.OnError == nil {
		s.opts.OnError = func(error) {}
	}
	if s.opts.OnTaken == nil {
		s.opts.OnTaken = func() {}
	}
	if s.opts.OnDrop == nil {
		s.opts.OnDrop = func(int) {}
	}
	ctx, cancel := context.WithCancel(context.Background())
	s.stop = cancel
	go s.write(ctx)
	return s
}

// WriteLine implements telemetry.LineWriter.
func (s *Sink) WriteLine(at time.Time, line []byte) {
	s.Write(context.Background(), Record{Time: at, Line: line})
}

// Write queues a record. The line is the sink's from then on. When the queue
// is full it waits for room, as long as Options.Wait and ctx allow, but only
// until one Write has waited in vain: while the driver stands still the others
// go on at once. A line that no driver takes is given up as well: one over 64
// KiB, or with a line end in it.
func (s *Sink) Write(ctx context.Context, r Record) {
	if len(r.Line) > driver.MaxLineBytes || bytes.IndexByte(r.Line, '\n') >= 0 {
		s.mu.Lock()
		s.drop(1)
		s.mu.Unlock()
		s.opts.OnDrop(1)
		return
	}
	if !s.put(ctx, r) {
		s.opts.OnDrop(1)
	}
}

func (s *Sink) put(ctx context.Context, r Record) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	var timeout <-chan time.Time
	for s.waiting >= s.opts.Queue && !s.closed && !s.stalled {
		if timeout == nil {
			t := time.NewTimer(s.opts.Wait)
			defer t.Stop()
			timeout = t.C
		}
		if s.room == nil {
			s.room = make(chan struct{})
		}
		room := s.room
		s.mu.Unlock()
		stalled := false
		select {
		case <-room:
		case <-timeout:
			stalled = true
		case <-ctx.Done():
			stalled = true
		}
		s.mu.Lock()
		if stalled && s.waiting >= s.opts.Queue {
			// A caller in a hurry says nothing about the driver.
			s.stalled = ctx.Err() == nil
			s.drop(1)
			return false
		}
	}
	if s.closed || s.waiting >= s.opts.Queue {
		s.drop(1)
		return false
	}
	s.queue = append(s.queue, entry{record: r})
	s.waiting++
	s.wake()
	return true
}

// drop notes records given up at this place of the stream. The caller holds mu.
func (s *Sink) drop(n int) {
	if s.closed {
		return // nobody will write the note
	}
	if last := len(s.queue) - 1; last >= 0 && s.queue[last].dropped > 0 {
		s.queue[last].dropped += n
	} else {
		s.queue = append(s.queue, entry{dropped: n})
	}
	s.wake()
}

func (s *Sink) wake() {
	select {
	case s.work <- struct{}{}:
	default:
	}
}

// Flush returns once everything written before can be read where it went, or
// with the error that kept it from there.
func (s *Sink) Flush(ctx context.Context) error {
	return s.await(ctx, "flush log", nil)
}

// Deliver writes records behind what is queued and returns once they can be
// read where they went. Unlike a Write it gives nothing up: an error says that
// they may not all be there, and the caller keeps them. They are at most one
// batch of the driver's, and the sink's from then on.
func (s *Sink) Deliver(ctx context.Context, records []Record) error {
	const op = "deliver to log"
	size := 0
	for _, r := range records {
		size += len(r.Line)
		if len(r.Line) > driver.MaxLineBytes || bytes.IndexByte(r.Line, '\n') >= 0 {
			return model.Errorf(model.Invalid, op, "a line is too long, or more than one")
		}
	}
	if len(records) > driver.MaxBatchRecords || size > driver.MaxBatchBytes {
		return model.Errorf(model.Invalid, op, "the records are more than one batch")
	}
	if len(records) == 0 {
		return nil
	}
	return s.await(ctx, op, records)
}

// await queues somebody who waits, with records of their own or without, and
// waits with them.
func (s *Sink) await(ctx context.Context, op string, deliver []Record) error {
	flushed := make(chan error, 1)
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return model.Errorf(model.Unavailable, op, "the log is closed")
	}
	s.queue = append(s.queue, entry{flushed: flushed, deliver: deliver})
	s.wake()
	s.mu.Unlock()
	select {
	case err := <-flushed:
		return model.Wrap(model.CodeOf(err), op, err)
	case <-s.stopped:
		return model.Errorf(model.Unavailable, op, "the log was closed meanwhile")
	case <-ctx.Done():
		return model.Wrap(model.Unavailable, op, ctx.Err())
	}
}

// Close writes what is queued, closes the driver and returns. When ctx ends
// first, the rest is lost, the driver is left as it is, and the error says so.
// What is written later is given up. Close is called once.
func (s *Sink) Close(ctx context.Context) error {
	const op = "close log"
	s.mu.Lock()
	s.closed = true
	s.free()
	s.wake()
	s.mu.Unlock()
	defer s.stop()
	select {
	case <-s.stopped:
	case <-ctx.Done():
		return model.Wrap(model.Unavailable, op, ctx.Err())
	}
	err := s.d.Close(ctx)
	return model.Wrap(model.CodeOf(err), op, err)
}

// write is the one goroutine that calls the driver. It ends when the sink is
// closed and the queue is empty, or at once with ctx.
func (s *Sink) write(ctx context.Context) {
	defer close(s.stopped)
	lost := 0 // records that the driver did not take and no line reports yet
	for ctx.Err() == nil {
		b := s.take(lost)
		if len(b.records) > 0 {
			if err := s.hand(ctx, b.records); err != nil {
				// Given up: what is queued behind should not be lost for it.
				lost += b.stands
				s.opts.OnDrop(b.fresh)
			} else {
				lost = 0
				s.opts.OnTaken()
			}
		}
		switch {
		case b.deliver != nil:
			err := s.hand(ctx, b.deliver)
			if err == nil {
				err = retry.Do(ctx, func() error { return s.d.Flush(ctx) })
			}
			b.flushed <- err
		case b.flushed != nil:
			err := retry.Do(ctx, func() error { return s.d.Flush(ctx) })
			if err == nil && lost > 0 {
				err = model.Errorf(model.Unavailable, "write", "%d records were given up", lost)
			}
			b.flushed <- err
		case b.last:
			return
		case len(b.records) == 0:
			select {
			case <-s.work:
			case <-ctx.Done():
			}
		}
	}
}

// hand gives records to the driver, again and again while it is away.
func (s *Sink) hand(ctx context.Context, records []Record) error {
	ctx, cancel := context.WithTimeout(ctx, s.opts.Patience)
	defer cancel()
	return retry.Do(ctx, func() error {
		err := s.d.Write(ctx, records)
		if err != nil {
			s.opts.OnError(err)
		}
		return err
	})
}

// batch is what one call of the driver carries.
type batch struct {
	records []Record
	fresh   int          // records among them that were logged
	stands  int          // those, and the ones that lines among them report
	flushed chan<- error // whom to tell once it is written
	deliver []Record     // what they wait for, when it is records of their own
	last    bool         // the sink is closed and nothing follows
}

// take removes a batch from the front of the queue. The first line reports
// what was lost before, as soon as there is anything else to do.
func (s *Sink) take(lost int) batch {
	s.mu.Lock()
	defer s.mu.Unlock()
	var b batch
	if lost > 0 && (len(s.queue) > 0 || s.closed) {
		b.records = append(b.records, dropReport(lost))
	}
	n, size := 0, 0
	for ; n < len(s.queue) && len(b.records) < driver.MaxBatchRecords && b.flushed == nil; n++ {
		e := s.queue[n]
		if e.flushed != nil {
			b.flushed, b.deliver = e.flushed, e.deliver
			continue
		}
		if e.dropped > 0 {
			e.record = dropReport(e.dropped)
		}
		if size += len(e.record.Line); size > driver.MaxBatchBytes-reserve {
			break
		}
		if e.dropped > 0 {
			b.stands += e.dropped
		} else {
			b.fresh++
		}
		b.records = append(b.records, e.record)
	}
	b.stands += b.fresh
	clear(s.queue[:n]) // the lines are the driver's now
	s.queue = s.queue[n:]
	s.waiting -= b.fresh
	if b.fresh > 0 {
		s.free()
	}
	b.last = s.closed && len(s.queue) == 0
	return b
}

// reserve is room in a batch for the report of what was lost before.
const reserve = 1 << 10

// free lets those who wait for room look again. The caller holds mu.
func (s *Sink) free() {
	s.stalled = false
	if s.room != nil {
		close(s.room)
		s.room = nil
	}
}

func dropReport(n int) Record {
	now := time.Now()
	return Record{Time: now, Line: telemetry.Line(now, hclog.Warn, "hub.log", "log records dropped", telemetry.FieldCount, n)}
}
