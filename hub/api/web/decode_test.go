package web

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/channelhub/channelhub/hub/model"
)

// order has a field of each kind that requests have.
type order struct {
	Name  string `json:"name"`
	Count int8   `json:"count"`
	Big   bool
	At    *model.Time       `json:"at"`
	Raw   json.RawMessage   `json:"raw"`
	Any   any               `json:"any"`
	Tags  map[string]string `json:"tags"`
	Lines []struct {
		Item string  `json:"item"`
		Cost float64 `json:"cost"`
	} `json:"lines"`
	Hidden string `json:"-"`
	inner
}

type inner struct {
	Deep *struct {
		Name string `json:"name"`
	} `json:"deep"`
	Name int `json:"name"` // the outer one hides it
}

func TestDecodeJSON(t *testing.T) {
	for name, c := range map[string]struct {
		body string
		want []string // pointer and detail
	}{
		"fits":        {`{"name":"a","count":-128,"Big":true,"at":"2026-11-23T09:00:00Z","raw":{"x":[1]},"any":[{}],"tags":{"a":"b"},"lines":[{"item":"x","cost":1.5}],"deep":{"name":"n"}}`, nil},
		"nulls":       {`{"name":null,"count":null,"at":null,"lines":[null],"deep":null,"tags":{"a":null}}`, nil},
		"other case":  {`{"NAME":"a","big":true,"LINES":[{"Item":"x"}]}`, nil},
		"unknown":     {`{"nam":1,"Hidden":"x","-":"y"}`, []string{"/- there is no such field; check its spelling", "/Hidden there is no such field; check its spelling", "/nam there is no such field; check its spelling"}},
		"in lists":    {`{"lines":[{"item":"x"},{"itm":1,"cost":"free"},7]}`, []string{"/lines/1/cost give a number, not this string", "/lines/1/itm there is no such field; check its spelling", "/lines/2 give an object, not this number"}},
		"in maps":     {`{"tags":{"a/b~c":1}}`, []string{"/tags/a~1b~0c give a string, not this number"}},
		"embedded":    {`{"deep":{"nam":"x","name":false}}`, []string{"/deep/nam there is no such field; check its spelling", "/deep/name give a string, not true or false"}},
		"numbers":     {`{"count":128,"name":1.5}`, []string{"/count give a whole number, not this number", "/name give a string, not this number"}},
		"a fraction":  {`{"count":1.5}`, []string{"/count give a whole number, not this number"}},
		"a time":      {`{"at":"soon"}`, []string{"/at give a time such as 2026-11-23T09:00:00Z, not this string"}},
		"a list":      {`[]`, []string{" give an object, not a list"}},
		"a string":    {`"x"`, []string{" give an object, not this string"}},
		"long name":   {`{"` + strings.Repeat("n", 101) + `":1}`, []string{" holds a field that is unknown, of a very long name"}},
		"null":        {` null `, []string{" give an object, not null"}},
		"twice":       {`{"name":"a","lines":[{"item":"x"},{"item":"y","item":"z"}],"name":"a"}`, []string{"/lines/1/item " + twice, "/name " + twice}},
		"wrong twice": {`{"deep":1,"deep":{}}`, []string{"/deep " + twice}},
		"wrong last":  {`{"deep":{},"deep":1}`, []string{"/deep " + twice, "/deep give an object, not this number"}},
		"in raw JSON": {`{"raw":{"x":[{"a":1,"a":2}]},"any":{"b":1,"b":1}}`, []string{"/raw/x/0/a " + twice, "/any/b " + twice}},
		"two cases":   {`{"name":"a","Name":"b"}`, []string{`/name "Name" is there already, and is the same field; keep one of them`}},
		"cases, raw":  {`{"raw":{"a":1,"A":2},"tags":{"b":"x","B":"y"}}`, nil},
	} {
		err := DecodeJSON([]byte(c.body), new(order))
		if (err == nil) != (c.want == nil) || err != nil && !model.Is(err, model.Invalid) {
			t.Errorf("%s: %v", name, err)
			continue
		}
		var got []string
		if e, ok := errors.AsType[*model.Error](err); ok {
			for _, f := range e.Faults {
				got = append(got, f.Pointer+" "+f.Detail)
			}
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s:\n%s", name, diff)
		}
	}
}

const twice = "this name stands twice in its object; keep one of them"

// TestDecodeJSONTakesUTF8: raw JSON is kept byte for byte, and strings would be
// changed.
func TestDecodeJSONTakesUTF8(t *testing.T) {
	for body, at := range map[string]int{"{\"raw\":\"\xff\"}": 9, "{\"name\":\"é\ufffd\xe9\"}": 15, "{\"n\xff\":1}": 4, "{\"raw\":{\"\xed\xa0\x80\":1}}": 10, "{\"name\":\"a\"}\xff": 13, "\xc3": 1} {
		err := DecodeJSON([]byte(body), new(order))
		if p, ok := errors.AsType[*Problem](err); !ok || p.Type != errMalformed.Type || p.Detail != fmt.Sprintf("The body is not valid UTF-8 at byte %d.", at) {
			t.Errorf("%q: %v", body, err)
		}
	}
	if err := DecodeJSON([]byte(`{"name":"adé","raw":"\ufffd�"}`), new(order)); err != nil {
		t.Error(err)
	}
}

// TestDecodeJSONIsBounded: an answer is not many times its request.
func TestDecodeJSONIsBounded(t *testing.T) {
	err := DecodeJSON([]byte(`{"lines":[`+strings.Repeat("0,", 10_000)+`0]}`), new(order))
	if e, ok := errors.AsType[*model.Error](err); !ok || len(e.Faults) != maxFaults {
		t.Errorf("%d faults, want %d", len(e.Faults), maxFaults)
	}
}

// FuzzDecodeJSON: what encoding/json takes strictly is taken, and what it
// refuses is refused with a place whenever it is JSON.
func FuzzDecodeJSON(f *testing.F) {
	for _, s := range []string{`{}`, `{"name":1,"x":2}`, `{"lines":[{"item":[]}]}`, `{"deep":{"name":null}}`, `[`, `{} {}`, `{"count":300}`, `null`, `{"deep":1,"deep":{}}`, `{"name":"","NAME":1}`, "{\"raw\":\"\xff\"}"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		err := DecodeJSON(body, new(order))
		if json.Valid(body) && utf8.Valid(body) {
			if e, ok := errors.AsType[*model.Error](err); err != nil && (!ok || e.Code != model.Invalid || len(e.Faults) == 0) {
				t.Errorf("%q: %v", body, err)
			}
			return
		}
		if err == nil {
			t.Errorf("%q was taken", body)
		}
	})
}

// TestFaultsArePlaced: the rooms inside name fields, and the answer says where
// they are. The error itself, which may be shared, stays as it was.
func TestFaultsArePlaced(t *testing.T) {
	shared := &model.Error{Code: model.Invalid, Faults: []model.Fault{
		{Field: "content.cards[0].title", Detail: "d"}, InQuery("dry_run", "d"), InHeader("Idempotency-Key", "d"), {Detail: "of no place"},
	}}
	for name, c := range map[string]struct {
		method, target string
		readBody       bool
		want           []string
	}{
		"body":       {http.MethodPost, "/", true, []string{" /content/cards/0/title", "query ", "header ", " "}},
		"no body":    {http.MethodGet, "/", false, []string{"query ", "query ", "header ", " "}},
		"elsewhere":  {http.MethodPost, "/", false, []string{" ", "query ", "header ", " "}},
		"in a query": {http.MethodPost, "/?content.cards[0].title=x", false, []string{"query ", "query ", "header ", " "}},
	} {
		w := serve(t, Options{}, "/", func(w http.ResponseWriter, r *http.Request) {
			if c.readBody {
				if _, err := ReadJSON(w, r, 100, &struct{}{}); err != nil {
					t.Error(err)
				}
			}
			Fail(w, r, shared)
		}, httptest.NewRequestWithContext(t.Context(), c.method, c.target, strings.NewReader("{}")))
		var got []string
		for _, f := range problemIn(t, w).Faults {
			got = append(got, fmt.Sprintf("%s %s", f.In, f.Pointer))
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s:\n%s", name, diff)
		}
	}
	if shared.Faults[0].Pointer != "" || shared.Faults[0].In != "" {
		t.Errorf("the shared error was changed: %+v", shared.Faults)
	}
}
