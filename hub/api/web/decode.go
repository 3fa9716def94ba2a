package web

import (
	"bytes"
	"encoding"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/channelhub/channelhub/hub/model"
)

// DecodeJSON decodes one JSON object strictly, naming all that is wrong with
// it: fields that v does not have, values of another type, names that stand
// twice, and null, with which nothing would be said.
func DecodeJSON(body []byte, v any) error {
	if len(bytes.TrimSpace(body)) == 0 {
		return Malformed("The body is empty; send a JSON object.")
	}
	// encoding/json would change such bytes in strings, and leave them in raw
	// JSON, which nobody could read from then on.
	if n := validUTF8(body); n < len(body) {
		return Malformed(fmt.Sprintf("The body is not valid UTF-8 at byte %d.", n+1))
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	failed := d.Decode(v) // it reads to the end of the value before it fills v
	if err := unreadable(failed); err != nil {
		return err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return Malformed("The body holds more than one JSON value.")
	}
	repeated, alike := model.RepeatedNames(body)
	if failed == nil && len(repeated) == 0 && !alike && !bytes.Equal(bytes.TrimSpace(body), null) {
		return nil
	}
	return misfit(body, v, repeated)
}

var null = []byte("null")

// validUTF8 is how many bytes of b are valid UTF-8 before the first that is not.
func validUTF8(b []byte) int {
	if utf8.Valid(b) {
		return len(b)
	}
	for n := 0; ; {
		r, size := utf8.DecodeRune(b[n:])
		if r == utf8.RuneError && size == 1 {
			return n
		}
		n += size
	}
}

// unreadable is the error of a body that is no JSON. It never quotes the body.
func unreadable(err error) error {
	if e, ok := errors.AsType[*json.SyntaxError](err); ok {
		return Malformed(fmt.Sprintf("The body is not valid JSON at byte %d.", e.Offset))
	}
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return Malformed("The JSON of the body ends too early.")
	}
	return nil
}

// misfit is the error of JSON that v does not take as it is; nil when it does
// after all, since names that differ in case alone may both be wanted.
func misfit(body []byte, v any, repeated []model.RepeatedName) error {
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	var tree any
	if err := d.Decode(&tree); err != nil {
		return Malformed("The body is not valid JSON.")
	}
	var w walk
	for _, r := range repeated {
		w.repeated(r)
	}
	if t := reflect.TypeOf(v).Elem(); tree == nil {
		w.fault(place{}, "give "+typeName(t)+", not null")
	} else {
		w.value(place{}, tree, t)
	}
	if len(w.faults) == 0 {
		return nil
	}
	return Invalid("The body is not what this call takes.", w.faults...)
}

// maxFaults bounds an answer: a body of commas could make one a hundred times
// its own size.
const maxFaults = 50

// maxFaultName is the longest name that an answer repeats.
const maxFaultName = 100

// walk holds JSON against the type that it is for, as encoding/json would.
type walk struct{ faults []model.Fault }

// place is where a value is, in both of the spellings that a fault has.
type place struct{ field, pointer string }

func (p place) name(name string) place {
	field := name
	if p.field != "" {
		field = p.field + "." + name
	}
	return place{field, p.pointer + "/" + escapePointer.Replace(name)}
}

func (p place) index(i int) place {
	n := strconv.Itoa(i)
	return place{p.field + "[" + n + "]", p.pointer + "/" + n}
}

// escapePointer is RFC 6901, section 3.
var escapePointer = strings.NewReplacer("~", "~0", "/", "~1")

func (w *walk) fault(at place, detail string) {
	if len(w.faults) < maxFaults {
		w.faults = append(w.faults, model.Fault{Field: at.field, Pointer: at.pointer, Detail: detail})
	}
}

// repeated names what stands twice. The tree has kept the last of it.
func (w *walk) repeated(r model.RepeatedName) {
	var at place
	for _, step := range r.Place {
		switch s := step.(type) {
		case string:
			at = at.name(s)
		case int:
			at = at.index(s)
		}
	}
	if r.Below {
		w.fault(at, "an object in here holds a name twice; keep one of them")
		return
	}
	w.fault(at, "this name stands twice in its object; keep one of them")
}

func (w *walk) value(at place, v any, t reflect.Type) {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if v == nil || t.Kind() == reflect.Interface {
		return // null leaves anything as it is
	}
	ptr := reflect.PointerTo(t)
	if ptr.Implements(jsonUnmarshaler) || ptr.Implements(textUnmarshaler) {
		w.leaf(at, v, t)
		return
	}
	switch x := v.(type) {
	case map[string]any:
		if t.Kind() == reflect.Struct {
			w.object(at, x, t)
			return
		}
		if t.Kind() == reflect.Map {
			for _, name := range sortedNames(x) {
				w.value(at.name(name), x[name], t.Elem())
			}
			return
		}
	case []any:
		if k := t.Kind(); k == reflect.Slice || k == reflect.Array {
			for i, e := range x {
				w.value(at.index(i), e, t.Elem())
			}
			return
		}
	}
	w.leaf(at, v, t)
}

var (
	jsonUnmarshaler = reflect.TypeFor[json.Unmarshaler]()
	textUnmarshaler = reflect.TypeFor[encoding.TextUnmarshaler]()
)

// leaf has encoding/json say whether it takes a value that has no parts.
func (w *walk) leaf(at place, v any, t reflect.Type) {
	text, err := json.Marshal(v)
	if err == nil {
		err = json.Unmarshal(text, reflect.New(t).Interface())
	}
	if err == nil {
		return
	}
	want := typeName(t)
	if t == reflect.TypeFor[model.Time]() {
		want = "a time such as 2026-11-23T09:00:00Z"
	}
	w.fault(at, "give "+want+", not "+kindOf(v))
}

func (w *walk) object(at place, v map[string]any, t reflect.Type) {
	known, taken := map[string]reflect.Type{}, map[string]string{}
	jsonFields(t, known)
	for _, name := range sortedNames(v) {
		field := name
		of, ok := known[name]
		if !ok { // as encoding/json does, exactly or else in any case
			for k, kt := range known {
				if strings.EqualFold(k, name) {
					field, of, ok = k, kt, true
				}
			}
		}
		if other, twice := taken[field]; ok && twice {
			w.fault(at.name(name), fmt.Sprintf("%q is there already, and is the same field; keep one of them", other))
		}
		taken[field] = name
		switch {
		case ok:
			w.value(at.name(name), v[name], of)
		case len(name) > maxFaultName:
			w.fault(at, "holds a field that is unknown, of a very long name")
		default:
			w.fault(at.name(name), "there is no such field; check its spelling")
		}
	}
}

// jsonFields collects the names under which encoding/json fills a struct;
// those of the outer struct hide those that it embeds.
func jsonFields(t reflect.Type, known map[string]reflect.Type) {
	var embedded []reflect.Type
	for f := range t.Fields() {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		inner := f.Type
		if inner.Kind() == reflect.Pointer {
			inner = inner.Elem()
		}
		switch {
		case f.Tag.Get("json") == "-":
		case f.Anonymous && name == "" && inner.Kind() == reflect.Struct:
			embedded = append(embedded, inner)
		case !f.IsExported():
		default:
			if name == "" {
				name = f.Name
			}
			if _, hidden := known[name]; !hidden {
				known[name] = f.Type
			}
		}
	}
	for _, e := range embedded {
		jsonFields(e, known)
	}
}

func sortedNames(m map[string]any) []string {
	names := make([]string, 0, len(m))
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

func kindOf(v any) string {
	switch v.(type) {
	case map[string]any:
		return "an object"
	case []any:
		return "a list"
	case string:
		return "this string"
	case bool:
		return "true or false"
	default:
		return "this number"
	}
}

func typeName(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Pointer:
		return typeName(t.Elem())
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return "a whole number"
	case reflect.Float32, reflect.Float64:
		return "a number"
	case reflect.Bool:
		return "true or false"
	case reflect.Slice, reflect.Array:
		return "a list"
	case reflect.Struct, reflect.Map:
		return "an object"
	default:
		return "a string"
	}
}
