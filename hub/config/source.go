package config

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml/token"
)

// place is where a value was written. The zero place is a default.
type place struct {
	source       *source // nil outside files
	name         string  // file, environment variable or flag
	line, column int
}

// String writes the place for people.
func (at place) String() string {
	switch {
	case at.name == "":
		return "default"
	case at.line == 0:
		return at.name
	}
	return fmt.Sprintf("%s:%d", at.name, at.line)
}

func (at place) fault(p path, detail, suggestion string) Fault {
	f := Fault{
		File: at.name, Line: at.line, Column: at.column,
		Path: p.String(), Detail: detail, Suggestion: suggestion,
	}
	if at.source != nil {
		f.Excerpt = at.source.excerpt(at.line, at.column)
	}
	return f
}

// layer is what one file, the environment or the flags say: a tree of
// map[string]any, []any and scalars, and the place of each node.
type layer struct {
	tree   map[string]any
	places map[path]place // of values
	keys   map[path]place // of the keys they stand under, in files
	text   []scalar       // every scalar of a file; with aliases, more than once
}

// scalar is a value in the text of a file and the path that it is used at.
type scalar struct {
	path path
	at   place
}

func newLayer() *layer {
	return &layer{tree: map[string]any{}, places: map[path]place{}, keys: map[path]place{}}
}

// key returns the place of the last key of p.
func (l *layer) key(p path) place {
	if at, ok := l.keys[p]; ok {
		return at
	}
	return l.at(p)
}

// at returns the place of p, or of the nearest node above it that has one.
func (l *layer) at(p path) place { return nearest(l.places, p) }

func nearest(places map[path]place, p path) place {
	for {
		if at, ok := places[p]; ok || p == "" {
			return at
		}
		p = p.parent()
	}
}

// source is the text of one file, kept for the excerpts of its faults.
type source struct {
	name    string
	lines   []string
	values  map[int][]span // scalars that are not keys, by line
	shown   map[spot]bool  // those of them that an excerpt may show
	ends    map[int]int    // by line: the column where a comment begins
	opaque  map[int]bool   // lines inside a value of several lines
	invalid bool           // the text does not parse, so what is a value is unknown
}

type spot struct{ line, column int }

type span struct{ column, length int }

// newSource finds the values among the tokens of a file.
func newSource(name string, text []byte, tokens token.Tokens) *source {
	s := &source{
		name: name, lines: strings.Split(string(text), "\n"),
		values: map[int][]span{}, shown: map[spot]bool{}, ends: map[int]int{}, opaque: map[int]bool{},
	}
	for _, tk := range tokens {
		switch tk.Type {
		case token.CommentType:
			s.ends[tk.Position.Line] = tk.Position.Column
		case token.StringType, token.SingleQuoteType, token.DoubleQuoteType,
			token.IntegerType, token.BinaryIntegerType, token.OctetIntegerType, token.HexIntegerType,
			token.FloatType, token.BoolType, token.NullType, token.InfinityType, token.NanType:
			if tk.Next == nil || tk.Next.Type != token.MappingValueType {
				s.addValue(tk)
			}
		default: // punctuation holds no value
		}
	}
	return s
}

func (s *source) addValue(tk *token.Token) {
	line := tk.Position.Line
	if tk.Prev != nil && (tk.Prev.Type == token.LiteralType || tk.Prev.Type == token.FoldedType) {
		// The text of a block fills the lines between its mark and whatever
		// comes next; its own position says less.
		end := len(s.lines) + 1
		if tk.Next != nil {
			end = tk.Next.Position.Line
		}
		s.hide(tk.Prev.Position.Line+1, end)
		return
	}
	text := strings.TrimSpace(tk.Origin)
	first, rest, several := strings.Cut(text, "\n")
	s.values[line] = append(s.values[line], span{tk.Position.Column, utf8.RuneCountInString(first)})
	if several {
		s.hide(line+1, line+2+strings.Count(rest, "\n"))
	}
}

// hide keeps the lines from first up to end out of every excerpt.
func (s *source) hide(first, end int) {
	for line := first; line < end; line++ {
		s.opaque[line] = true
	}
}

// show lets excerpts print the value at a place.
func (s *source) show(line, column int) { s.shown[spot{line, column}] = true }

// excerpt returns the line with a caret under the column. Comments, and values
// that are not known to be harmless, are left out.
func (s *source) excerpt(line, column int) string {
	if line < 1 || line > len(s.lines) || s.opaque[line] {
		return ""
	}
	text := []rune(strings.TrimRight(s.lines[line-1], "\r"))
	if end, ok := s.ends[line]; ok && end-1 <= len(text) {
		text = text[:end-1]
	}
	var b strings.Builder
	caret, next := column-1, 0
	if s.invalid {
		text, next = keyOnly(text), 0
	}
	for _, v := range s.values[line] {
		start := v.column - 1
		if s.invalid || start < next || start >= len(text) || s.shown[spot{line, v.column}] {
			continue
		}
		end := min(start+v.length, len(text))
		b.WriteString(string(text[next:start]))
		b.WriteRune('…')
		if start < column-1 {
			caret -= end - start - 1
		}
		next = end
	}
	b.WriteString(string(text[next:]))
	shown := strings.TrimRight(b.String(), " \t")
	if strings.TrimSpace(shown) == "" {
		return ""
	}
	caret = min(max(caret, 0), utf8.RuneCountInString(shown))
	pad := strings.Map(func(r rune) rune {
		if r == '\t' {
			return r
		}
		return ' '
	}, string([]rune(shown)[:caret]))
	return fmt.Sprintf("%5d | %s\n      | %s^", line, shown, pad)
}

// keyOnly keeps of a line that cannot be read what stands before its first
// colon, if that looks like a key.
func keyOnly(text []rune) []rune {
	for i, r := range text {
		switch {
		case r == ':':
			return append(text[:i+1:i+1], []rune(" …")...)
		case r == ' ', r == '-', r == '_', r == '\t', r == '"', r == '\'',
			'a' <= r && r <= 'z', 'A' <= r && r <= 'Z', '0' <= r && r <= '9':
		default:
			return nil
		}
	}
	return nil
}
