package sdk

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"
)

// Settings are described by the struct that holds them. A field takes part
// when it is exported and has a json tag:
//
//	type settings struct {
//		URL    string      `json:"url" doc:"Where messages go." required:"true" format:"url"`
//		Mode   string      `json:"mode" doc:"How." enum:"fast,safe" default:"safe"`
//		Wait   time.Duration `json:"wait" doc:"For how long." default:"5s"`
//		Secret sdk.Secrets `json:"secret" doc:"Signs both ways." required:"true"`
//	}
//
// Fields of type Secret and Secrets are filled from the account's secrets, all
// others from its config.

var (
	secretType   = reflect.TypeFor[Secret]()
	secretsType  = reflect.TypeFor[Secrets]()
	durationType = reflect.TypeFor[time.Duration]()
)

// setting is one field of a settings struct.
type setting struct {
	index    int
	name     string
	typ      reflect.Type
	doc      string
	required bool
	format   string
	enum     []string
	fallback json.RawMessage // nil when there is none
}

func (s *setting) secret() bool { return s.typ == secretType || s.typ == secretsType }

// settingsOf lists the fields of a settings struct. Its errors are the
// author's: a tag that says nothing, a type that JSON cannot fill.
func settingsOf(t reflect.Type) ([]setting, error) {
	if t.Kind() != reflect.Struct {
		return nil, fmt.Errorf("settings must be a struct, not %s", t)
	}
	var list []setting
	for i := range t.NumField() {
		f := t.Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if !f.IsExported() || name == "" || name == "-" {
			continue
		}
		s := setting{index: i, name: name, typ: f.Type, doc: f.Tag.Get("doc"), required: f.Tag.Get("required") == "true", format: f.Tag.Get("format")}
		if enum := f.Tag.Get("enum"); enum != "" {
			s.enum = strings.Split(enum, ",")
		}
		if _, err := schemaOf(f.Type); err != nil && !s.secret() {
			return nil, fmt.Errorf("setting %s: %w", name, err)
		}
		if err := s.setFallback(f.Tag.Get("default")); err != nil {
			return nil, fmt.Errorf("setting %s: %w", name, err)
		}
		if (s.format != "" && s.format != "url") || (len(s.enum) > 0 || s.format != "") && f.Type.Kind() != reflect.String {
			return nil, fmt.Errorf("setting %s: enum and format \"url\" are for strings, and there is no other format", name)
		}
		list = append(list, s)
	}
	return list, nil
}

// setFallback reads the default tag, which is JSON but for strings, and tries
// it out.
func (s *setting) setFallback(tag string) error {
	if tag == "" {
		return nil
	}
	if s.secret() || s.required {
		return errors.New("a secret or required setting has no default")
	}
	s.fallback = json.RawMessage(tag)
	if s.typ.Kind() == reflect.String || s.typ == durationType {
		s.fallback = json.RawMessage(strconv.Quote(tag))
	}
	if detail := s.fill(reflect.New(s.typ).Elem(), s.fallback); detail != "" {
		return fmt.Errorf("default: %s", detail)
	}
	return nil
}

// schemas returns the JSON Schemas of the settings and of the secrets of a
// settings struct.
func schemas(list []setting) (config, secrets []byte, err error) {
	configs, hidden := []setting{}, []setting{}
	for _, s := range list {
		if s.secret() {
			hidden = append(hidden, s)
		} else {
			configs = append(configs, s)
		}
	}
	if config, err = objectSchema(configs); err != nil {
		return nil, nil, err
	}
	secrets, err = objectSchema(hidden)
	return config, secrets, err
}

func objectSchema(list []setting) ([]byte, error) {
	properties := map[string]any{}
	required := []string{}
	for _, s := range list {
		property, err := s.schema()
		if err != nil {
			return nil, err
		}
		properties[s.name] = property
		if s.required {
			required = append(required, s.name)
		}
	}
	object := map[string]any{
		"$schema":              "https://json-schema.org/draft/2020-12/schema",
		"type":                 "object",
		"properties":           properties,
		"additionalProperties": false,
	}
	if len(required) > 0 {
		object["required"] = required
	}
	// Maps are written in the order of their keys: the same struct gives the
	// same bytes.
	out, err := json.Marshal(object)
	if err != nil {
		return nil, fmt.Errorf("write schema: %w", err)
	}
	return out, nil
}

func (s *setting) schema() (map[string]any, error) {
	property := map[string]any{"type": []string{"string", "array"}, "items": map[string]any{"type": "string"}}
	if !s.secret() {
		var err error
		if property, err = schemaOf(s.typ); err != nil {
			return nil, err
		}
	}
	if s.doc != "" {
		property["description"] = s.doc
	}
	if s.format == "url" {
		property["format"] = "uri"
	}
	if len(s.enum) > 0 {
		property["enum"] = s.enum
	}
	if s.fallback != nil {
		property["default"] = s.fallback
	}
	return property, nil
}

// schemaOf describes a type. Secrets have no place below the top.
func schemaOf(t reflect.Type) (map[string]any, error) {
	switch t {
	case secretType, secretsType:
		return nil, errors.New("a secret stands at the top of the settings")
	case durationType:
		return map[string]any{"type": "string", "pattern": `^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$`}, nil
	}
	switch t.Kind() {
	case reflect.String:
		return map[string]any{"type": "string"}, nil
	case reflect.Bool:
		return map[string]any{"type": "boolean"}, nil
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return map[string]any{"type": "integer"}, nil
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return map[string]any{"type": "integer", "minimum": 0}, nil
	case reflect.Float32, reflect.Float64:
		return map[string]any{"type": "number"}, nil
	case reflect.Slice:
		items, err := schemaOf(t.Elem())
		return map[string]any{"type": "array", "items": items}, err
	case reflect.Map:
		if t.Key().Kind() != reflect.String {
			return nil, fmt.Errorf("a map needs keys of type string, not %s", t.Key())
		}
		values, err := schemaOf(t.Elem())
		return map[string]any{"type": "object", "additionalProperties": values}, err
	default:
		return nil, fmt.Errorf("a setting cannot be of type %s", t)
	}
}
