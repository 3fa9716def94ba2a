package output

import (
	"bytes"
	"os"
	"testing"
	"testing/synctest"
	"time"
)

// Elsewhere than on a terminal there is a line every 10 s, and none for what is
// over sooner.
func TestProgressLines(t *testing.T) {
	for name, tt := range map[string]struct {
		takes time.Duration
		want  string
	}{
		"short": {9 * time.Second, ""},
		"long":  {35 * time.Second, "still working, 10s\nstill working, 20s\nstill working, 30s\n"},
		"hours": {time.Minute + 5*time.Second, "still working, 10s\nstill working, 20s\nstill working, 30s\nstill working, 40s\nstill working, 50s\nstill working, 1m0s\n"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var talk bytes.Buffer
				end := Progress(&talk, func(string) string { return "" })
				time.Sleep(tt.takes)
				end()
				end()
				if talk.String() != tt.want {
					t.Errorf("%q, want %q", &talk, tt.want)
				}
			})
		})
	}
}

// A terminal gets one line, which is gone at the end; a dumb one gets lines.
func TestProgressOnATerminal(t *testing.T) {
	for name, tt := range map[string]struct{ kind, want string }{
		"able": {"xterm", "\r\x1b[Kstill working, 1s\r\x1b[Kstill working, 2s\r\x1b[K"},
		"dumb": {"dumb", ""},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				talk := &screen{t: t}
				end := progress(talk, talk.terminal(tt.kind))
				time.Sleep(2500 * time.Millisecond)
				end()
				if talk.String() != tt.want {
					t.Errorf("%q, want %q", talk, tt.want)
				}
			})
		})
	}
}

// screen is what a terminal shows.
type screen struct {
	bytes.Buffer
	t *testing.T
}

// terminal judges a character device, as a terminal is one.
func (s *screen) terminal(kind string) bool {
	s.t.Helper()
	device, err := os.Open(os.DevNull)
	if err != nil {
		s.t.Fatal(err)
	}
	defer device.Close()
	return IsTerminal(device, func(name string) string { return map[string]string{"TERM": kind}[name] })
}
