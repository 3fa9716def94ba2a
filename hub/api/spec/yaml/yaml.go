// Package yaml writes JSON as YAML, for people to read. The order of keys
// stays. It reads no YAML.
package yaml

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"unicode"
)

// FromJSON returns one JSON value as a YAML document with a line end.
func FromJSON(data []byte) ([]byte, error) {
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	root, err := read(d)
	if err != nil {
		return nil, fmt.Errorf("write YAML: %w", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("write YAML: more than one JSON value")
	}
	w := &writer{}
	if inline := root.inline(); inline != "" {
		return []byte(inline + "\n"), nil
	}
	w.block(root, 0)
	return w.out.Bytes(), nil
}

// node is a JSON value with its keys in order.
type node struct {
	keys   []string // of an object
	values []node   // of an object or a list
	list   bool
	object bool
	scalar any
}

func read(d *json.Decoder) (node, error) {
	tok, err := d.Token()
	if err != nil {
		return node{}, err
	}
	delim, ok := tok.(json.Delim)
	if !ok {
		return node{scalar: tok}, nil
	}
	n := node{object: delim == '{', list: delim == '['}
	for d.More() {
		if n.object {
			key, err := d.Token()
			if err != nil {
				return node{}, err
			}
			name, ok := key.(string)
			if !ok {
				return node{}, fmt.Errorf("a key is %T", key)
			}
			n.keys = append(n.keys, name)
		}
		value, err := read(d)
		if err != nil {
			return node{}, err
		}
		n.values = append(n.values, value)
	}
	_, err = d.Token() // the closing one
	return n, err
}

// inline is what can stand on the line of its key; empty for a block.
func (n node) inline() string {
	switch v := n.scalar.(type) {
	case string:
		return inlineText(v)
	case json.Number:
		return v.String()
	case bool:
		return fmt.Sprint(v)
	}
	switch {
	case n.object && len(n.values) == 0:
		return "{}"
	case n.list && len(n.values) == 0:
		return "[]"
	case n.object || n.list:
		return ""
	}
	return "null"
}

type writer struct{ out bytes.Buffer }

// block writes a collection that is not empty, or a text of several lines.
// The first line is not indented: whoever called has written up to there.
func (w *writer) block(n node, depth int) {
	pad := strings.Repeat("  ", depth)
	for i, value := range n.values {
		if i > 0 {
			w.out.WriteString(pad)
		}
		if n.list {
			w.out.WriteString("-")
			w.value(value, depth+1, true)
			continue
		}
		w.out.WriteString(inlineText(n.keys[i]) + ":")
		w.value(value, depth+1, false)
	}
}

// value writes what belongs behind a key or a dash.
func (w *writer) value(n node, depth int, item bool) {
	if text, ok := n.scalar.(string); ok && isBlockText(text) {
		w.text(text, depth)
		return
	}
	if inline := n.inline(); inline != "" {
		w.out.WriteString(" " + inline + "\n")
		return
	}
	if item {
		w.out.WriteString(" ") // "- key: …": the first key stands behind the dash
	} else {
		w.out.WriteString("\n" + strings.Repeat("  ", depth))
	}
	w.block(n, depth)
}

// text writes a literal block.
func (w *writer) text(text string, depth int) {
	body, ended := strings.CutSuffix(text, "\n")
	mark := " |-\n"
	if ended {
		mark = " |\n"
	}
	w.out.WriteString(mark)
	for line := range strings.SplitSeq(body, "\n") {
		if line != "" {
			w.out.WriteString(strings.Repeat("  ", depth) + line)
		}
		w.out.WriteByte('\n')
	}
}

// isBlockText reports whether a text reads the same from a literal block: it
// has several lines, no line of spaces alone, and does not begin with a space
// that a reader would take for indentation.
func isBlockText(s string) bool {
	body := strings.TrimSuffix(s, "\n")
	if !strings.Contains(body, "\n") || strings.HasSuffix(body, "\n") || !printable(strings.ReplaceAll(s, "\n", "")) {
		return false
	}
	lines := strings.Split(body, "\n")
	blank := func(line string) bool { return line != "" && strings.TrimSpace(line) == "" }
	return lines[0] != "" && lines[0][0] != ' ' && !slices.ContainsFunc(lines, blank)
}

func printable(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) })
}

// plain is a text that no reader takes for anything else.
var plain = regexp.MustCompile(`^[A-Za-z_/][A-Za-z0-9_./@+-]*( [A-Za-z0-9_./@+-]+)*$`)

// notText are the words that some reader takes for something else.
var notText = []string{"true", "false", "null", "yes", "no", "on", "off", "y", "n"}

func inlineText(s string) string {
	if plain.MatchString(s) && !slices.Contains(notText, strings.ToLower(s)) {
		return s
	}
	return quote(s)
}

// quote writes a text in double quotes, with JSON's escapes, which are YAML's
// too. What a terminal would act on is escaped as well.
func quote(s string) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(s); err != nil {
		return `""` // a string always encodes
	}
	var out strings.Builder
	for _, r := range strings.TrimSuffix(b.String(), "\n") {
		switch {
		case unicode.IsPrint(r):
			out.WriteRune(r)
		case r > 0xffff:
			fmt.Fprintf(&out, `\U%08x`, r)
		default:
			fmt.Fprintf(&out, `\u%04x`, r)
		}
	}
	return out.String()
}
