package config

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
)

// view is a node of a Config as it may be shown: in the order of the types,
// secrets replaced, references as they are written.
type view struct {
	path   path
	fields []view // of a struct or map; nil for a leaf
	leaf   bool
	shown  any               // of a leaf: a scalar, or a list of scalars
	digest [sha256.Size]byte // of a leaf: of the true value, secrets included
}

func (c *Config) view() view {
	v := viewer{}
	if c.origin != nil {
		v.raw = c.origin.raw
	}
	return v.node("", reflect.ValueOf(*c))
}

type viewer struct {
	raw map[path]string // the text of values that hold references
}

func (v viewer) node(p path, value reflect.Value) view {
	for value.Kind() == reflect.Interface || value.Kind() == reflect.Pointer {
		if value.IsNil() {
			return v.leaf(p, value)
		}
		value = value.Elem()
	}
	switch value.Interface().(type) {
	case Secret, Duration:
		return v.leaf(p, value)
	}
	switch value.Kind() {
	case reflect.Struct:
		return view{path: p, fields: v.structFields(p, value)}
	case reflect.Map:
		fields := make([]view, 0, value.Len())
		keys := map[string]reflect.Value{}
		for iter := value.MapRange(); iter.Next(); {
			keys[iter.Key().String()] = iter.Value()
		}
		for _, key := range slices.Sorted(maps.Keys(keys)) {
			fields = append(fields, v.node(p.child(key), keys[key]))
		}
		return view{path: p, fields: fields}
	default:
		return v.leaf(p, value)
	}
}

func (v viewer) structFields(p path, value reflect.Value) []view {
	fields := make([]view, 0, value.NumField())
	for i := range value.NumField() {
		name, options, _ := strings.Cut(value.Type().Field(i).Tag.Get("json"), ",")
		if name == "" || options != "" && value.Field(i).IsZero() {
			continue
		}
		fields = append(fields, v.node(p.child(name), value.Field(i)))
	}
	return fields
}

func (v viewer) leaf(p path, value reflect.Value) view {
	shown, truth := v.values(p, value)
	text, err := json.Marshal(truth)
	if err != nil { // a value that no file, variable or flag can hold
		text = fmt.Append(nil, truth)
	}
	return view{path: p, leaf: true, shown: shown, digest: sha256.Sum256(text)}
}

// values returns what may be shown of a leaf, and what it truly is.
func (v viewer) values(p path, value reflect.Value) (shown, truth any) {
	if !value.IsValid() || (value.Kind() == reflect.Interface || value.Kind() == reflect.Pointer) && value.IsNil() {
		return nil, nil
	}
	if value.Kind() == reflect.Interface {
		value = value.Elem()
	}
	if secret, ok := value.Interface().(Secret); ok {
		return redacted, secret.Reveal()
	}
	switch value.Kind() {
	case reflect.Slice:
		shownList, truthList := make([]any, 0, value.Len()), make([]any, 0, value.Len())
		for i := range value.Len() {
			s, t := v.values(p.index(i), value.Index(i))
			shownList, truthList = append(shownList, s), append(truthList, t)
		}
		return shownList, truthList
	case reflect.Map:
		shownMap, truthMap := map[string]any{}, map[string]any{}
		for iter := value.MapRange(); iter.Next(); {
			key := iter.Key().String()
			shownMap[key], truthMap[key] = v.values(p.child(key), iter.Value())
		}
		return shownMap, truthMap
	default: // a scalar
	}
	truth = value.Interface()
	if d, ok := truth.(Duration); ok {
		truth = d.String()
	} else if value.Kind() == reflect.String {
		truth = value.String() // typed ids are plain text here
	}
	if raw, ok := v.raw[p]; ok {
		return raw, truth
	}
	return truth, truth
}
