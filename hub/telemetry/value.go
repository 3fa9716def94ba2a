package telemetry

import (
	"encoding"
	"fmt"
	"math"
	"reflect"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/hashicorp/go-hclog"
)

// Bounds of a line. A field can come from outside, and a line is kept in
// memory until it is written.
const (
	maxValueBytes = 2 << 10
	maxFields     = 48
	maxElements   = 16
	maxKeyBytes   = 64
)

// appendValue appends a field's value as JSON. Only scalars, slices of them,
// and types that say how they print are shown; of anything else, which may
// hold a message or an address in some field, only the type is.
func appendValue(b []byte, key string, v any, showContacts bool) []byte {
	if secretKeys.MatchString(key) {
		return appendString(b, redacted)
	}
	switch v := v.(type) {
	case nil:
		return append(b, "null"...)
	case hclog.Format:
		return appendText(b, formatted(v, showContacts))
	case hclog.Quote:
		return appendText(b, strconv.Quote(string(v)))
	case hclog.Hex:
		return appendText(b, fmt.Sprintf("0x%x", int(v)))
	case hclog.Octal:
		return appendText(b, fmt.Sprintf("0%o", int(v)))
	case hclog.Binary:
		return appendText(b, fmt.Sprintf("0b%b", int(v)))
	case ContactValue:
		if showContacts {
			// Not scrubbed: here it is wanted.
			return appendString(b, cut(v.value, maxValueBytes))
		}
		return appendString(b, hidden)
	case time.Time:
		return appendText(b, v.UTC().Format(time.RFC3339Nano))
	}
	rv := reflect.ValueOf(v)
	if text, ok := printed(v); ok {
		return appendText(b, text)
	}
	switch rv.Kind() {
	case reflect.Slice, reflect.Array:
		if rv.Type().Elem().Kind() == reflect.Uint8 {
			return appendText(b, fmt.Sprintf("[%d bytes]", rv.Len()))
		}
		return appendSlice(b, rv, showContacts)
	default:
		return appendScalar(b, rv)
	}
}

func appendScalar(b []byte, rv reflect.Value) []byte {
	switch rv.Kind() {
	case reflect.String:
		return appendText(b, rv.String())
	case reflect.Bool:
		return strconv.AppendBool(b, rv.Bool())
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return strconv.AppendInt(b, rv.Int(), 10)
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		return strconv.AppendUint(b, rv.Uint(), 10)
	case reflect.Float32, reflect.Float64:
		if f := rv.Float(); !math.IsNaN(f) && !math.IsInf(f, 0) {
			return strconv.AppendFloat(b, f, 'g', -1, 64)
		}
		return appendText(b, fmt.Sprint(rv.Float()))
	default:
		return appendText(b, "["+rv.Type().String()+"]")
	}
}

func appendSlice(b []byte, rv reflect.Value, showContacts bool) []byte {
	b = append(b, '[')
	for i := range rv.Len() {
		if i > 0 {
			b = append(b, ',')
		}
		if i == maxElements {
			b = appendText(b, fmt.Sprintf("[%d more]", rv.Len()-i))
			break
		}
		elem := rv.Index(i)
		if elem.Kind() == reflect.Slice || elem.Kind() == reflect.Array {
			b = appendText(b, "["+elem.Type().String()+"]") // one level will do
			continue
		}
		if elem.CanInterface() {
			b = appendValue(b, "", elem.Interface(), showContacts)
		}
	}
	return append(b, ']')
}

// printed returns how a value prints itself. A protobuf message prints what it
// holds, so it does not count.
func printed(v any) (text string, ok bool) {
	type protoMessage interface{ ProtoMessage() }
	if _, proto := v.(protoMessage); proto {
		return "", false
	}
	defer func() {
		// A nil pointer whose String does not expect it ends a line, no more.
		if recover() != nil {
			text, ok = fmt.Sprintf("[%T]", v), true
		}
	}()
	switch v := v.(type) {
	case error:
		return v.Error(), true
	case fmt.Stringer:
		return v.String(), true
	case encoding.TextMarshaler:
		t, err := v.MarshalText()
		return string(t), err == nil
	}
	return "", false
}

// formatted renders hclog's deferred Sprintf. Its arguments are judged like
// fields of their own, so that a struct shows only its type here too.
func formatted(f hclog.Format, showContacts bool) string {
	if len(f) == 0 {
		return ""
	}
	format, ok := f[0].(string)
	if !ok {
		return fmt.Sprintf("[%T]", f)
	}
	args := make([]any, len(f)-1)
	for i, arg := range f[1:] {
		switch arg.(type) {
		case string, bool, int, int64, uint64, float64:
			args[i] = arg
			continue
		}
		rendered := string(appendValue(nil, "", arg, showContacts))
		if text, err := strconv.Unquote(rendered); err == nil {
			rendered = text
		}
		args[i] = verbatim(rendered)
	}
	return fmt.Sprintf(format, args...)
}

// verbatim prints as itself under every verb.
type verbatim string

// Format writes the text.
func (v verbatim) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(v)) }

// appendText appends a text from anywhere: scrubbed, cut and escaped.
func appendText(b []byte, s string) []byte {
	return appendString(b, cut(scrub(s), maxValueBytes))
}

// cut shortens s to at most n bytes, at a character, and says so.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	end := n
	for end > 0 && !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end] + fmt.Sprintf("…[%d bytes more]", len(s)-end)
}

// appendString appends s as a JSON string of printable characters: what could
// move a terminal's cursor, end a line or turn the direction of the text is
// escaped, and what is no UTF-8 is replaced.
func appendString(b []byte, s string) []byte {
	b = append(b, '"')
	for _, r := range strings.ToValidUTF8(s, "\uFFFD") {
		switch {
		case r == '"' || r == '\\':
			b = append(b, '\\', byte(r))
		case r == '\n':
			b = append(b, '\\', 'n')
		case r == '\t':
			b = append(b, '\\', 't')
		case r < 0x20, 0x7F <= r && r < 0xA0,
			r == 0x061C, 0x200E <= r && r <= 0x200F,
			0x2028 <= r && r <= 0x202E, 0x2066 <= r && r <= 0x2069, r == 0xFEFF:
			b = fmt.Appendf(b, `\u%04x`, r)
		default:
			b = utf8.AppendRune(b, r)
		}
	}
	return append(b, '"')
}
