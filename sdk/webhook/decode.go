package webhook

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"unicode/utf8"
)

// maxDepth is how deep JSON may nest, and maxPairs how many pairs a form may
// have: several times what any provider sends, and far from what would hurt.
const (
	maxDepth = 32
	maxPairs = 1000
)

// DecodeOptions loosen a decoder.
type DecodeOptions struct {
	// AllowUnknown ignores what the target has no field for. Providers add
	// fields as they please, so most connectors want it.
	AllowUnknown bool
}

// DecodeJSON decodes one JSON value that fills the body. It refuses duplicate
// keys, nesting deeper than 32, bytes that are not UTF-8, anything behind the
// value and, without AllowUnknown, unknown fields. Its errors quote no more of
// the body than the name of a field. A nil opts allows nothing. What a body
// that is refused leaves behind in the target is of no use.
func DecodeJSON(body []byte, into any, opts *DecodeOptions) error {
	if !utf8.Valid(body) {
		return errors.New("the body is not UTF-8")
	}
	err := decode(body, into, opts != nil && opts.AllowUnknown)
	if err != nil && !json.Valid(body) {
		return whyInvalid(body)
	}
	if err := checkJSON(body); err != nil {
		return err
	}
	if err != nil {
		var mismatch *json.UnmarshalTypeError
		if errors.As(err, &mismatch) {
			return fmt.Errorf("field %q has the wrong type", mismatch.Field)
		}
		if name := unknownField(err); name != "" {
			return fmt.Errorf("field %q is unknown", name)
		}
		return errors.New("the body does not have the expected fields")
	}
	return nil
}

// unknownField is the name of the field that the error is about, as far as it
// may be shown: it is the sender's word, and with more than a few digits could
// be somebody's number. Package json has it in its text alone.
func unknownField(err error) string {
	const shown, fewDigits = 64, 4
	quoted, _ := strings.CutPrefix(err.Error(), "json: unknown field ")
	name, err := strconv.Unquote(quoted)
	if err != nil || strings.Trim(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-") != "" {
		return ""
	}
	digits := 0
	for _, c := range name {
		if '0' <= c && c <= '9' {
			digits++
		}
	}
	if digits > fewDigits {
		return ""
	}
	return name[:min(len(name), shown)]
}

var errBehind = errors.New("there is something behind the JSON value")

func decode(body []byte, into any, allowUnknown bool) error {
	if allowUnknown {
		return json.Unmarshal(body, into)
	}
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(into); err != nil {
		return err
	}
	if len(bytes.TrimSpace(body[decoder.InputOffset():])) > 0 {
		return errBehind
	}
	return nil
}

// checkJSON refuses what the decoder alone would accept: the last of two equal
// keys, and any depth up to 10,000. The body is one valid value, so that its
// brackets, keys and strings can be told apart without a parser.
func checkJSON(body []byte) error {
	w := walk{body: body}
	for w.at < len(body) {
		switch c := body[w.at]; c {
		case '{', '[':
			if len(w.open) == maxDepth {
				return fmt.Errorf("the body nests deeper than %d", maxDepth)
			}
			w.open = append(w.open, level{object: c == '{', from: len(w.keys), inKey: c == '{'})
		case '}', ']':
			last := len(w.open) - 1
			w.keys = w.keys[:w.open[last].from]
			w.open = w.open[:last]
		case ',':
			w.top().inKey = w.top().object
		case ':':
			w.top().inKey = false
		case '"':
			text := w.text()
			if len(w.open) > 0 && w.top().inKey && !w.key(text) {
				return errors.New("the body has the same key twice")
			}
			continue
		}
		w.at++
	}
	return nil
}

func whyInvalid(body []byte) error {
	if len(bytes.TrimSpace(body)) == 0 {
		return errors.New("the body is empty")
	}
	decoder := json.NewDecoder(bytes.NewReader(body))
	var first json.RawMessage
	if decoder.Decode(&first) == nil {
		return errBehind
	}
	return errors.New("the body is not JSON")
}

// walk is a place in a valid body. The keys of all objects that are open lie
// on one stack.
type walk struct {
	body []byte
	at   int
	open []level
	keys [][]byte
}

// level is an object, or array, that is being walked.
type level struct {
	object bool
	inKey  bool // the next string is a key
	from   int  // its first key on the stack
	// seen holds the keys once they are too many to look through.
	seen map[string]struct{}
}

const manyKeys = 32

func (w *walk) top() *level { return &w.open[len(w.open)-1] }

// text steps over the string that begins here, and returns it as it stands.
func (w *walk) text() []byte {
	rest := w.body[w.at:]
	end := 1 + bytes.IndexByte(rest[1:], '"')
	for escaped(rest[:end]) {
		end += 1 + bytes.IndexByte(rest[end+1:], '"')
	}
	w.at += end + 1
	return rest[:end+1]
}

// escaped reports whether what comes behind the text is escaped: it is if the
// text ends with an odd number of backslashes.
func escaped(text []byte) bool {
	plain := bytes.TrimRight(text, `\`)
	return (len(text)-len(plain))%2 == 1
}

// key notes a key of the innermost object, and says whether it is new there.
// Few are looked through: that costs less than a map.
func (w *walk) key(quoted []byte) bool {
	name := quoted[1 : len(quoted)-1]
	if bytes.IndexByte(name, '\\') >= 0 {
		var plain string
		if json.Unmarshal(quoted, &plain) == nil {
			name = []byte(plain)
		}
	}
	l := w.top()
	if len(w.keys)-l.from == manyKeys && l.seen == nil {
		l.seen = map[string]struct{}{}
		for _, k := range w.keys[l.from:] {
			l.seen[string(k)] = struct{}{}
		}
	}
	if l.seen != nil {
		_, twice := l.seen[string(name)]
		l.seen[string(name)] = struct{}{}
		return !twice
	}
	for _, k := range w.keys[l.from:] {
		if bytes.Equal(k, name) {
			return false
		}
	}
	w.keys = append(w.keys, name)
	return true
}

// DecodeForm decodes an application/x-www-form-urlencoded body. It refuses
// duplicate keys, broken escapes, text that is not UTF-8 and more than 1,000
// pairs. Its errors do not quote the body.
func DecodeForm(body []byte) (url.Values, error) {
	if len(body) == 0 {
		return nil, errors.New("the body is empty")
	}
	if bytes.Count(body, []byte("&")) >= maxPairs {
		return nil, fmt.Errorf("the body has more than %d pairs", maxPairs)
	}
	form := url.Values{}
	for pair := range strings.SplitSeq(string(body), "&") {
		rawKey, rawValue, ok := strings.Cut(pair, "=")
		key, keyErr := url.QueryUnescape(rawKey)
		value, valueErr := url.QueryUnescape(rawValue)
		switch {
		case !ok || key == "" || keyErr != nil || valueErr != nil || strings.Contains(pair, ";"):
			return nil, errors.New("the body is not a form")
		case !utf8.ValidString(key) || !utf8.ValidString(value):
			return nil, errors.New("the body is not UTF-8")
		case form.Has(key):
			return nil, errors.New("the body has the same key twice")
		}
		form.Set(key, value)
	}
	return form, nil
}
