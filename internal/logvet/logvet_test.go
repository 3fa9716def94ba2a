package logvet

import (
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/tools/go/packages"
)

// load type-checks the product's packages; what they import comes compiled.
func load(t *testing.T) []*packages.Package {
	t.Helper()
	pkgs, err := packages.Load(&packages.Config{
		Mode: packages.LoadSyntax, Dir: filepath.Join("..", ".."), Context: t.Context(),
	}, "./hub/...", "./cmd/...", "./sdk/...", "./plugins/...")
	if err != nil {
		t.Fatal(err)
	}
	if len(pkgs) < 20 {
		t.Fatalf("%d packages: there is nothing to judge", len(pkgs))
	}
	for _, p := range pkgs {
		for _, fault := range p.Errors {
			t.Fatalf("%s: %v", p.PkgPath, fault)
		}
	}
	return pkgs
}

func TestNobodyIsNamedInLogsAndErrors(t *testing.T) {
	pkgs := load(t)
	calls := 0
	for _, p := range pkgs {
		if strings.HasPrefix(p.PkgPath, module+"/sdk/sdktest") {
			continue // connectors that misbehave, for tests of what the hub then does
		}
		for _, fault := range check(p.Fset, p.Syntax, p.TypesInfo) {
			t.Error(fault)
		}
		calls += countSinks(p)
	}
	if calls < 100 {
		t.Errorf("only %d calls were judged: the sinks have other names by now", calls)
	}
	t.Run("Finds", func(t *testing.T) { finds(t, pkgs) })
	t.Run("NamesExist", func(t *testing.T) { namesExist(t, pkgs) })
}

func countSinks(p *packages.Package) int {
	c := &checker{fset: p.Fset, info: p.TypesInfo}
	n := 0
	for _, f := range p.Syntax {
		ast.Inspect(f, func(node ast.Node) bool {
			if call, ok := node.(*ast.CallExpr); ok && c.sink(call) != "" {
				n++
			}
			return true
		})
	}
	return n
}

// namesExist keeps the lists from outliving what they name.
func namesExist(t *testing.T, pkgs []*packages.Package) {
	types, found := map[string]bool{}, map[string]bool{}
	for _, p := range pkgs {
		for _, name := range p.Types.Scope().Names() {
			types[p.PkgPath+"."+name] = true
		}
		for _, f := range p.Syntax {
			ast.Inspect(f, func(n ast.Node) bool {
				if field, ok := n.(*ast.Field); ok {
					for _, name := range field.Names {
						found[name.Name] = true
					}
				}
				return true
			})
		}
	}
	for name := range personal {
		if !types[name] {
			t.Errorf("there is no type %s", name)
		}
	}
	for name := range fields {
		if !found[name] {
			t.Errorf("there is no field %s", name)
		}
	}
}

// imports finds packages among those that were loaded.
type imports struct {
	known map[string]*types.Package
	std   types.Importer
}

func (i imports) Import(path string) (*types.Package, error) {
	if p, ok := i.known[path]; ok {
		return p, nil
	}
	return i.std.Import(path)
}

const fixture = `package fixture

import (
	"errors"
	"fmt"
	"strings"

	"github.com/hashicorp/go-hclog"

	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/pluginhost"
	"github.com/channelhub/channelhub/hub/telemetry"
)

func bad(log hclog.Logger, a model.Address, m *model.Message, e *pluginhost.Event, ids []string) {
	log.Warn("x", "a", a)                               // BAD
	log.Warn("x", "a", a.Value)                         // BAD
	log.Warn("x", "a", string(a.Value))                 // BAD
	log.Error("to " + a.Value)                          // BAD
	log.Info("x", "m", m)                               // BAD
	log.Info("x", "m", m.Content.Text)                  // BAD
	log.Debug("x", "m", *m.Content)                     // BAD
	log.Trace("x", "n", strings.ToUpper(e.DisplayName)) // BAD
	log.Warn("x", "n", hclog.Fmt("%s", e.DisplayName))  // BAD
	log.Warn("x", "n", fmt.Sprintf("%q", m.ProviderID)) // BAD
	log.With("n", e.Addresses).Warn("x")                // BAD
	log.Log(hclog.Info, "x", "k", e.DedupeKey)          // BAD
	_ = errors.New("to " + a.Value)                     // BAD
	_ = fmt.Errorf("to %s", m.Content.Text)             // BAD
	_ = model.Errorf(model.Invalid, "x", "%v", a)       // BAD
	v := a.Value
	w := "to " + v
	log.Warn("x", "w", w) // BAD
	for _, each := range e.Addresses {
		log.Warn("x", "each", each.Value) // BAD
	}
	first, _ := strings.CutPrefix(m.ProviderID, "x")
	log.Warn("x", "first", first) // BAD
	var c model.ContactID
	log.Warn("x", "c", c)                               // BAD
	log.Warn("x", "client", "acme")                     // BAD
	log.With("account", "acme-echo").Warn("x")          // BAD
	log.Error("x", "n", 1, "conversation", model.ConversationID("cnv_1")) // BAD
}

func good(log hclog.Logger, a model.Address, m *model.Message, e *pluginhost.Event) {
	log.Warn("x", telemetry.FieldContact, telemetry.Contact(a.Value))
	log.Warn("x", "kind", a.Kind, "id", m.ID, "type", e.Type, "n", len(m.Content.Text), "none", a.Value == "")
	n := len(e.Addresses)
	log.Warn("x", "n", n, "account_id", e.AccountID)
	log.Warn("client", telemetry.FieldClient, "acme")
	_ = fmt.Errorf("to %s", telemetry.Contact(a.Value))
	_ = fmt.Sprint(a.Value)
}
`

// finds holds the checker against code with each kind of mistake.
func finds(t *testing.T, pkgs []*packages.Package) {
	known := map[string]*types.Package{}
	packages.Visit(pkgs, nil, func(p *packages.Package) {
		if p.Types != nil {
			known[p.PkgPath] = p.Types
		}
	})
	fset := token.NewFileSet()
	f, err := parser.ParseFile(fset, "fixture.go", fixture, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	info := &types.Info{
		Types: map[ast.Expr]types.TypeAndValue{}, Uses: map[*ast.Ident]types.Object{}, Defs: map[*ast.Ident]types.Object{},
		Selections: map[*ast.SelectorExpr]*types.Selection{},
	}
	conf := types.Config{Importer: imports{known, importer.Default()}}
	if _, err := conf.Check("fixture", fset, []*ast.File{f}, info); err != nil {
		t.Fatal(err)
	}
	faults := check(fset, []*ast.File{f}, info)
	for i, line := range strings.Split(fixture, "\n") {
		place := token.Position{Filename: "fixture.go", Line: i + 1}.String() + ":"
		found := false
		for _, fault := range faults {
			found = found || strings.HasPrefix(fault, place)
		}
		if want := strings.HasSuffix(line, "// BAD"); found != want {
			t.Errorf("line %d: found %t, want %t: %s", i+1, found, want, strings.TrimSpace(line))
		}
	}
}
