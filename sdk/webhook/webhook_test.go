package webhook

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/channelhub/channelhub/sdk"
)

var recipe = sdk.HMACBody{Header: "X-Signature", Prefix: "sha256=", Secret: "secret"}

func signed(body string, values ...string) *sdk.Request {
	return &sdk.Request{Method: http.MethodPost, Header: http.Header{"X-Signature": values}, Body: []byte(body)}
}

func TestSignatures(t *testing.T) {
	// HMAC-SHA256 of the example in RFC 4231, test case 2.
	const right = "sha256=5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
	const body = "what do ya want for nothing?"
	jefe := sdk.NewSecrets("Jefe")
	if got := Sign(recipe, []byte(body), jefe.Current()); got != right {
		t.Fatalf("signed as %s", got)
	}
	for _, c := range []struct {
		what    string
		request *sdk.Request
		secrets sdk.Secrets
		ok      bool
	}{
		{"the right one", signed(body, right), jefe, true},
		{"upper-case digits", signed(body, "sha256="+strings.ToUpper(right[7:])), jefe, true},
		{"an old secret", signed(body, right), sdk.NewSecrets("new", "Jefe"), true},
		{"another body", signed(body+" ", right), jefe, false},
		{"another secret", signed(body, right), sdk.NewSecrets("Jeff"), false},
		{"no secret", signed(body, right), sdk.Secrets{}, false},
		{"an empty secret", signed(body, Sign(recipe, []byte(body), sdk.NewSecret(""))), sdk.NewSecrets(""), false},
		{"no header", signed(body), jefe, false},
		{"two headers", signed(body, right, right), jefe, false},
		{"no prefix", signed(body, right[7:]), jefe, false},
		{"half of it", signed(body, right[:39]), jefe, false},
		{"no digits", signed(body, "sha256="+strings.Repeat("z", 64)), jefe, false},
		{"nothing", signed(body, "sha256="), jefe, false},
	} {
		if err := Verify(recipe, c.request, c.secrets); (err == nil) != c.ok {
			t.Errorf("%s gives %v", c.what, err)
		}
	}
}

func TestChallenge(t *testing.T) {
	token := sdk.NewSecret("let me in")
	get := func(query string) *sdk.Request {
		return &sdk.Request{Method: http.MethodGet, URL: "https://hub.example/in/x?" + query}
	}
	const right = "hub.mode=subscribe&hub.verify_token=let+me+in&hub.challenge=1158201444"
	reply, ok := Challenge(get(right), token)
	if !ok || reply.Status != http.StatusOK || string(reply.Body) != "1158201444" {
		t.Errorf("the right challenge gives %+v", reply)
	}
	for what, query := range map[string]string{
		"a wrong token": "hub.mode=subscribe&hub.verify_token=let+me&hub.challenge=1",
		"no token":      "hub.mode=subscribe&hub.challenge=1",
		"markup":        "hub.mode=subscribe&hub.verify_token=let+me+in&hub.challenge=%3Cscript%3E",
		"no challenge":  "hub.mode=subscribe&hub.verify_token=let+me+in",
		"a long one":    "hub.mode=subscribe&hub.verify_token=let+me+in&hub.challenge=" + strings.Repeat("1", 300),
	} {
		if reply, ok := Challenge(get(query), token); !ok || reply.Status != http.StatusForbidden || len(reply.Body) > 0 {
			t.Errorf("%s gives %+v", what, reply)
		}
	}
	if reply, ok := Challenge(get("hub.mode=subscribe&hub.verify_token=&hub.challenge=1"), sdk.Secret{}); !ok || reply.Status != http.StatusForbidden {
		t.Errorf("an account without a token gives %+v", reply)
	}
	post := get(right)
	post.Method = http.MethodPost
	for what, request := range map[string]*sdk.Request{"a POST": post, "no challenge": get("a=b"), "no URL": {Method: http.MethodGet, URL: ":"}} {
		if _, ok := Challenge(request, token); ok {
			t.Errorf("%s is taken for a challenge", what)
		}
	}
}

type person struct {
	Name string   `json:"name"`
	Age  int      `json:"age"`
	Tags []string `json:"tags"`
}

func TestDecodeJSON(t *testing.T) {
	nested := func(depth int) string {
		return strings.Repeat(`{"a":`, depth-1) + "{}" + strings.Repeat("}", depth-1)
	}
	for _, c := range []struct{ body, complaint string }{
		{`{"name":"Ada","age":36,"tags":["a","a"]}`, ""},
		{" \n{\"name\":\"Ada\"}\t\n", ""},
		{`{"name":"Ada","tags":[{}]}`, `field "tags" has the wrong type`},
		{`{"name":"Ada","name":"Eve"}`, "the body has the same key twice"},
		{`{"name":"Ada","tags":[],"x":{"y":1,"y":2}}`, "the body has the same key twice"},
		{`{"name":"Ada"} {}`, "there is something behind the JSON value"},
		{`{"name":"Ada"}]`, "there is something behind the JSON value"},
		{`{"name":"Ada"`, "the body is not JSON"},
		{`{"name":Ada}`, "the body is not JSON"},
		{"", "the body is empty"},
		{"   ", "the body is empty"},
		{"{\"name\":\"\xff\"}", "the body is not UTF-8"},
		{`{"age":"36"}`, `field "age" has the wrong type`},
		{`{"age":1e3}`, `field "age" has the wrong type`},
		{nested(32), ""},
		{nested(33), "the body nests deeper than 32"},
		{strings.Repeat("[", 5_000) + strings.Repeat("]", 5_000), "the body nests deeper than 32"},
		{strings.Repeat("[", 100_000), "the body is not JSON"},
		{`{"name":"Ada","n\u0061me":"Eve"}`, "the body has the same key twice"},
		{`{"a":{"b":1},"b":{"b":{"a":"} ] , : \" {"}},"c":[{"a":1},{"a":2}]}`, ""},
		{manyPairs(100, "k7"), "the body has the same key twice"},
		{manyPairs(100, "k100"), ""},
		{`{"name":"Ada","stranger":1}`, `field "stranger" is unknown`},
		{`{"stranger_\u0031.x-Y":1}`, `field "stranger_1.x-Y" is unknown`},
		{`{"stranger` + strings.Repeat("x", 99) + `":1}`, `field "stranger` + strings.Repeat("x", 56) + `" is unknown`},
		{`{"491701234567":"stranger"}`, "the body does not have the expected fields"},
		{`{"a stranger":1}`, "the body does not have the expected fields"},
		{`{"stranger\"é\n":1}`, "the body does not have the expected fields"},
		{`{"":"stranger"}`, "the body does not have the expected fields"},
	} {
		var p person
		opts := &DecodeOptions{AllowUnknown: !strings.Contains(c.body, "stranger")}
		err := DecodeJSON([]byte(c.body), &p, opts)
		if got := fmt.Sprint(err); (c.complaint == "") != (err == nil) || (err != nil && got != c.complaint) {
			t.Errorf("%.60s gives %v instead of %q", c.body, err, c.complaint)
		}
	}
	var p person
	if err := DecodeJSON([]byte(`{"name":"Ada","age":36,"tags":["a","b"]}`), &p, nil); err != nil || p.Name != "Ada" || p.Age != 36 || len(p.Tags) != 2 {
		t.Errorf("decoded %+v, %v", p, err)
	}
	var n int
	if err := DecodeJSON([]byte("7"), &n, nil); err != nil || n != 7 {
		t.Errorf("decoded %d, %v", n, err)
	}
}

// manyPairs is an object of n keys, and one more.
func manyPairs(n int, last string) string {
	var b strings.Builder
	b.WriteString("{")
	for i := range n {
		fmt.Fprintf(&b, `"k%d":{"k":%[1]d},`, i)
	}
	return b.String() + strconv.Quote(last) + ":0}"
}

func TestDecodeForm(t *testing.T) {
	form, err := DecodeForm([]byte("From=%2B1555&Body=a+b%26c&Empty="))
	if err != nil || form.Get("From") != "+1555" || form.Get("Body") != "a b&c" || !form.Has("Empty") {
		t.Errorf("decoded %v, %v", form, err)
	}
	for what, body := range map[string]string{
		"nothing":         "",
		"a key twice":     "a=1&a=2",
		"a key in escape": "a=1&%61=2",
		"no value":        "a",
		"no key":          "=1",
		"an empty pair":   "a=1&&b=2",
		"a bad escape":    "a=%zz",
		"a semicolon":     "a=1;b=2",
		"not UTF-8":       "a=%ff",
		"many pairs":      string(bytes.Repeat([]byte("a=1&"), 1001)),
	} {
		if form, err := DecodeForm([]byte(body)); err == nil {
			t.Errorf("%s is decoded as %v", what, form)
		}
	}
}

func FuzzDecodeJSON(f *testing.F) {
	for _, seed := range []string{`{"a":[1,{"b":null}]}`, `[[[]]]`, `"x"`, `{"a":1,"a":2}`, `{}{}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		var v any
		if err := DecodeJSON(body, &v, nil); err != nil && bytes.Contains([]byte(err.Error()), body) && len(body) > 12 {
			t.Errorf("the error quotes the body: %v", err)
		}
		if json.Valid(body) && utf8.Valid(body) {
			if got, want := checkJSON(body) == nil, soundTokens(body); got != want {
				t.Errorf("%q is sound: %v, by its tokens: %v", body, got, want)
			}
		}
	})
}

// soundTokens is checkJSON by the tokens of package json.
func soundTokens(body []byte) bool {
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.UseNumber()
	type level struct {
		keys  map[string]bool // nil for an array
		inKey bool
	}
	var open []*level
	for {
		token, err := decoder.Token()
		if err != nil {
			return true
		}
		delim, isDelim := token.(json.Delim)
		if isDelim && (delim == '}' || delim == ']') {
			open = open[:len(open)-1]
			continue
		}
		if len(open) > 0 && open[len(open)-1].keys != nil {
			l := open[len(open)-1]
			if l.inKey = !l.inKey; l.inKey {
				key, _ := token.(string)
				if l.keys[key] {
					return false
				}
				l.keys[key] = true
				continue
			}
		}
		if isDelim {
			if len(open) == maxDepth {
				return false
			}
			l := &level{}
			if delim == '{' {
				l.keys = map[string]bool{}
			}
			open = append(open, l)
		}
	}
}
