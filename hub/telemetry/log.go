package telemetry

import (
	"io"
	"strings"
	"time"

	"github.com/hashicorp/go-hclog"
)

// LineWriter takes finished log lines, one JSON object each, without a line
// end. It keeps the slice, does not block for long and reports no error: who
// logs has nobody to tell. The sink of the logsink port is one.
type LineWriter interface {
	WriteLine(at time.Time, line []byte)
}

// LoggerOptions may be nil.
type LoggerOptions struct {
	// Name is the module of the root logger; "hub" when empty.
	Name string
	// Level is the least that is logged; info when unset. It is changed
	// later with SetLevel on the logger.
	Level hclog.Level
	// Now is the clock; time.Now when nil.
	Now func() time.Time
}

// NewLogger returns the root logger of a process. Loggers derived from it go
// through it: every line is redacted, bounded and written to w.
func NewLogger(w LineWriter, opts *LoggerOptions) hclog.InterceptLogger {
	o := LoggerOptions{}
	if opts != nil {
		o = *opts
	}
	if o.Name == "" {
		o.Name = "hub"
	}
	if o.Level == hclog.NoLevel {
		o.Level = hclog.Info
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	root := hclog.NewInterceptLogger(&hclog.LoggerOptions{
		Name:   o.Name,
		Level:  o.Level,
		Output: io.Discard,
		// The sink below writes the lines; hclog's own output would render
		// each once more, unredacted, for nobody.
		Exclude: func(hclog.Level, string, ...any) bool { return true },
	})
	root.RegisterSink(&sink{w: w, now: o.Now, level: root.GetLevel})
	return root
}

// sink is the one place where a log call becomes a line. The logger calls it
// from one goroutine at a time.
type sink struct {
	w     LineWriter
	now   func() time.Time
	level func() hclog.Level
}

var _ hclog.SinkAdapter = (*sink)(nil)

// Accept implements hclog.SinkAdapter.
func (s *sink) Accept(module string, level hclog.Level, msg string, args ...any) {
	if level < s.level() {
		return
	}
	at := s.now()
	s.w.WriteLine(at, Line(at, level, module, msg, args...))
}

// Line renders a log line from hclog's arguments, redacted and bounded. It is
// for what must be written without a logger, such as the log's own losses.
func Line(at time.Time, level hclog.Level, module, msg string, args ...any) []byte {
	b := make([]byte, 0, 256)
	b = append(b, `{"`+fieldTime+`":`...)
	b = appendString(b, at.UTC().Format("2006-01-02T15:04:05.000Z"))
	b = append(b, `,"`+fieldLevel+`":`...)
	b = appendString(b, level.String())
	b = append(b, `,"`+fieldModule+`":`...)
	b = appendText(b, module)
	b = append(b, `,"`+fieldMessage+`":`...)
	b = appendText(b, msg)

	fields := pairs(args)
	for i, f := range fields {
		if i == maxFields {
			b = append(b, `,"fields_left_out":`...)
			b = appendValue(b, "", len(fields)-i, false)
			break
		}
		b = append(b, ',')
		b = appendString(b, f.key)
		b = append(b, ':')
		b = appendValue(b, f.key, f.value, level >= hclog.Warn)
	}
	return append(b, '}')
}

type field struct {
	key   string
	value any
}

// pairs reads key-value arguments. Of two with one key the later, which is
// nearer to the call, stays, in the place of the first.
func pairs(args []any) []field {
	fields := make([]field, 0, len(args)/2+1)
	place := make(map[string]int, len(args)/2+1)
	for i := 0; i < len(args); i += 2 {
		key, value := any(hclog.MissingKey), args[i]
		if i+1 < len(args) {
			key, value = args[i], args[i+1]
		}
		f := field{key: fieldKey(key), value: value}
		if at, ok := place[f.key]; ok {
			fields[at] = f
			continue
		}
		place[f.key] = len(fields)
		fields = append(fields, f)
	}
	return fields
}

// fieldKey makes a key safe: the logger's own begin with "@", which no room's,
// and no plugin's, may.
func fieldKey(key any) string {
	name, ok := key.(string)
	if !ok {
		return hclog.MissingKey
	}
	name = strings.Map(func(r rune) rune {
		switch {
		case 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z', '0' <= r && r <= '9', r == '_', r == '.', r == '-', r == ' ':
			return r
		}
		return '_'
	}, name)
	return name[:min(len(name), maxKeyBytes)]
}
