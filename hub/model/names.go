package model

import (
	"bytes"
	"encoding/json"
	"strings"
)

// RepeatedName is where a JSON value holds a name twice.
type RepeatedName struct {
	// Place leads there: strings are names, ints are indices.
	Place []any
	// Below tells that the name is somewhere below Place, which has become too
	// long to repeat.
	Below bool
}

// Bounds of what RepeatedNames returns, whatever it reads.
const (
	maxRepeated    = 50
	maxPlaceDepth  = 16
	maxPlaceLength = 100 // bytes of one name
)

// RepeatedNames finds the names that stand twice in one object of a valid JSON
// value. encoding/json takes the last of them, other readers the first, and
// none of them says so: what was meant cannot be known. Alike reports whether
// an object has names that differ in case alone, which encoding/json puts into
// one field.
func RepeatedNames(data []byte) (repeated []RepeatedName, alike bool) {
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	n := nameReader{tokens: d}
	n.value(n.next())
	return n.repeated, n.alike
}

// nameReader goes through a JSON value, token by token.
type nameReader struct {
	tokens   *json.Decoder
	place    []any // of what is being read
	repeated []RepeatedName
	alike    bool
}

// next returns the next token; nil at the end of what can be read.
func (n *nameReader) next() json.Token {
	t, err := n.tokens.Token()
	if err != nil {
		return nil
	}
	return t
}

// value goes through the value that a token begins.
func (n *nameReader) value(first json.Token) {
	switch first {
	case json.Delim('{'):
		n.object()
	case json.Delim('['):
		for i := 0; n.tokens.More(); i++ {
			n.inside(i)
		}
	default:
		return
	}
	n.next() // the bracket that closes it
}

func (n *nameReader) object() {
	names, folded := map[string]struct{}{}, map[string]struct{}{}
	for n.tokens.More() {
		name, ok := n.next().(string)
		if !ok {
			return
		}
		if _, twice := names[name]; twice {
			n.note(name)
		}
		names[name] = struct{}{}
		// Both ways: there are letters with two lower cases.
		folded[strings.ToLower(strings.ToUpper(name))] = struct{}{}
		n.inside(name)
	}
	n.alike = n.alike || len(folded) < len(names)
}

func (n *nameReader) inside(step any) {
	n.place = append(n.place, step)
	n.value(n.next())
	n.place = n.place[:len(n.place)-1]
}

func (n *nameReader) note(name string) {
	if len(n.repeated) == maxRepeated {
		return
	}
	var r RepeatedName
	for _, step := range append(n.place, name) {
		if s, ok := step.(string); len(r.Place) == maxPlaceDepth || ok && len(s) > maxPlaceLength {
			r.Below = true
			break
		}
		r.Place = append(r.Place, step)
	}
	n.repeated = append(n.repeated, r)
}
