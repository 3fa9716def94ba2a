package config

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/channelhub/channelhub/hub/model"
)

// environmentPrefix begins the name of every variable that Load reads.
const environmentPrefix = "HUB_CFG_"

// Flag is a value given on the command line. It overrides every other source.
type Flag struct {
	Name  string   // as the operator typed it, such as "--data-dir"; for messages
	Path  []string // the place, such as {"listeners", "public", "address"}
	Value string   // read as the value of an environment variable is
}

// environmentLayer reads HUB_CFG_LISTENERS__PUBLIC__ADDRESS and its like: two
// underscores between levels, lists and maps as JSON, everything else as it
// is. In an id, an underscore stands for a hyphen, which no id can do without
// and no shell accepts in a name.
func environmentLayer(env []string, r *rules, report *report) *layer {
	l := newLayer()
	env = slices.Sorted(slices.Values(env)) // a map comes before its keys
	for _, variable := range env {
		name, value, _ := strings.Cut(variable, "=")
		levels, ok := strings.CutPrefix(name, environmentPrefix)
		if !ok {
			continue
		}
		var p path
		for level := range strings.SplitSeq(strings.ToLower(levels), "__") {
			if r.keyPattern(p) != "" {
				level = strings.ReplaceAll(level, "_", "-")
			}
			p = p.child(level)
		}
		l.set(place{name: name}, p, value, r, report)
	}
	return l
}

func flagLayer(flags []Flag, r *rules, report *report) *layer {
	l := newLayer()
	for _, flag := range flags {
		l.set(place{name: flag.Name}, pathOf(flag.Path...), flag.Value, r, report)
	}
	return l
}

func (l *layer) set(at place, p path, text string, r *rules, report *report) {
	if slices.Contains(p.segments(), "") || p == "" {
		report.fault(at, "", "names no place in the configuration", "write two underscores between levels, as in HUB_CFG_DATA_DIR or HUB_CFG_LISTENERS__PUBLIC__ADDRESS")
		return
	}
	if p == pathOf("include") {
		report.fault(at, p, "works in files only", "name the files with --config")
		return
	}
	value, err := parseText(text, r.types(p))
	if err != nil {
		report.fault(at, p, err.Error(), "")
		return
	}
	switch value.(type) {
	case map[string]any, []any:
		refuseRepeatedNames(at, p, text, report)
	}
	if !put(l.tree, p, value) {
		report.fault(at, p, "lies below a value that is set as well", "set one of the two")
		return
	}
	walk(p, value, func(q path, _ any) { l.places[q] = at })
}

// refuseRepeatedNames holds the JSON of a variable to what a file is held to.
func refuseRepeatedNames(at place, p path, text string, report *report) {
	repeated, _ := model.RepeatedNames([]byte(text))
	for _, r := range repeated {
		q := p
		for _, step := range r.Place {
			switch s := step.(type) {
			case string:
				q = q.child(s)
			case int:
				q = q.index(s)
			}
		}
		if r.Below {
			report.fault(at, q, "holds a key twice", "keep one of them")
			continue
		}
		report.fault(at, q, "is written twice", "keep one of them")
	}
}

// parseText reads the text of a variable as the type its place has. Text that
// does not fit stays text: the check against the schema words the fault.
func parseText(text string, types []string) (any, error) {
	nested := slices.Contains(types, "object") || slices.Contains(types, "array") || len(types) == 0
	switch {
	case nested && len(text) > 0 && strings.ContainsRune("[{", rune(text[0])):
		return parseJSON([]byte(text))
	case slices.Equal(types, []string{"boolean"}):
		if text == "true" || text == "false" {
			return text == "true", nil
		}
	case slices.Equal(types, []string{"integer"}):
		if n, err := strconv.ParseInt(text, 10, 64); err == nil {
			return n, nil
		}
	case slices.Equal(types, []string{"number"}):
		if n, err := strconv.ParseFloat(text, 64); err == nil {
			return n, nil
		}
	}
	return text, nil
}

var errNotJSON = errors.New("is not valid JSON")

// parseJSON decodes one JSON value with the number types that YAML yields. Its
// errors tell the place in the text and nothing of the text.
func parseJSON(data []byte) (any, error) {
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber()
	var value any
	if err := decoder.Decode(&value); err != nil {
		if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
			return nil, fmt.Errorf("%w at byte %d", errNotJSON, syntax.Offset)
		}
		return nil, fmt.Errorf("%w: it ends too early", errNotJSON)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%w: more follows at byte %d", errNotJSON, decoder.InputOffset())
	}
	value, _ = rewrite("", value, func(_ path, v any) (any, bool) {
		if number, ok := v.(json.Number); ok {
			if n, err := number.Int64(); err == nil {
				return n, true
			}
			f, err := number.Float64()
			return f, err == nil
		}
		return v, v != nil
	})
	return value, nil
}
