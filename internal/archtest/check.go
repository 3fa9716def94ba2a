package archtest

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"slices"
	"strconv"
	"strings"
)

const module = "github.com/channelhub/channelhub"

// Package is what `go list -json` says of a package, as far as rules need it.
type Package struct {
	ImportPath string
	Name       string
	Dir        string
	GoFiles    []string

	Imports      []string
	TestImports  []string
	XTestImports []string
}

// Check returns a line for each import that the plan does not allow.
func Check(pkgs []Package) []string {
	var faults []string
	for _, p := range pkgs {
		from := short(p.ImportPath)
		if layerOf(from) < 0 && !isApart(from) {
			faults = append(faults, from+": this package is in no room: put it in one, or add the room to archtest with its reason")
		}
		for _, imp := range p.Imports {
			faults = append(faults, checkEdge(edge{from, short(imp)}, false)...)
		}
		tests := append(slices.Clone(p.TestImports), p.XTestImports...)
		slices.Sort(tests)
		for _, imp := range slices.Compact(tests) {
			faults = append(faults, checkEdge(edge{from, short(imp)}, true)...)
		}
	}
	return faults
}

func checkEdge(e edge, test bool) []string {
	var faults []string
	for _, r := range rules {
		if r.forbids(e, test) {
			faults = append(faults, fmt.Sprintf("%s imports %s: %s: %s", e.from, e.to, r.name, r.reason))
		}
	}
	if !test {
		faults = append(faults, checkLayers(e)...)
	}
	if from, to := connectorOf(e.from), connectorOf(e.to); from != "" && to != "" && from != to {
		faults = append(faults, fmt.Sprintf("%s imports another connector, %s: each is one program with one channel's quirks", e.from, e.to))
	}
	return faults
}

// connectorOf is the connector a package belongs to, or empty.
func connectorOf(path string) string {
	rest, ok := strings.CutPrefix(path, "plugins/")
	if !ok {
		return ""
	}
	name, _, _ := strings.Cut(rest, "/")
	return name
}

func (r *rule) forbids(e edge, test bool) bool {
	return (r.tests || !test) &&
		matchAny(r.from, e.from) && !matchAny(r.except, e.from) &&
		matchAny(r.to, e.to) && !matchAny(r.allow, e.to)
}

// checkLayers judges an import between two rooms of the hub.
func checkLayers(e edge) []string {
	from, to := layerOf(e.from), layerOf(e.to)
	if from < 0 || to < 0 || from < to {
		return nil
	}
	if from > to {
		return []string{fmt.Sprintf("%s imports %s: rooms import to the right: a call to the left goes through an interface wired in package hub", e.from, e.to)}
	}
	if roomOf(from, e.from) != roomOf(to, e.to) {
		return []string{fmt.Sprintf("%s imports %s: rooms of one layer stay apart: what two of them need belongs in a room to their right", e.from, e.to)}
	}
	return nil
}

// layerOf is the index of the layer a package is in, or -1.
func layerOf(path string) int {
	if isApart(path) {
		return -1
	}
	for i := range layers {
		if roomOf(i, path) != "" {
			return i
		}
	}
	return -1
}

func roomOf(layer int, path string) string {
	for _, room := range layers[layer] {
		if match(room, path) {
			return room
		}
	}
	return ""
}

func isApart(path string) bool {
	return slices.ContainsFunc(apart, func(a struct{ pattern, reason string }) bool { return match(a.pattern, path) })
}

// short cuts the module's own name off an import path; "." is its root.
func short(path string) string {
	if path == module {
		return "."
	}
	return strings.TrimPrefix(path, module+"/")
}

func matchAny(patterns []string, path string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool { return match(p, path) })
}

// match reports whether path matches the pattern; see rule. A first element
// of "*" matches outside packages alone: their first element has a dot.
func match(pattern, path string) bool {
	want := strings.Split(pattern, "/")
	have := strings.Split(path, "/")
	open := want[len(want)-1] == "..."
	if open {
		want = want[:len(want)-1]
	}
	if len(have) < len(want) || (!open && len(have) > len(want)) {
		return false
	}
	for i, w := range want {
		prefix, wild := strings.CutSuffix(w, "*")
		switch {
		case i == 0 && w == "*":
			if !strings.Contains(have[0], ".") || have[0] == "." {
				return false
			}
		case wild && !strings.HasPrefix(have[i], prefix), !wild && have[i] != w:
			return false
		}
	}
	return true
}

// CheckExits returns a line for each call in a file that ends the process.
// The calls are matched by name: a file would have to try to hide one.
func CheckExits(fset *token.FileSet, name string, src any) ([]string, error) {
	file, err := parser.ParseFile(fset, name, src, parser.SkipObjectResolution)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	imported := map[string]string{}
	for _, imp := range file.Imports {
		path, err := strconv.Unquote(imp.Path.Value)
		if err != nil {
			return nil, fmt.Errorf("read %s: import %s: %w", name, imp.Path.Value, err)
		}
		local := path[strings.LastIndex(path, "/")+1:]
		if imp.Name != nil {
			local = imp.Name.Name
		}
		imported[local] = path
	}
	var faults []string
	ast.Inspect(file, func(n ast.Node) bool {
		sel, ok := n.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		pkg, ok := sel.X.(*ast.Ident)
		if !ok {
			return true
		}
		call := imported[pkg.Name] + "." + sel.Sel.Name
		switch call {
		case "os.Exit", "syscall.Exit", "log.Fatal", "log.Fatalf", "log.Fatalln":
			faults = append(faults, fmt.Sprintf("%s: %s: only cmd ends the process: elsewhere an error goes up, so that what is open is closed", fset.Position(sel.Pos()), call))
		}
		return true
	})
	return faults, nil
}
