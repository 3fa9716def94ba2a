package config

import (
	"bytes"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// rules are a JSON schema twice over: compiled, to find what is wrong, and as
// it is written, to say what would be right.
type rules struct {
	compiled *jsonschema.Schema
	root     map[string]any
	patterns map[string]*regexp.Regexp // of keys, by their text
}

// compileRules reads a schema. Nothing is ever fetched: a reference to another
// document is an error.
func compileRules(schema []byte) (*rules, error) {
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(schema))
	if err != nil {
		return nil, fmt.Errorf("read schema: %w", err)
	}
	root, ok := document.(map[string]any)
	if !ok {
		return nil, fmt.Errorf("read schema: it is not an object")
	}
	const url = "schema.json"
	compiler := jsonschema.NewCompiler()
	compiler.UseLoader(noLoader{})
	if err := compiler.AddResource(url, document); err != nil {
		return nil, fmt.Errorf("add schema: %w", err)
	}
	compiled, err := compiler.Compile(url)
	if err != nil {
		return nil, fmt.Errorf("compile schema: %w", err)
	}
	r := &rules{compiled: compiled, root: root, patterns: map[string]*regexp.Regexp{}}
	r.compilePatterns(root)
	return r, nil
}

// compilePatterns finds every patternProperties once, since node looks at them
// for each value of a file. One that Go cannot read matches nothing here; the
// compiled schema still applies it.
func (r *rules) compilePatterns(node any) {
	switch n := node.(type) {
	case map[string]any:
		for key, value := range n {
			if patterns, ok := value.(map[string]any); ok && key == "patternProperties" {
				for text := range patterns {
					if re, err := regexp.Compile(text); err == nil {
						r.patterns[text] = re
					}
				}
			}
			r.compilePatterns(value)
		}
	case []any:
		for _, element := range n {
			r.compilePatterns(element)
		}
	}
}

type noLoader struct{}

// Load refuses every address, so that a schema cannot make the hub read files
// or call hosts.
func (noLoader) Load(url string) (any, error) {
	return nil, fmt.Errorf("a schema may not refer to %s", url)
}

// node returns what the schema says of a place; nil when it says nothing.
func (r *rules) node(p path) map[string]any {
	at := r.root
	for _, segment := range p.segments() {
		if at = r.step(at, segment); at == nil {
			return nil
		}
	}
	return at
}

func (r *rules) step(at map[string]any, segment string) map[string]any {
	if ref, ok := at["$ref"].(string); ok {
		at = r.definition(ref)
	}
	if _, ok := index(segment); ok {
		items, _ := at["items"].(map[string]any)
		return items
	}
	if properties, ok := at["properties"].(map[string]any); ok {
		if property, ok := properties[segment].(map[string]any); ok {
			return property
		}
	}
	if patterns, ok := at["patternProperties"].(map[string]any); ok {
		for pattern, property := range patterns {
			if re := r.patterns[pattern]; re != nil && re.MatchString(segment) {
				node, _ := property.(map[string]any)
				return node
			}
		}
	}
	additional, _ := at["additionalProperties"].(map[string]any)
	return additional
}

// definition follows a reference inside the schema.
func (r *rules) definition(ref string) map[string]any {
	pointer, ok := strings.CutPrefix(ref, "#/")
	if !ok {
		return nil
	}
	at := r.root
	for part := range strings.SplitSeq(pointer, "/") {
		part = strings.NewReplacer("~1", "/", "~0", "~").Replace(part)
		at, _ = at[part].(map[string]any)
	}
	return at
}

// keys lists the names a map may hold by name, sorted.
func (r *rules) keys(p path) []string {
	node := r.node(p)
	if ref, ok := node["$ref"].(string); ok {
		node = r.definition(ref)
	}
	properties, _ := node["properties"].(map[string]any)
	names := make([]string, 0, len(properties))
	for name := range properties {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// keyPattern is the pattern of the keys of a map that is keyed by id.
func (r *rules) keyPattern(p path) string {
	patterns, _ := r.node(p)["patternProperties"].(map[string]any)
	for pattern := range patterns {
		return pattern
	}
	return ""
}

// types lists the types that a value at a place may have.
func (r *rules) types(p path) []string { return typesOf(r.node(p)) }

func typesOf(node map[string]any) []string {
	switch t := node["type"].(type) {
	case string:
		return []string{t}
	case []any:
		names := make([]string, 0, len(t))
		for _, name := range t {
			if s, ok := name.(string); ok {
				names = append(names, s)
			}
		}
		return names
	}
	return nil
}

// secret reports whether a place, or one above it, is marked as secret.
func (r *rules) secret(p path) bool {
	for {
		if marked, _ := r.node(p)["writeOnly"].(bool); marked {
			return true
		}
		if p == "" {
			return false
		}
		p = p.parent()
	}
}

// printable reports whether a place is known to the schema, holds a scalar and
// is no secret, so that an excerpt may show it.
func (r *rules) printable(p path) bool {
	types := r.types(p)
	return len(types) == 1 && !slices.Contains(types, "object") && !slices.Contains(types, "array") && !r.secret(p)
}
