package hub

import (
	"context"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/channelhub/channelhub/hub/config"
	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/storage/logsink"
	"github.com/channelhub/channelhub/hub/storage/logsink/filesink"
	"github.com/channelhub/channelhub/hub/storage/logsink/stderrsink"
	"github.com/channelhub/channelhub/hub/telemetry"
)

const (
	// cloudPatience is how long lines wait for CloudWatch to come back, before
	// they are given up: an outage of a minute loses nothing that the queue
	// can hold.
	cloudPatience = 2 * time.Minute
	// sayTroubleEvery bounds how often standard error is told that the log is
	// not written.
	sayTroubleEvery = time.Minute
)

// openLog opens the sink that configuration names, and the logger over it.
func (h *Hub) openLog(ctx context.Context) (err error) {
	h.metrics = telemetry.New(h.version)
	w := h.opts.LogTo
	if w == nil {
		w = io.Writer(os.Stderr)
	}
	h.logTrouble.to = w
	opts := &logsink.Options{OnDrop: h.metrics.LogDropped, OnError: h.logTrouble.note, OnTaken: h.logTrouble.over}
	settings := h.opts.Config.Logging
	switch settings.Sink {
	case config.SinkFile:
		file, err := filesink.Open(settings.File.Path, &filesink.Options{MaxSize: settings.File.MaxSize, Keep: keepFiles(settings.File.Keep)})
		if err != nil {
			return err
		}
		h.sink = logsink.New(file, opts) //nolint:contextcheck // the log outlives New
	case config.SinkCloudWatch:
		stream, err := h.openCloudWatch(ctx)
		if err != nil {
			return err
		}
		opts.Patience = cloudPatience
		h.sink = logsink.New(stream, opts) //nolint:contextcheck // the log outlives New
	default:
		h.sink = logsink.New(stderrsink.New(w), opts) //nolint:contextcheck // the log outlives New
	}
	h.log = telemetry.NewLogger(h.sink, &telemetry.LoggerOptions{Level: hclog.LevelFromString(settings.Level)})
	return nil
}

// keepFiles turns the operator's 0, which means none, into the sink's.
func keepFiles(n int) int {
	if n == 0 {
		return -1
	}
	return n
}

// logTrouble remembers that the log could not be written, and says so where
// it can still be seen. It is safe for concurrent use.
type logTrouble struct {
	to io.Writer

	mu   sync.Mutex
	code model.Code
	at   time.Time // of the last trouble
	said time.Time
}

func (l *logTrouble) note(err error) {
	now := time.Now()
	l.mu.Lock()
	l.code, l.at = model.CodeOf(err), now
	say := l.said.IsZero() || now.Sub(l.said) >= sayTroubleEvery
	if say {
		l.said = now
	}
	l.mu.Unlock()
	if say {
		_, _ = fmt.Fprintf(l.to, "%s\n", telemetry.Line(now, hclog.Error, "hub.log", "the log cannot be written", telemetry.FieldError, err))
	}
}

// over forgets the trouble: the log is written again.
func (l *logTrouble) over() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.at = time.Time{}
}

// lately returns the code of trouble of the last minute that is not over.
func (l *logTrouble) lately() model.Code {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.at.IsZero() || time.Since(l.at) > time.Minute {
		return ""
	}
	return l.code
}
