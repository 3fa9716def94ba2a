package spec

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/channelhub/channelhub/hub/model"
)

// schemas turns Go types into JSON Schema as encoding/json writes them. Named
// structs become components; everything else is written where it is used.
type schemas struct {
	names map[reflect.Type]string
	list  []component
}

// component is a named schema.
type component struct {
	Name   string
	schema object
}

func newSchemas() *schemas { return &schemas{names: map[reflect.Type]string{}} }

// component returns the schema of that name.
func (s *schemas) component(name string) object {
	for _, c := range s.list {
		if c.Name == name {
			return c.schema
		}
	}
	return nil
}

// sorted returns the components by name.
func (s *schemas) sorted() []component {
	return slices.SortedFunc(slices.Values(s.list), func(a, b component) int { return strings.Compare(a.Name, b.Name) })
}

const refPrefix = "#/components/schemas/"

var (
	rawJSON  = reflect.TypeFor[json.RawMessage]()
	stdTime  = reflect.TypeFor[time.Time]()
	hubTime  = reflect.TypeFor[model.Time]()
	byteList = reflect.TypeFor[[]byte]()
)

// of returns the schema of a type.
func (s *schemas) of(t reflect.Type) object {
	switch t {
	case rawJSON:
		return object{{"description", "Any JSON."}}
	case stdTime, hubTime:
		return object{{"type", "string"}, {"format", "date-time"}}
	case byteList:
		return object{{"type", "string"}, {"contentEncoding", "base64"}}
	}
	switch t.Kind() {
	case reflect.Pointer:
		return s.of(t.Elem())
	case reflect.String:
		return stringSchema(t)
	case reflect.Bool:
		return object{{"type", "boolean"}}
	case reflect.Float32, reflect.Float64:
		return object{{"type", "number"}}
	case reflect.Slice, reflect.Array:
		return object{{"type", "array"}, {"items", s.of(t.Elem())}}
	case reflect.Map:
		return object{{"type", "object"}, {"additionalProperties", s.of(t.Elem())}}
	case reflect.Struct:
		if t.Name() == "" || strings.Contains(t.Name(), "[") {
			return s.structure(t)
		}
		return s.ref(t)
	case reflect.Interface:
		return object{{"description", "Any JSON."}}
	default: // the integers; no other kind has a JSON form
		return object{{"type", "integer"}}
	}
}

func stringSchema(t reflect.Type) object {
	o := object{{"type", "string"}}
	if words, ok := vocabulary[t]; ok {
		o.add("enum", words)
	}
	return o
}

// ref describes a named struct once and points at it.
func (s *schemas) ref(t reflect.Type) object {
	name, known := s.names[t]
	if !known {
		name = strings.ToUpper(t.Name()[:1]) + t.Name()[1:]
		s.names[t] = name // before its fields, which may lead back here
		schema := s.structure(t)
		if doc := typeDocs[name]; doc != "" {
			schema = append(object{{"description", doc}}, schema...)
		}
		s.list = append(s.list, component{name, schema})
	}
	return object{{"$ref", refPrefix + name}}
}

func (s *schemas) structure(t reflect.Type) object {
	var properties object
	var required []string
	s.fields(t, &properties, &required)
	o := object{{"type", "object"}}
	if len(required) > 0 {
		o.add("required", required)
	}
	if len(properties) > 0 {
		o.add("properties", properties)
	}
	return o
}

// fields adds what encoding/json writes of a struct; embedded structs lend
// their fields.
func (s *schemas) fields(t reflect.Type, properties *object, required *[]string) {
	for i := range t.NumField() {
		f := t.Field(i)
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		if f.Anonymous && name == "" {
			s.fields(f.Type, properties, required)
			continue
		}
		if !f.IsExported() || name == "-" {
			continue
		}
		schema := s.of(f.Type)
		if doc := fieldDoc(t, f, name); doc != "" {
			schema = slices.DeleteFunc(schema, func(m member) bool { return m.name == "description" })
			schema = append(schema, member{"description", doc})
		}
		properties.add(name, schema)
		if !strings.Contains(options, "omitempty") && !strings.Contains(options, "omitzero") {
			*required = append(*required, name)
		}
	}
}

// fieldDoc is what is said of a field: its own tag, or the words kept here for
// types whose package does not speak of documents.
func fieldDoc(t reflect.Type, f reflect.StructField, name string) string {
	if doc := f.Tag.Get("doc"); doc != "" {
		return doc
	}
	return fieldDocs[t.Name()+"."+name]
}
