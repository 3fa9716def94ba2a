package chat

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"

	"github.com/channelhub/channelhub/hub/accounts"
	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/pluginhost"
	"github.com/channelhub/channelhub/hub/store"
)

// socket is one browser tab.
type socket struct {
	chat    *Chat
	conn    *websocket.Conn
	account accounts.Account // as it was when the socket was opened
	id      string
	remote  string
	kill    func() // ends all work of the socket at once

	// Set by the hello, before the goroutines that read them start.
	client  *store.Client
	visitor model.Address
	visit   *visit
	known   *knownOf

	work  chan frame  // from the reader to the worker
	out   chan []byte // from all to the writer
	pokes chan struct{}

	welcomed atomic.Bool // nothing may come before the welcome
	ending   sync.Once
	closed   chan struct{} // closed when the connection is
}

func (c *Chat) newSocket(conn *websocket.Conn, acct accounts.Account, remote string, kill func()) *socket {
	return &socket{
		chat: c, conn: conn, account: acct, remote: remote, kill: kill,
		id:     string(model.NewSessionID()),
		work:   make(chan frame, queuedWork),
		out:    make(chan []byte, queuedFrames),
		pokes:  make(chan struct{}, 1),
		closed: make(chan struct{}),
	}
}

// end closes the connection with a code, unless it is being closed already. It
// returns at once.
func (s *socket) end(code websocket.StatusCode, reason string) {
	s.ending.Do(func() {
		go func() {
			defer close(s.closed)
			_ = s.conn.Close(code, reason) // the peer may be gone: nothing to be done
		}()
	})
}

// drop closes the connection to a peer that does not answer any more.
func (s *socket) drop() {
	s.ending.Do(func() {
		defer close(s.closed)
		_ = s.conn.CloseNow()
	})
}

// poke has the socket look at its conversation. It never blocks.
func (s *socket) poke() {
	select {
	case s.pokes <- struct{}{}:
	default:
	}
}

// send queues a frame for the browser and waits for room, unless the
// connection ends.
func (s *socket) send(ctx context.Context, b []byte) {
	select {
	case s.out <- b:
	case <-ctx.Done():
	}
}

// offer queues a frame that may be lost, if there is room.
func (s *socket) offer(b []byte) bool {
	if !s.welcomed.Load() {
		return false
	}
	select {
	case s.out <- b:
		return true
	default:
		return false
	}
}

// serve talks to the browser until one side has enough. Life is the context of
// the work on its frames, which goes on when the browser leaves: what was
// read is taken.
func (s *socket) serve(life context.Context, channel pluginhost.Limits) {
	s.conn.SetReadLimit(int64(s.chat.limits.FrameBytes))
	at, ok := s.greet(life, channel)
	if !ok {
		s.drop()
		<-s.closed
		return
	}
	ctx, gone := context.WithCancel(life)
	defer gone()
	var running sync.WaitGroup
	running.Go(func() { s.write(ctx, &running) })
	running.Go(func() { s.takeAll(life, ctx) })
	running.Go(func() { s.follow(ctx, at) })
	s.read(life)
	close(s.work)
	s.drop()
	<-s.closed
	gone()
	late := time.AfterFunc(s.chat.limits.FrameWithin, s.kill)
	defer late.Stop()
	running.Wait()
}

// read hands on what the browser says until the connection ends. It never
// waits for the work on a frame: a socket whose store is slow still answers
// pings.
func (s *socket) read(ctx context.Context) {
	limits := s.chat.limits
	rate, flood := newWindow(limits.FramesPer10s), newWindow(limits.FloodPer10s)
	for {
		f, ok := s.next(ctx)
		if !ok {
			return
		}
		if _, ok := flood.allow(f.at); !ok {
			s.end(closeTooMany, "too many frames")
			return
		}
		if wait, ok := rate.allow(f.at); !ok {
			s.refuse(f, nackRateLimited, "Too many messages. Wait a moment.", wait)
			continue
		}
		if f.kind == "ping" {
			s.offer(pong)
			continue
		}
		select {
		case s.work <- f:
		default:
			s.refuse(f, nackUnavailable, "The chat is busy. Wait a moment.", 0)
		}
	}
}

// refuse answers a frame that may come again. A browser that does not even
// read its answers sends it again by itself.
func (s *socket) refuse(f frame, code, detail string, wait time.Duration) {
	if f.id != "" {
		s.offer(encode(nack{Type: "nack", ID: f.id, Code: code, Detail: detail, Retry: true, RetryAfterMs: wait.Milliseconds()}))
	}
}

// next reads one frame. When it returns false, the connection has ended or is
// being ended.
func (s *socket) next(ctx context.Context) (frame, bool) {
	kind, data, err := s.conn.Read(ctx)
	switch {
	case errors.Is(err, websocket.ErrMessageTooBig):
		s.end(closeTooBig, "the frame is too big")
	case err != nil:
	case kind != websocket.MessageText:
		s.end(closeProtocol, "send text frames")
	default:
		f, ok := parseFrame(data, s.chat.opts.Now())
		if !ok {
			s.end(closeProtocol, "send JSON objects with a type")
		}
		return f, ok
	}
	return frame{}, false
}

// write writes what is queued, and pings. A browser that leaves a frame unread
// for too long is let go: it reads on from its position when it comes back.
func (s *socket) write(ctx context.Context, running *sync.WaitGroup) {
	beat := time.NewTicker(s.chat.limits.PingEvery)
	defer beat.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-beat.C:
			running.Go(func() { s.ping(ctx) })
		case b := <-s.out:
			slow := time.AfterFunc(s.chat.limits.WriteWithin, func() { s.end(closeSlow, "too slow") })
			err := s.conn.Write(ctx, websocket.MessageText, b)
			slow.Stop()
			if err != nil {
				return // the reader sees the same
			}
		}
	}
}

// ping drops a connection whose other end is gone without a word.
func (s *socket) ping(ctx context.Context) {
	wait, cancel := context.WithTimeout(ctx, s.chat.limits.PongWithin)
	defer cancel()
	if s.conn.Ping(wait) != nil && ctx.Err() == nil {
		s.drop()
	}
}
