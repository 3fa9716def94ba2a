package config

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"
)

// finding is what a schema holds against one place of a tree.
type finding struct {
	path       path
	key        bool // the key is wrong, not the value
	detail     string
	suggestion string
	meant      string // the key that was probably meant
}

// check holds a tree against the rules and returns every finding. It never
// quotes a value that the rules mark as secret, nor one they know nothing of.
func (r *rules) check(tree any) []finding {
	err := r.compiled.Validate(tree)
	var invalid *jsonschema.ValidationError
	if !errors.As(err, &invalid) {
		return nil
	}
	var found []finding
	r.leaves(invalid, tree, &found)
	return found
}

// leaves walks down to the causes that have none of their own. The branches of
// anyOf and oneOf are not walked: each says what one alternative would want,
// which is no fault by itself.
func (r *rules) leaves(e *jsonschema.ValidationError, tree any, found *[]finding) {
	switch k := e.ErrorKind.(type) {
	case *kind.AnyOf, *kind.OneOf, *kind.Not:
		*found = append(*found, finding{path: locate(tree, e.InstanceLocation), detail: "has none of the allowed forms"})
		return
	case *kind.AdditionalProperties:
		at := locate(tree, e.InstanceLocation)
		for _, name := range k.Properties {
			*found = append(*found, r.unknown(at, name))
		}
		return
	case *kind.Required:
		at := locate(tree, e.InstanceLocation)
		for _, name := range k.Missing {
			*found = append(*found, finding{path: at.child(name), detail: "is missing"})
		}
		return
	}
	if len(e.Causes) == 0 {
		at := locate(tree, e.InstanceLocation)
		if _, known := e.ErrorKind.(*kind.FalseSchema); known {
			*found = append(*found, r.unknown(at.parent(), at.last()))
			return
		}
		*found = append(*found, r.describe(at, e.ErrorKind))
		return
	}
	for _, cause := range e.Causes {
		r.leaves(cause, tree, found)
	}
}

// locate turns a place as the validator names it into a path: only the tree
// tells a list's index from a key that is a number.
func locate(tree any, location []string) path {
	var p path
	for _, segment := range location {
		switch node := tree.(type) {
		case map[string]any:
			p, tree = p.child(segment), node[segment]
		case []any:
			i := 0
			_, _ = fmt.Sscan(segment, &i)
			p = p.index(i)
			if i < len(node) {
				tree = node[i]
			}
		}
	}
	return p
}

// unknown describes a key that a map may not hold.
func (r *rules) unknown(parent path, name string) finding {
	f := finding{path: parent.child(name), key: true}
	if pattern := r.keyPattern(parent); pattern != "" {
		f.detail = "is not a valid id"
		f.suggestion = "an id has 1 to 40 of the characters a-z, 0-9 and -"
		return f
	}
	f.detail = "unknown key"
	known := r.keys(parent)
	if f.meant = closest(name, known); f.meant != "" {
		f.suggestion = fmt.Sprintf("did you mean `%s`?", f.meant)
	} else if len(known) > 0 {
		f.suggestion = "known here: " + strings.Join(known, ", ")
	}
	return f
}

// describe says in words what is wrong with a value.
func (r *rules) describe(at path, what jsonschema.ErrorKind) finding {
	f := finding{path: at}
	node := r.node(at)
	switch k := what.(type) {
	case *kind.Type:
		f.detail = fmt.Sprintf("is %s, must be %s", typeName(k.Got), typeNames(k.Want))
		if slices.Contains(k.Want, "string") && !slices.Contains([]string{"object", "array"}, k.Got) {
			f.suggestion = "put it in quotes"
		}
	case *kind.Enum:
		f.detail, f.suggestion = r.describeEnum(at, k)
	case *kind.Pattern:
		f.detail = "does not have the form it must have"
		f.suggestion = examples(node)
	case *kind.Minimum:
		f.detail = "must not be less than " + k.Want.RatString()
	case *kind.Maximum:
		f.detail = "must not be more than " + k.Want.RatString()
	case *kind.MinLength:
		f.detail = fmt.Sprintf("must have at least %d characters", k.Want)
	case *kind.MaxLength:
		f.detail = fmt.Sprintf("must have at most %d characters", k.Want)
	case *kind.MinItems:
		f.detail = fmt.Sprintf("must have at least %d elements", k.Want)
	case *kind.MaxItems:
		f.detail = fmt.Sprintf("must have at most %d elements", k.Want)
	default:
		f.suggestion = examples(node)
		f.detail = fmt.Sprintf("breaks the rule %q of the schema", strings.Join(what.KeywordPath(), "/"))
	}
	if _, wrongType := what.(*kind.Type); !wrongType && node["pattern"] == durationPattern {
		f.detail, f.suggestion = "is not a duration", examples(node)
	}
	return f
}

func (r *rules) describeEnum(at path, k *kind.Enum) (detail, suggestion string) {
	allowed := make([]string, 0, len(k.Want))
	for _, want := range k.Want {
		allowed = append(allowed, fmt.Sprint(want))
	}
	detail = "must be one of " + strings.Join(allowed, ", ")
	got, ok := k.Got.(string)
	if !ok || r.secret(at) || strings.Contains(got, "${") {
		return detail, ""
	}
	if meant := closest(got, allowed); meant != "" {
		suggestion = fmt.Sprintf("did you mean `%s`?", meant)
	}
	return detail, suggestion
}

// examples says what would be right: by the examples of the schema, or else in
// the words of its description.
func examples(node map[string]any) string {
	list, _ := node["examples"].([]any)
	if len(list) == 0 {
		description, _ := node["description"].(string)
		return strings.TrimSuffix(description, ".")
	}
	words := make([]string, 0, len(list))
	for _, example := range list {
		words = append(words, fmt.Sprint(example))
	}
	return "write for example " + strings.Join(words, ", ")
}

func typeNames(types []string) string {
	names := make([]string, 0, len(types))
	for _, t := range types {
		names = append(names, typeName(t))
	}
	return strings.Join(names, " or ")
}

// typeName says what a JSON type is called in a file.
func typeName(t string) string {
	switch t {
	case "boolean":
		return "true or false"
	case "object":
		return "a map"
	case "array":
		return "a list"
	case "string":
		return "text"
	case "integer":
		return "a whole number"
	case "number":
		return "a number"
	case "null":
		return "nothing"
	}
	return t
}
