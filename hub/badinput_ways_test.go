package hub_test

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/channelhub/channelhub/hub/hubtest"
)

// caller calls one operation.
type caller struct {
	operation
	h   *hubtest.Hub
	t   *testing.T
	way wrongWays
	may []string
}

func (c *caller) token() string {
	if len(c.may) == 0 {
		return hubtest.Operator
	}
	return tokens[c.may[0]]
}

// open reports whether the operation asks for no token.
func (c *caller) open() bool { return c.Security != nil && len(*c.Security) == 0 }

// acts reports whether the operation reads a body, were it to be empty.
func (c *caller) acts() bool { return c.method == http.MethodPost }

func (c *caller) query() (names []string) {
	for _, p := range c.Parameters {
		if p.In == "query" {
			names = append(names, p.Name)
		}
	}
	return names
}

func (c *caller) everyWrongWay(siblings []operation) {
	var methods []string
	for _, s := range siblings {
		methods = append(methods, s.method)
	}
	c.methods(methods)
	if c.open() {
		return // a page for everybody, whatever is asked of it
	}
	c.callers()
	c.queries()
	if strings.Contains(c.path, "{id}") {
		c.ids()
	}
	if c.acts() {
		c.bodies()
	}
}

// refused makes a call that must be answered with a whole problem of one of
// the statuses.
func (c *caller) refused(what, token, method, path string, body any, headers []string, statuses ...int) hubtest.Answer {
	c.t.Helper()
	a := c.h.Call(token, method, path, body, headers...)
	p := a.Problem()
	switch {
	case !slices.Contains(statuses, a.Status):
		c.t.Errorf("%s: %d %s, want %v", what, a.Status, a.Body, statuses)
	case p.Status != a.Status || p.Title == "" || !strings.HasPrefix(p.Type, "urn:channelhub:problem:") ||
		a.Header.Get("Content-Type") != "application/problem+json" || p.RequestID == "" || p.RequestID != a.Header.Get("X-Request-Id"):
		c.t.Errorf("%s: not a whole problem: %s", what, a.Body)
	}
	return a
}

func (c *caller) methods(documented []string) {
	a := c.refused("PATCH", c.token(), http.MethodPatch, c.at("x"), nil, nil, 405)
	allow := strings.Split(a.Header.Get("Allow"), ", ")
	for _, m := range documented {
		if !slices.Contains(allow, m) {
			c.t.Errorf("Allow is %q, and lacks %s", allow, m)
		}
	}
}

func (c *caller) callers() {
	for name, token := range map[string]string{"no token": "", "an unknown token": strings.Repeat("x", 40)} {
		a := c.refused(name, token, c.method, c.at("x"), nil, nil, 401)
		if !strings.HasPrefix(a.Header.Get("WWW-Authenticate"), "Bearer") {
			c.t.Errorf("%s: WWW-Authenticate %q", name, a.Header.Get("WWW-Authenticate"))
		}
	}
	if len(c.may) == 0 {
		return
	}
	for role, token := range tokens {
		if !slices.Contains(c.may, role) {
			c.refused("role "+role, token, c.method, c.at("x"), nil, nil, 403)
		}
	}
}

// placed is a refusal with one fault, in the query.
func (c *caller) placed(what, query, field string) {
	c.t.Helper()
	a := c.refused(what, c.token(), c.method, c.at(c.anID())+"?"+query, c.aBody(), nil, 400, 422)
	in := false
	for _, f := range a.Problem().Faults {
		in = in || f.In == "query" && f.Field == field && f.Pointer == ""
	}
	if !in {
		c.t.Errorf("%s: no fault names %q in the query: %s", what, field, a.Body)
	}
}

func (c *caller) queries() {
	c.placed("an unknown parameter", "no_such_parameter=1", "no_such_parameter")
	c.placed("a broken query", "no_such_parameter=%zz", "")
	names := c.query()
	for _, name := range names {
		bad, there := c.way.bad[name]
		if !there {
			c.t.Errorf("the parameter %s has no entry in this test", name)
			continue
		}
		if bad != "" {
			c.placed("a bad value of "+name, name+"="+bad, name)
		}
		c.placed(name+" twice", name+"=a&"+name+"=b", name)
	}
	if len(names) != len(c.way.bad) {
		c.t.Errorf("the document has the parameters %q, this test %q", names, slices.Sorted(maps.Keys(c.way.bad)))
	}
}

func (c *caller) anID() string {
	if c.way.id != "" {
		return c.way.id
	}
	return "x"
}

// aBody is a body that can be read; nil: none.
func (c *caller) aBody() any {
	if c.way.body == "" {
		return nil
	}
	return c.way.body
}

func (c *caller) ids() {
	for _, id := range []string{"no-such-id", "%00", "..%2F..%2Fsecret", strings.Repeat("x", 300), "%ff"} {
		c.refused("id "+id, c.token(), c.method, c.at(id), c.aBody(), nil, 404)
	}
}

func (c *caller) bodies() {
	path := c.at(c.anID())
	size, kind := 1<<20, "application/json"
	if c.way.file {
		size, kind = 26<<20, "text/plain"
	}
	c.refused("a large body", c.token(), c.method, path, `{"x":"`+strings.Repeat("x", size)+`"}`, []string{"Content-Type", kind}, 413)
	c.refused("a body that is encoded", c.token(), c.method, path, "{}", []string{"Content-Encoding", "gzip"}, 415)
	if c.way.file {
		return
	}
	c.refused("a body of another type", c.token(), c.method, path, "{}", []string{"Content-Type", "text/plain"}, 415)
	for broken, at := range map[string]string{`{"x" 1}`: "byte 6", `{"x":1}]`: "more than one", `{"x":`: "too early", "\xff": "byte 1"} {
		a := c.refused("broken JSON "+fmt.Sprintf("%q", broken), c.token(), c.method, path, broken, nil, 400)
		if !strings.Contains(a.Problem().Detail, at) {
			c.t.Errorf("broken JSON %q: %q does not say %q", broken, a.Problem().Detail, at)
		}
	}
	for body, pointer := range map[string]string{
		`{"no_such_field":1}`: "/no_such_field", `null`: "", `[]`: "", `"x"`: "", `{"no_such_field":{"a":[{"b":1,"b":2}]}}`: "/no_such_field/a/0/b",
	} {
		a := c.refused("the body "+body, c.token(), c.method, path, body, nil, 422)
		named := false
		for _, f := range a.Problem().Faults {
			named = named || f.Pointer == pointer && f.In == ""
		}
		if !named {
			c.t.Errorf("the body %s: no fault at %q: %s", body, pointer, a.Body)
		}
	}
	if c.Body != nil {
		c.refused("an empty object", c.token(), c.method, path, "{}", nil, 422)
	}
}
