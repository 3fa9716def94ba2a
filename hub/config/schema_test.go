package config

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const schemaFile = "../../configs/schema/hub.schema.json"

// TestSchemaFile fails when the file that editors read is not what the types
// say; go generate writes it anew.
func TestSchemaFile(t *testing.T) {
	got, err := Schema()
	if err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.MkdirAll(filepath.Dir(schemaFile), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(schemaFile, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(schemaFile)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s is out of date; run go generate ./hub/config (-file +types):\n%s", schemaFile, diff)
	}
}

// TestSchemaDescribesEveryKey keeps the schema useful in an editor.
func TestSchemaDescribesEveryKey(t *testing.T) {
	data, err := Schema()
	if err != nil {
		t.Fatal(err)
	}
	var schema map[string]any
	if err := json.Unmarshal(data, &schema); err != nil {
		t.Fatal(err)
	}
	described := 0
	var visit func(string, any)
	visit = func(at string, node any) {
		m, ok := node.(map[string]any)
		if !ok {
			return
		}
		properties, _ := m["properties"].(map[string]any)
		for name, property := range properties {
			if p, ok := property.(map[string]any); !ok || p["description"] == nil {
				t.Errorf("%s.%s has no description", at, name)
			}
			described++
			visit(at+"."+name, property)
		}
		patterns, _ := m["patternProperties"].(map[string]any)
		for _, entry := range patterns {
			visit(at+".*", entry)
		}
	}
	visit("", schema)
	if described < 80 {
		t.Errorf("only %d keys were visited", described)
	}
}

// TestDefaultsFitTheSchema proves that what Defaults returns, and what every
// entry starts with, an operator could have written.
func TestDefaultsFitTheSchema(t *testing.T) {
	rules, err := ownRules()
	if err != nil {
		t.Fatal(err)
	}
	written := newLayer()
	written.tree = map[string]any{
		"plugins": map[string]any{"p": map[string]any{}},
		"clients": map[string]any{"c": map[string]any{"accounts": map[string]any{"a": map[string]any{"plugin": "p"}}}},
	}
	tree, err := (&origin{places: map[path]place{}, keys: map[path]place{}}).merge([]*layer{written})
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range rules.check(tree) {
		t.Errorf("%s: %s", f.path, f.detail)
	}
}

func TestSchemaMayNotReferElsewhere(t *testing.T) {
	for _, ref := range []string{"file:///etc/passwd", "http://127.0.0.1:1/x.json", "other.json"} {
		if _, err := compileRules([]byte(`{"properties": {"a": {"$ref": "` + ref + `"}}}`)); err == nil {
			t.Errorf("a schema that refers to %s was accepted", ref)
		}
	}
}
