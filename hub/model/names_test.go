package model

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestRepeatedNames(t *testing.T) {
	long := strings.Repeat("n", maxPlaceLength+1)
	deep := strings.Repeat(`{"a":`, 40) + `{"b":1,"b":2}` + strings.Repeat("}", 40)
	for name, c := range map[string]struct {
		json  string
		want  []string
		alike bool
	}{
		"none":             {`{"a":{"b":1},"b":[{"b":1},{"b":2}],"c":"{\"a\":1,\"a\":2}"}`, nil, false},
		"no object":        {`[1,"a","a",null,[true]]`, nil, false},
		"at the top":       {`{"a":1,"b":2,"a":3,"a":4}`, []string{"[a] false", "[a] false"}, false},
		"inside":           {`{"a":[0,{"b":{"c":{},"c":[]}}]}`, []string{"[a 1 b c] false"}, false},
		"of another spell": {`{"a":1,"\u0061":2}`, []string{"[a] false"}, false},
		"in another case":  {`{"a":1,"x":[{"S":1,"ſ":2}]}`, nil, true},
		"a long name":      {`{"a":{"` + long + `":1,"` + long + `":2}}`, []string{"[a] true"}, false},
		"below a long one": {`{"` + long + `":{"a":1,"a":2}}`, []string{"[] true"}, false},
		"deep down":        {deep, []string{"[" + strings.TrimSpace(strings.Repeat("a ", maxPlaceDepth)) + "] true"}, false},
	} {
		if !json.Valid([]byte(c.json)) {
			t.Fatalf("%s: not JSON", name)
		}
		repeated, alike := RepeatedNames([]byte(c.json))
		var got []string
		for _, r := range repeated {
			got = append(got, fmt.Sprint(r.Place, " ", r.Below))
		}
		if diff := cmp.Diff(c.want, got); diff != "" || alike != c.alike {
			t.Errorf("%s: alike %t\n%s", name, alike, diff)
		}
	}
	many, _ := RepeatedNames([]byte(`{"a":0` + strings.Repeat(`,"a":0`, 1000) + `}`))
	if len(many) != maxRepeated {
		t.Errorf("%d of 1000 are named, want %d", len(many), maxRepeated)
	}
}
