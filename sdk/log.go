package sdk

import (
	"context"
	"encoding/json"
	"io"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"unicode/utf8"

	"github.com/hashicorp/go-hclog"
)

type loggerKey struct{}

// Logger returns the logger of a call. It names the call and the account, and
// what it writes reaches the hub's log. Contact addresses and message text do
// not belong there; secrets of open accounts are taken out of every line.
func Logger(ctx context.Context) hclog.Logger {
	if logger, ok := ctx.Value(loggerKey{}).(hclog.Logger); ok {
		return logger
	}
	return hclog.NewNullLogger()
}

func withLogger(ctx context.Context, logger hclog.Logger) context.Context {
	return context.WithValue(ctx, loggerKey{}, logger)
}

// minSecret is the length in bytes below which a secret is not looked for in
// text: it would be found in words that have nothing to do with it.
const minSecret = 6

// redactor takes known secrets out of text. It remembers those of every
// account that was opened, so that a replaced one is still not printed. It is
// safe for concurrent use.
type redactor struct {
	replacer atomic.Pointer[strings.Replacer]

	mu    sync.Mutex // serializes learn
	known []string
}

// learn adds secrets to what is taken out.
func (r *redactor) learn(values []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, value := range values {
		if len(value) < minSecret || slices.Contains(r.known, value) {
			continue
		}
		r.known = append(r.known, value)
		// The same secret as it stands within a JSON string.
		if quoted, err := json.Marshal(value); err == nil && string(quoted[1:len(quoted)-1]) != value {
			r.known = append(r.known, string(quoted[1:len(quoted)-1]))
		}
	}
	// Longest first: one secret may begin like another.
	slices.SortStableFunc(r.known, func(a, b string) int { return len(b) - len(a) })
	r.replacer.Store(replacer(r.known))
}

func replacer(values []string) *strings.Replacer {
	pairs := make([]string, 0, 2*len(values))
	for _, value := range values {
		pairs = append(pairs, value, redacted)
	}
	return strings.NewReplacer(pairs...)
}

// text returns s without known secrets, as valid UTF-8 of at most limit bytes.
func (r *redactor) text(s string, limit int) string {
	if swap := r.replacer.Load(); swap != nil {
		s = swap.Replace(s)
	}
	return cut(s, limit)
}

// writer returns a writer that takes known secrets out of each line.
func (r *redactor) writer(w io.Writer) io.Writer { return redactingWriter{r, w} }

type redactingWriter struct {
	redactor *redactor
	to       io.Writer
}

// Write implements [io.Writer]; the logger writes whole lines.
func (w redactingWriter) Write(line []byte) (int, error) {
	clean := line
	if swap := w.redactor.replacer.Load(); swap != nil {
		clean = []byte(swap.Replace(string(line)))
	}
	if _, err := w.to.Write(clean); err != nil {
		return 0, err
	}
	return len(line), nil
}

// cut returns s as valid UTF-8 of at most limit bytes.
func cut(s string, limit int) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	if len(s) <= limit {
		return s
	}
	for limit > 0 && !utf8.RuneStart(s[limit]) {
		limit--
	}
	return s[:limit]
}
