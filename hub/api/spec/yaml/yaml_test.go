package yaml_test

import (
	"encoding/json"
	"testing"

	goyaml "github.com/goccy/go-yaml"
	"github.com/google/go-cmp/cmp"

	"github.com/channelhub/channelhub/hub/api/spec/yaml"
)

func TestFromJSON(t *testing.T) {
	const in = `{"z":1,"a":"text","none":null,"yes":"no","list":[{"k":"v","l":[1,2]},[],"x: y",[true,[false]]],"empty":{},
		"lines":"one\n\n  two\nthree","ended":"one\ntwo\n","odd":" one\ntwo","when":"2026-11-23T08:00:00.000Z","num":"12"}`
	const want = `z: 1
a: text
none: null
"yes": "no"
list:
  - k: v
    l:
      - 1
      - 2
  - []
  - "x: y"
  - - true
    - - false
empty: {}
lines: |-
  one

    two
  three
ended: |
  one
  two
odd: " one\ntwo"
when: "2026-11-23T08:00:00.000Z"
num: "12"
`
	got, err := yaml.FromJSON([]byte(in))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestFromJSONRefuses(t *testing.T) {
	for _, in := range []string{"", "{", `{"a":}`, "1 2", "[1,]"} {
		if got, err := yaml.FromJSON([]byte(in)); err == nil {
			t.Errorf("%q became %q", in, got)
		}
	}
}

// FuzzFromJSON reads what was written with another's reader.
func FuzzFromJSON(f *testing.F) {
	for _, s := range []string{
		"", "a", "- b", "a: b", "# c", "true", "~", "0x1f", "1e3", ".5", "a\nb", "a\n\nb\n", "\n", " a\nb", "a \n b", "a\tb\nc",
		"é\u0085\u2028\u007f\u009b31m", "…", "\U0001F600", "\ufeff", "'", `"`, `\`, "|", "%a", "@a", "`a", "!a", "&a", "*a", "a #b", "a:", "a, b",
	} {
		f.Add(s, s)
	}
	f.Fuzz(func(t *testing.T, key, text string) {
		in, err := json.Marshal(map[string]any{"k" + key: text, "l": []any{text, []any{text}, map[string]any{"m": text}}})
		if err != nil {
			t.Fatal(err)
		}
		var want any
		if err := json.Unmarshal(in, &want); err != nil {
			t.Fatal(err)
		}
		out, err := yaml.FromJSON(in)
		if err != nil {
			t.Fatal(err)
		}
		var got any
		if err := goyaml.Unmarshal(out, &got); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("(-want +got):\n%s\n%s", diff, out)
		}
	})
}
