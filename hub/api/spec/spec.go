// Package spec describes the HTTP APIs: it turns a list of operations and the
// Go types they exchange into an OpenAPI 3.1 document and a reference page,
// and serves both from memory.
//
// The admin API describes itself with the table that it registers its routes
// from. The client API, /v1, is described here, in V1; a test holds it against
// the routes that package app registers.
package spec

import "net/http"

// API is everything that is said of one API.
type API struct {
	Title       string
	Version     string // of the hub that serves it
	Description string // paragraphs, parted by an empty line
	// Base is the path that the document and the page are served under.
	Base       string
	Operations []Operation
	// Types are described although no operation names them.
	Types []any
}

// Operation is one method on one path.
type Operation struct {
	ID      string // unique, camel case
	Method  string
	Path    string // with {name} for what varies
	Tag     string // the heading it stands under
	Summary string // one line
	// Description is paragraphs, parted by an empty line. It may be empty.
	Description string
	Roles       []string // who may call; empty: any token
	Open        bool     // no token is asked for
	Params      []Param
	Body        *Body
	Answers     []Answer
}

// Pattern is the operation as http.ServeMux spells it.
func (o Operation) Pattern() string { return o.Method + " " + o.Path }

// Queries are the names of the query parameters that each operation takes, by
// its pattern.
func (a API) Queries() map[string][]string {
	names := map[string][]string{}
	for _, op := range a.Operations {
		names[op.Pattern()] = op.Queries()
	}
	return names
}

// Queries are the names of the query parameters that the operation takes.
func (o Operation) Queries() []string {
	var names []string
	for _, p := range o.Params {
		if p.In == Query {
			names = append(names, p.Name)
		}
	}
	return names
}

// Param is a parameter of an operation.
type Param struct {
	In          In
	Name        string
	Description string
	// Type is a value of the parameter's Go type; nil for a string.
	Type     any
	Required bool // parameters in the path always are
}

// In is where a parameter stands.
type In string

// The places of parameters.
const (
	Path   In = "path"
	Query  In = "query"
	Header In = "header"
)

// Body is what an operation takes.
type Body struct {
	Type     any // a value of the Go type
	Optional bool
	// Media is set instead of Type for a body that is bytes.
	Media string
}

// Answer is what an operation gives back. Problems that any call can meet are
// added by the document; those worth a word of their own stand here.
type Answer struct {
	Status      int
	Description string
	// Type is a value of the Go type; nil when there is no body. A problem's
	// is implied by its status.
	Type  any
	Media string // of the body; application/json when empty
	// Headers are those that matter, with what they say.
	Headers []HeaderDoc
}

// HeaderDoc is a response header and what it says.
type HeaderDoc struct{ Name, Description string }

// OK is the answer 200 with a body.
func OK(description string, body any) Answer {
	return Answer{Status: http.StatusOK, Description: description, Type: body}
}

// NoContent is the answer 204.
func NoContent(description string) Answer {
	return Answer{Status: http.StatusNoContent, Description: description}
}

// Problem is the answer of a call that was refused.
func Problem(status int, description string) Answer {
	return Answer{Status: status, Description: description}
}

// Limit and Cursor are the parameters of every list.
func Limit(description string) Param {
	return Param{In: Query, Name: "limit", Description: description, Type: 0}
}

// Cursor is the parameter that goes on with a list.
func Cursor() Param {
	return Param{In: Query, Name: "cursor", Description: "The `next_cursor` of the answer before, unchanged. Without it the list begins."}
}

// ID is a parameter in the path.
func ID(name, description string) Param {
	return Param{In: Path, Name: name, Description: description, Required: true}
}
