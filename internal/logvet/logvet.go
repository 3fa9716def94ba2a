// Package logvet finds what identifies a person, or what a person said, on its
// way into a log line or an error, and fields of log lines that go by a second
// name. It reads the code, as vet does, since no test run takes every line that
// logs.
package logvet

import (
	"fmt"
	"go/ast"
	"go/token"
	"go/types"
	"strconv"
	"strings"
)

const module = "github.com/channelhub/channelhub"

// personal are the types that hold a person's data as a whole.
var personal = map[string]bool{
	module + "/hub/model.Address":           true,
	module + "/hub/model.Contact":           true,
	module + "/hub/model.ContactID":         true,
	module + "/hub/model.Content":           true,
	module + "/hub/model.Event":             true,
	module + "/hub/model.Message":           true,
	module + "/hub/model.Reference":         true,
	module + "/hub/pluginhost.Delivery":     true,
	module + "/hub/pluginhost.Event":        true,
	module + "/hub/pluginhost.HTTPRequest":  true,
	module + "/hub/pluginhost.Item":         true,
	module + "/hub/pluginhost.SocketFrame":  true,
	module + "/hub/pluginhost.StatusReport": true,
	module + "/hub/store.Outbound":          true,
	module + "/sdk.Address":                 true,
	module + "/sdk.Event":                   true,
	module + "/sdk.Message":                 true,
}

// fields are the names of the fields that hold such data, in any struct of
// this module. A provider's message id may contain an address.
var fields = map[string]bool{
	"Address": true, "Addresses": true, "Body": true, "Content": true, "DedupeKey": true, "DisplayName": true, "Frame": true,
	"Links": true, "Payload": true, "ProviderID": true, "ProviderIDs": true, "RemoteAddress": true,
	"Secret": true, "Secrets": true, "Text": true, "Visitor": true,
}

// notPersonal are fields of these names that hold something else.
var notPersonal = map[string]bool{
	module + "/hub/config.PublicListener.Address": true,
	module + "/hub/config.AdminListener.Address":  true,
}

// checker judges one package.
type checker struct {
	fset    *token.FileSet
	info    *types.Info
	tainted map[types.Object]bool // local variables that hold a person's data
	faults  []string
}

// check returns a line for each thing of a person's in a log call or an error.
func check(fset *token.FileSet, files []*ast.File, info *types.Info) []string {
	c := &checker{fset: fset, info: info, tainted: map[types.Object]bool{}}
	for range 3 { // a variable of a variable of a variable
		for _, f := range files {
			ast.Inspect(f, c.follow)
		}
	}
	for _, f := range files {
		ast.Inspect(f, func(n ast.Node) bool {
			if call, ok := n.(*ast.CallExpr); ok {
				if sink := c.sink(call); sink != "" {
					for _, arg := range call.Args {
						c.judge(sink, arg)
					}
					c.names(sink, call)
				}
			}
			return true
		})
	}
	return c.faults
}

// follow marks variables that are given a person's data.
func (c *checker) follow(n ast.Node) bool {
	switch n := n.(type) {
	case *ast.AssignStmt:
		for i, left := range n.Lhs {
			right := n.Rhs[0]
			if len(n.Rhs) == len(n.Lhs) {
				right = n.Rhs[i]
			} else if i > 0 {
				continue // a second result is an error, or whether there is one
			}
			c.mark(left, right)
		}
	case *ast.ValueSpec:
		for i, name := range n.Names {
			if i < len(n.Values) {
				c.mark(name, n.Values[i])
			}
		}
	case *ast.RangeStmt:
		c.mark(n.Value, n.X)
	}
	return true
}

func (c *checker) mark(left, right ast.Expr) {
	name, ok := left.(*ast.Ident)
	if !ok || c.holds(right) == "" {
		return
	}
	// What is not text, such as a count or a verdict, says nothing.
	if obj := c.info.ObjectOf(name); obj != nil && speaks(obj.Type()) {
		c.tainted[obj] = true
	}
}

// speaks reports whether a value of the type can hold text.
func speaks(t types.Type) bool {
	switch u := t.Underlying().(type) {
	case *types.Basic:
		return u.Info()&types.IsString != 0
	case *types.Slice:
		return speaks(u.Elem()) || isByte(u.Elem())
	case *types.Map:
		return speaks(u.Elem()) || speaks(u.Key())
	}
	return false
}

func isByte(t types.Type) bool {
	b, ok := t.Underlying().(*types.Basic)
	return ok && b.Kind() == types.Byte
}

// holds says what of a person's the value of an expression is made of: the
// data itself, through conversions, slices, concatenation and the functions of
// strings and fmt. What other functions make of it is theirs to answer for.
func (c *checker) holds(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.ParenExpr:
		return c.holds(e.X)
	case *ast.StarExpr:
		return c.holds(e.X)
	case *ast.UnaryExpr:
		return c.holds(e.X)
	case *ast.IndexExpr:
		return c.holds(e.X)
	case *ast.SliceExpr:
		return c.holds(e.X)
	case *ast.BinaryExpr:
		if e.Op != token.ADD {
			return ""
		}
		return first(c.holds(e.X), c.holds(e.Y))
	case *ast.CallExpr:
		if c.passes(e) {
			for _, arg := range e.Args {
				if what := c.holds(arg); what != "" {
					return what
				}
			}
		}
		return ""
	case *ast.Ident:
		if obj := c.info.ObjectOf(e); obj != nil && c.tainted[obj] {
			return e.Name
		}
	case *ast.SelectorExpr:
		if what := c.field(e); what != "" {
			return what
		}
	}
	return c.typed(e)
}

func first(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// passes reports whether a call's result is made of its arguments: a
// conversion, or a function that puts text together.
func (c *checker) passes(call *ast.CallExpr) bool {
	if tv, ok := c.info.Types[call.Fun]; ok && tv.IsType() {
		return true
	}
	f := c.callee(call)
	if f == nil || f.Pkg() == nil || !returnsText(f) {
		return false
	}
	switch f.Pkg().Path() {
	case "fmt", "strings", "bytes", "strconv", "net/url", "encoding/hex", "encoding/json", "github.com/hashicorp/go-hclog":
		return true
	}
	return false
}

func returnsText(f *types.Func) bool {
	sig, ok := f.Type().(*types.Signature)
	return ok && sig.Results().Len() > 0 && (speaks(sig.Results().At(0).Type()) || f.Pkg().Path() == "github.com/hashicorp/go-hclog")
}

// field names a field that holds a person's data.
func (c *checker) field(e *ast.SelectorExpr) string {
	sel, ok := c.info.Selections[e]
	if !ok || sel.Kind() != types.FieldVal || sel.Obj().Pkg() == nil || !strings.HasPrefix(sel.Obj().Pkg().Path(), module) {
		return ""
	}
	owner := typeName(sel.Recv())
	name := owner + "." + sel.Obj().Name()
	isText := speaks(sel.Type()) || c.typed(e) != ""
	if isText && fields[sel.Obj().Name()] && !notPersonal[name] || name == module+"/hub/model.Address.Value" || name == module+"/sdk.Address.Value" {
		return strings.TrimPrefix(name, module+"/")
	}
	return ""
}

// typed names the personal type of an expression.
func (c *checker) typed(e ast.Expr) string {
	t := c.info.TypeOf(e)
	for t != nil {
		if name := typeName(t); personal[name] {
			return strings.TrimPrefix(name, module+"/")
		}
		switch u := t.(type) {
		case *types.Pointer:
			t = u.Elem()
		case *types.Slice:
			t = u.Elem()
		case *types.Array:
			t = u.Elem()
		case *types.Map:
			t = u.Elem()
		default:
			return ""
		}
	}
	return ""
}

func typeName(t types.Type) string {
	if p, ok := t.(*types.Pointer); ok {
		t = p.Elem()
	}
	named, ok := types.Unalias(t).(*types.Named)
	if !ok || named.Obj().Pkg() == nil {
		return ""
	}
	return named.Obj().Pkg().Path() + "." + named.Obj().Name()
}

func (c *checker) callee(call *ast.CallExpr) *types.Func {
	var id *ast.Ident
	switch f := call.Fun.(type) {
	case *ast.Ident:
		id = f
	case *ast.SelectorExpr:
		id = f.Sel
	default:
		return nil
	}
	f, _ := c.info.Uses[id].(*types.Func)
	return f
}

// judge looks into an argument. What telemetry.Contact wraps is judged by the
// logger.
func (c *checker) judge(sink string, arg ast.Expr) {
	if what := c.holds(arg); what != "" {
		c.faults = append(c.faults, fmt.Sprintf("%s: %s gets %s: give it telemetry.Contact(…), or leave it out", c.fset.Position(arg.Pos()), sink, what))
	}
}

// renamed are fields of log lines that go by one name everywhere, by other
// names that they were given.
var renamed = map[string]string{"client": "client_id", "account": "account_id", "conversation": "conversation_id"}

// names looks at the names of fields, which follow the message.
func (c *checker) names(sink string, call *ast.CallExpr) {
	if !strings.HasPrefix(sink, "hclog.") {
		return
	}
	args := call.Args
	if sink != "hclog.With" && len(args) > 0 {
		args = args[1:] // the message, or the level before it
	}
	for _, arg := range args {
		name, ok := arg.(*ast.BasicLit)
		if !ok || name.Kind != token.STRING {
			continue
		}
		said, err := strconv.Unquote(name.Value)
		if right, ok := renamed[said]; ok && err == nil {
			c.faults = append(c.faults, fmt.Sprintf("%s: %s gets a field %q: it is %s everywhere, see telemetry.FieldClient", c.fset.Position(arg.Pos()), sink, said, right))
		}
	}
}

// sinks are the functions whose arguments end in a log, by package.
var sinks = map[string]map[string]bool{
	module + "/hub/telemetry":       {"Line": true},
	module + "/hub/model":           {"Errorf": true},
	"errors":                        {"New": true},
	"fmt":                           {"Errorf": true},
	"github.com/hashicorp/go-hclog": {"Trace": true, "Debug": true, "Info": true, "Warn": true, "Error": true, "Log": true, "With": true, "Named": true, "ResetNamed": true},
	"google.golang.org/grpc/status": {"Error": true, "Errorf": true},
}

// sink names the function of a call whose arguments end in a log.
func (c *checker) sink(call *ast.CallExpr) string {
	f := c.callee(call)
	if f == nil || f.Pkg() == nil || !sinks[f.Pkg().Path()][f.Name()] {
		return ""
	}
	return f.Pkg().Name() + "." + f.Name()
}
