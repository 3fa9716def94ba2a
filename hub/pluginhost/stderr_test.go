package pluginhost

import (
	"io"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/hashicorp/go-hclog"
)

func readLog(r io.Reader) (log string, l *logReader) {
	var out strings.Builder
	l = newLogReader("one", hclog.New(&hclog.LoggerOptions{Output: &out, Level: hclog.Trace, JSONFormat: true}), new(tally))
	l.read(r)
	return out.String(), l
}

func TestLastWords(t *testing.T) {
	_, l := readLog(strings.NewReader(strings.Repeat("noise\n", 50_000) + "panic: oh\x1b no\n\ngoroutine 1:\n\tmain.go:1\n"))
	if got := strings.Join(l.lastWords(), ""); got != "panic: oh\\x1b no\n\ngoroutine 1:\n  main.go:1\n" {
		t.Errorf("last words are %q", got)
	}
	_, l = readLog(strings.NewReader(strings.Repeat("0123456789\n", 50_000) + "the end"))
	words := l.lastWords()
	if len(words) > crashPieces || !strings.HasSuffix(words[len(words)-1], "the end\n") {
		t.Errorf("%d pieces, the last is %q", len(words), words[len(words)-1])
	}
	for _, piece := range words {
		if len(piece) > crashPiece {
			t.Errorf("a piece has %d bytes", len(piece))
		}
	}
	if len(l.tail) > 2*logTail {
		t.Errorf("keeps %d bytes", len(l.tail))
	}
	if _, l = readLog(strings.NewReader("")); l.lastWords() != nil {
		t.Error("silence has last words")
	}
}

func TestLinesWithoutEnd(t *testing.T) {
	log, l := readLog(io.LimitReader(endless{}, 10<<20))
	if strings.Count(log, "\n") != 1 || len(log) > 2*maxLogMessage {
		t.Errorf("a line without an end was logged as %d bytes in %d lines", len(log), strings.Count(log, "\n"))
	}
	if l.tally.dropped.Load() != 0 {
		t.Error("lines were dropped")
	}
}

type endless struct{}

func (endless) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = 'x'
	}
	return len(b), nil
}

func TestFreeTextIsForWarnings(t *testing.T) {
	log, _ := readLog(strings.NewReader(
		`{"@level":"info","@message":"a","error":"at info"}` + "\n" + `{"@level":"warn","@message":"b","error":"at warn","stack":"` + strings.Repeat("s", 1000) + `"}`))
	if strings.Contains(log, "at info") || !strings.Contains(log, "at warn") || !strings.Contains(log, strings.Repeat("s", 1000)) {
		t.Error(log)
	}
}

// FuzzStderr feeds the reader any bytes: each line of the log it makes is one
// line, printable, and under the connector's name.
func FuzzStderr(f *testing.F) {
	f.Add([]byte(`{"@level":"info","@message":1}` + "\n"))
	f.Add([]byte(`{"@level":"error","@message":"x","@module":"hub.audit","error":{"a":1}}` + "\n\x00\xff\u202e\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		log, l := readLog(strings.NewReader(string(b)))
		for line := range strings.Lines(log) {
			if !strings.Contains(line, `"@module":"plugin.one"`) || !utf8.ValidString(line) || strings.Contains(line, "\x1b") {
				t.Errorf("logged %q", line)
			}
		}
		for _, piece := range l.lastWords() {
			if !isPrintable(strings.ReplaceAll(piece, "\n", "")) {
				t.Errorf("last words %q", piece)
			}
		}
	})
}

func FuzzHandshake(f *testing.F) {
	f.Add("1|1|unix|/run/x/plugin1|grpc|AAAA|false\n")
	f.Add("||||||")
	dir := "/nonexistent"
	f.Fuzz(func(t *testing.T, line string) {
		if address, err := checkHandshake(line, dir); err == nil || address != "" {
			t.Errorf("%q was taken as %q", line, address)
		}
	})
}

func TestPrintable(t *testing.T) {
	for in, want := range map[string]string{
		"plain text":     "plain text",
		"ümläut 👍":       "ümläut 👍",
		"a\nb\tc":        `a\nb\tc`,
		"\x1b[2J":        `\x1b[2J`,
		"\xff":           `\xff`,
		"\u202egnp.exe":  `\u202egnp.exe`,
		"\u2028":         `\u2028`,
		"12345678901234": "12345678901234",
	} {
		if got := printable(in, 14); got != want {
			t.Errorf("printable(%q) is %q, want %q", in, got, want)
		}
	}
	if got := printable("123456789é", 10); got != "123456789" {
		t.Errorf("cut to %q", got)
	}
	if got := cut("ab\u00e9", 3); got != "ab" {
		t.Errorf("cut to %q", got)
	}
}
