package config

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"sync"

	"github.com/invopop/jsonschema"
)

//go:generate go test -run TestSchemaFile -update

// idPattern is what client, account and plugin ids, and consumer names, match.
const idPattern = "^[a-z0-9-]{1,40}$"

// Schema returns the JSON schema of a configuration file: what editors read
// and what Load holds every layer against. The bytes are the same every time.
func Schema() ([]byte, error) {
	schema := reflectSchema()
	data, err := json.MarshalIndent(schema, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("encode configuration schema: %w", err)
	}
	return append(data, '\n'), nil
}

func reflectSchema() *jsonschema.Schema {
	reflector := &jsonschema.Reflector{
		Anonymous:                  true,
		ExpandedStruct:             true,
		DoNotReference:             true,
		RequiredFromJSONSchemaTags: true, // a layer may leave out anything
		Mapper:                     specialSchema,
		LookupComment:              docTag,
	}
	schema := reflector.Reflect(&Config{})
	schema.Title = "Channelhub configuration"
	schema.Description = "One file of a hub's configuration. Maps merge across files; the same id in two files is a fault."
	keyByID(schema, "plugins")
	keyByID(schema, "access", "bootstrap_tokens")
	keyByID(keyByID(schema, "clients"), "accounts")
	addDefaults(schema, reflect.ValueOf(*Defaults()))
	return schema
}

// docTag takes descriptions from the doc tag of a field, so that a schema
// needs no source code at run time.
func docTag(t reflect.Type, field string) string {
	if field == "" || t.Kind() != reflect.Struct {
		return ""
	}
	f, _ := t.FieldByName(field)
	return f.Tag.Get("doc")
}

// specialSchema describes the types whose text form is not their Go form.
func specialSchema(t reflect.Type) *jsonschema.Schema {
	switch t {
	case reflect.TypeFor[Duration]():
		shortest := uint64(len("1s"))
		return &jsonschema.Schema{
			Type: "string", Pattern: durationPattern, MinLength: &shortest,
			Examples: []any{"15m", "24h", "7d", "1d12h"},
		}
	case reflect.TypeFor[Secret]():
		return &jsonschema.Schema{
			Type: "string", WriteOnly: true, Examples: []any{"${env:NAME}", "${file:PATH}"},
		}
	case reflect.TypeFor[[]Secret]():
		return &jsonschema.Schema{
			WriteOnly: true, Items: specialSchema(reflect.TypeFor[Secret]()),
			Extras: map[string]any{"type": []string{"string", "array"}},
		}
	case reflect.TypeFor[map[string]any]():
		return &jsonschema.Schema{Type: "object"}
	}
	return nil
}

// keyByID makes the map at the path take ids alone as keys, and returns the
// schema of an entry.
func keyByID(schema *jsonschema.Schema, keys ...string) *jsonschema.Schema {
	for _, key := range keys {
		schema, _ = schema.Properties.Get(key)
	}
	entry := schema.AdditionalProperties
	schema.PatternProperties = map[string]*jsonschema.Schema{idPattern: entry}
	schema.AdditionalProperties = jsonschema.FalseSchema
	return entry
}

// addDefaults writes the scalars of a defaults struct into its schema, and the
// defaults of entries into those of the maps keyed by id.
func addDefaults(schema *jsonschema.Schema, value reflect.Value) {
	for i := range value.NumField() {
		field := value.Type().Field(i)
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		if name == "" {
			continue
		}
		property, ok := schema.Properties.Get(name)
		if !ok {
			continue
		}
		v := value.Field(i)
		if d, ok := v.Interface().(Duration); ok {
			if d != 0 {
				property.Default = d.String()
			}
			continue
		}
		switch v.Kind() {
		case reflect.Struct:
			if property.Properties != nil {
				addDefaults(property, v)
			}
		case reflect.Map:
			if entry, ok := entryDefaults(v.Type().Elem()); ok {
				addDefaults(property.PatternProperties[idPattern], entry)
			}
		case reflect.Bool, reflect.String:
			property.Default = v.Interface()
		default: // numbers that are 0 and empty lists say nothing
		}
	}
}

// entryDefaults returns the defaults of one entry of a map keyed by id.
func entryDefaults(t reflect.Type) (reflect.Value, bool) {
	switch t {
	case reflect.TypeFor[Plugin]():
		return reflect.ValueOf(defaultPlugin()), true
	case reflect.TypeFor[Client]():
		return reflect.ValueOf(defaultClient()), true
	case reflect.TypeFor[Account]():
		return reflect.ValueOf(defaultAccount()), true
	}
	return reflect.Value{}, false
}

// ownRules are the rules of Schema, compiled once: the schema never changes
// while the program runs.
var ownRules = sync.OnceValues(func() (*rules, error) {
	schema, err := Schema()
	if err != nil {
		return nil, err
	}
	return compileRules(schema)
})
