package pluginhost

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// printable returns s fit for a log line, a status or an error: at most limit
// bytes, valid UTF-8, and nothing that moves a cursor, hides text or starts a
// new line. What a connector says of itself goes through here.
func printable(s string, limit int) string {
	if len(s) <= limit && isPrintable(s) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		var piece string
		switch {
		case r == utf8.RuneError && size == 1:
			piece = `\x` + hexByte(s[i])
		case printableRune(r):
			piece = s[i : i+size]
		default:
			quoted := strconv.QuoteRuneToASCII(r)
			piece = quoted[1 : len(quoted)-1]
		}
		if b.Len()+len(piece) > limit {
			break
		}
		b.WriteString(piece)
		i += size
	}
	return b.String()
}

func isPrintable(s string) bool {
	for _, r := range s {
		if r == utf8.RuneError || !printableRune(r) {
			return false
		}
	}
	return true
}

// printableRune keeps graphic characters. unicode.IsGraphic excludes control
// and format characters, among them the ones that turn the direction of text.
func printableRune(r rune) bool {
	return r == ' ' || (unicode.IsGraphic(r) && !unicode.IsSpace(r)) || r == '\u00a0'
}

func hexByte(c byte) string {
	const digits = "0123456789abcdef"
	return string([]byte{digits[c>>4], digits[c&15]})
}

// cut returns the longest prefix of s of at most limit bytes that ends between
// two characters.
func cut(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	for limit > 0 && !utf8.RuneStart(s[limit]) {
		limit--
	}
	return s[:limit]
}

// word returns s when it is a stable code of a connector: lower case letters,
// digits and underscores, at most 64 bytes. Otherwise it returns the fallback:
// codes become metric labels and parts of the API.
func word(s, fallback string) string {
	if s == "" || len(s) > 64 {
		return fallback
	}
	for _, c := range []byte(s) {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '_' {
			return fallback
		}
	}
	return s
}
