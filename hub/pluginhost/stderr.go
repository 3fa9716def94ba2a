package pluginhost

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/hashicorp/go-hclog"
	"golang.org/x/time/rate"

	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/telemetry"
)

const (
	maxLogLine    = 64 << 10 // longer lines are cut
	maxLogMessage = 2 << 10
	maxLogValue   = 256
	logTail       = 64 << 10 // kept for the report of a crash
	logsPerSecond = 100
	logBurst      = 200

	// What the log takes in one field: so many pieces of so many bytes.
	crashPieces = 16
	crashPiece  = 2000
)

// logFields lists the fields of a connector's log line that are passed on.
// They are names whose values identify no person. A connector cannot add a
// field that the hub, or a reader of its log, would take for the hub's own.
var logFields = map[string]bool{
	"account_id": true, "attempt": true, "bytes": true, "call": true, "code": true,
	"config_revision": true, "content_type": true, "count": true, "duration_ms": true,
	"host": true, "item": true, "kind": true, "message_id": true, "method": true,
	"provider": true, "provider_code": true, "reason": true, "retry_after_ms": true,
	"route": true, "scope": true, "session": true, "state": true, "status": true,
	"version": true,
}

// warningFields are passed on with warnings and errors alone, and with more
// room: their values are free text.
var warningFields = map[string]bool{"error": true, "panic": true, "stack": true}

// logReader reads one process's standard error: log lines go to the hub's log
// under a fixed name, and the newest bytes are kept for the report of a crash.
//
// It owns the whole way from the pipe to the log, as the lines are the
// connector's own: their level, module and fields may be forged, their size
// and number without end.
type logReader struct {
	log     hclog.Logger
	tally   *tally
	limiter *rate.Limiter

	dropped int // since the last report; used by read alone

	mu   sync.Mutex
	tail []byte // at least the newest logTail bytes
}

func newLogReader(plugin model.PluginID, log hclog.Logger, tally *tally) *logReader {
	return &logReader{
		tally:   tally,
		log:     log.ResetNamed("plugin." + string(plugin)),
		limiter: rate.NewLimiter(logsPerSecond, logBurst),
	}
}

// read reads until the end of the pipe.
func (l *logReader) read(r io.Reader) {
	buf := bufio.NewReaderSize(r, maxLogLine)
	for {
		line, err := buf.ReadSlice('\n')
		long := errors.Is(err, bufio.ErrBufferFull)
		if len(line) > 0 {
			l.remember(line)
			l.take(bytes.TrimRight(line, "\r\n"), long)
		}
		for long {
			line, err = buf.ReadSlice('\n')
			l.remember(line)
			long = errors.Is(err, bufio.ErrBufferFull)
		}
		if err != nil {
			l.reportDropped()
			return
		}
	}
}

// take logs one line, or counts it when there are too many.
func (l *logReader) take(line []byte, long bool) {
	if len(line) == 0 {
		return
	}
	if !l.limiter.Allow() {
		l.dropped++
		l.tally.dropped.Add(1)
		return
	}
	l.reportDropped()
	if line[0] == '{' && !long {
		if entry, ok := parseLogLine(line); ok {
			l.log.Log(entry.level, entry.message, entry.fields...)
			return
		}
	}
	// Go prints a panic as plain text. Its first line is worth an error; the
	// rest is in the report of the crash.
	level := hclog.Debug
	if bytes.HasPrefix(line, []byte("panic: ")) || bytes.HasPrefix(line, []byte("fatal error: ")) {
		level = hclog.Error
	}
	l.log.Log(level, printable(string(line), maxLogMessage))
}

func (l *logReader) reportDropped() {
	if l.dropped == 0 {
		return
	}
	l.log.Warn("log lines were dropped: the connector wrote too many", telemetry.FieldCount, l.dropped)
	l.dropped = 0
}

// remember keeps the newest bytes.
func (l *logReader) remember(b []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.tail = append(l.tail, b...)
	// Moved only once as much again has come, so that a byte is moved once.
	if len(l.tail) > 2*logTail {
		kept := copy(l.tail, l.tail[len(l.tail)-logTail:])
		l.tail = l.tail[:kept]
	}
}

// lastWords returns the newest output, made printable, for the report of a
// crash: from the last panic on when there is one in it. It comes in pieces of
// a size that a log field may have.
func (l *logReader) lastWords() []string {
	l.mu.Lock()
	tail := "\n" + string(l.tail[max(0, len(l.tail)-logTail):])
	l.mu.Unlock()
	start := max(strings.LastIndex(tail, "\npanic: "), strings.LastIndex(tail, "\nfatal error: "))
	pieces := inPieces(strings.TrimSpace(tail[max(0, start):]))
	switch {
	case len(pieces) <= crashPieces:
		return pieces
	case start >= 0:
		return pieces[:crashPieces]
	default:
		return pieces[len(pieces)-crashPieces:]
	}
}

// inPieces splits a text between lines, which it makes printable.
func inPieces(text string) []string {
	if text == "" {
		return nil
	}
	var pieces []string
	var piece strings.Builder
	for line := range strings.SplitSeq(text, "\n") {
		line = strings.ReplaceAll(strings.TrimRight(line, "\r"), "\t", "  ")
		line = printable(line, crashPiece-1)
		if piece.Len()+len(line) >= crashPiece {
			pieces = append(pieces, piece.String())
			piece.Reset()
		}
		piece.WriteString(line + "\n")
	}
	return append(pieces, piece.String())
}

// logEntry is a log line as far as the hub believes it.
type logEntry struct {
	level   hclog.Level
	message string
	fields  []any
}

// parseLogLine reads a line of hclog's JSON form. It takes the level from the
// five that there are, the message, and the listed fields with scalar values.
// The line's own time and module are left out: the hub has both at first hand.
func parseLogLine(line []byte) (logEntry, bool) {
	decoder := json.NewDecoder(bytes.NewReader(line))
	decoder.UseNumber()
	var raw map[string]any
	if err := decoder.Decode(&raw); err != nil {
		return logEntry{}, false
	}
	message, ok := raw["@message"].(string)
	if !ok {
		return logEntry{}, false
	}
	entry := logEntry{message: printable(message, maxLogMessage), level: hclog.Info}
	if name, ok := raw["@level"].(string); ok {
		entry.level = clampLevel(name)
	}
	for _, name := range slices.Sorted(maps.Keys(raw)) {
		limit := maxLogValue
		switch {
		case logFields[name]:
		case warningFields[name] && entry.level >= hclog.Warn:
			limit = maxLogMessage
		default:
			continue
		}
		switch v := raw[name].(type) {
		case string:
			entry.fields = append(entry.fields, name, printable(v, limit))
		case json.Number:
			entry.fields = append(entry.fields, name, printable(v.String(), maxLogValue))
		case bool:
			entry.fields = append(entry.fields, name, v)
		}
	}
	return entry, true
}

// clampLevel keeps a connector to the levels it may use; anything else is
// information.
func clampLevel(name string) hclog.Level {
	switch level := hclog.LevelFromString(name); level {
	case hclog.Trace, hclog.Debug, hclog.Warn, hclog.Error:
		return level
	default:
		return hclog.Info
	}
}
