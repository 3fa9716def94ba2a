package chat

import "time"

// Limits bound what browsers may do. Zero fields take the defaults named.
type Limits struct {
	FrameBytes      int           // of one frame from a browser: 32768
	FramesPer10s    int           // of one socket; more are refused for now: 40
	FloodPer10s     int           // of one socket; more close it: 160
	VisitorSockets  int           // of one visitor on one account: 10
	AddressSockets  int           // of one remote address, or one IPv6 /64: 200
	Sockets         int           // of this process: 20000
	Uploads         int           // of this process at one time: 64
	VisitorUploads  int           // of one visitor on one account: 3
	AddressUploads  int           // of one remote address, or one IPv6 /64: 20
	Replay          int           // messages shown without a position: 200
	HelloWithin     time.Duration // 10 s
	PingEvery       time.Duration // 30 s
	PongWithin      time.Duration // 10 s
	WriteWithin     time.Duration // how long a browser may leave a frame unread: 10 s
	FrameWithin     time.Duration // the work on one frame: 20 s
	LookAgain       time.Duration // of a visitor whose first message may wait in a journal: 5 s
	RetryMin        time.Duration // between tries to render: 250 ms, doubled
	RetryMax        time.Duration // up to 5 s
	VisitorLifetime time.Duration // from a visitor's last visit: 30 days
}

func (l Limits) withDefaults() Limits {
	orInt := func(v *int, def int) {
		if *v <= 0 {
			*v = def
		}
	}
	or := func(v *time.Duration, def time.Duration) {
		if *v <= 0 {
			*v = def
		}
	}
	orInt(&l.FrameBytes, 32<<10)
	orInt(&l.FramesPer10s, 40)
	orInt(&l.FloodPer10s, 4*l.FramesPer10s)
	orInt(&l.VisitorSockets, 10)
	orInt(&l.AddressSockets, 200)
	orInt(&l.Sockets, 20_000)
	orInt(&l.Uploads, 64)
	orInt(&l.VisitorUploads, 3)
	orInt(&l.AddressUploads, 20)
	orInt(&l.Replay, 200)
	or(&l.HelloWithin, 10*time.Second)
	or(&l.PingEvery, 30*time.Second)
	or(&l.PongWithin, 10*time.Second)
	or(&l.WriteWithin, 10*time.Second)
	or(&l.FrameWithin, 20*time.Second)
	or(&l.LookAgain, 5*time.Second)
	or(&l.RetryMin, 250*time.Millisecond)
	or(&l.RetryMax, 5*time.Second)
	or(&l.VisitorLifetime, 30*24*time.Hour)
	return l
}

const (
	// queuedFrames bounds what waits for a slow browser, and queuedWork what
	// waits for a slow store: both are small, since whoever fills them waits
	// or is told to come again.
	queuedFrames = 16
	queuedWork   = 64
	// bundleBytes is how much of a replay goes into one frame.
	bundleBytes = 256 << 10
	// lanePage is how many rows of a lane are read at once.
	lanePage = 50
)
