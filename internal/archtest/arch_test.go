package archtest

import (
	"bytes"
	"encoding/json"
	"errors"
	"go/token"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func TestImports(t *testing.T) {
	for _, fault := range Check(list(t)) {
		t.Error(fault)
	}
}

func TestOnlyCommandsExit(t *testing.T) {
	fset := token.NewFileSet()
	for _, p := range list(t) {
		path := short(p.ImportPath)
		// Generators, benches and misbehaving plugins for tests are commands
		// too; they live in internal folders.
		if match("cmd/...", path) || (p.Name == "main" && strings.Contains("/"+path, "/internal/")) {
			continue
		}
		for _, file := range p.GoFiles {
			faults, err := CheckExits(fset, filepath.Join(p.Dir, file), nil)
			if err != nil {
				t.Error(err)
			}
			for _, fault := range faults {
				t.Error(fault)
			}
		}
	}
}

// list asks go for the packages of this module. A package that does not build
// is the compiler's to report, so -e.
func list(t *testing.T) []Package {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "list", "-e", "-json=ImportPath,Name,Dir,GoFiles,Imports,TestImports,XTestImports", "./...")
	cmd.Dir = filepath.Join("..", "..")
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var pkgs []Package
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var p Package
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatalf("read go list: %v", err)
		}
		pkgs = append(pkgs, p)
	}
	if len(pkgs) < 3 {
		t.Fatalf("go list found %d packages: the rules have nothing to judge", len(pkgs))
	}
	return pkgs
}

func TestEveryRuleHasAReasonAndFires(t *testing.T) {
	for _, r := range rules {
		t.Run(r.name, func(t *testing.T) {
			if r.reason == "" {
				t.Error("a rule without a reason is a habit")
			}
			p := Package{ImportPath: module + "/" + r.example.from}
			imp := []string{full(r.example.to)}
			p.Imports = imp
			wantFault(t, Check([]Package{p}), r.name)

			p.Imports, p.TestImports = nil, imp
			if r.tests {
				wantFault(t, Check([]Package{p}), r.name)
			} else if faults := grep(Check([]Package{p}), r.name); len(faults) > 0 {
				t.Errorf("binds tests, which it does not mean to: %s", faults)
			}
		})
	}
}

func TestLayers(t *testing.T) {
	tests := []struct {
		from, to string
		want     string // part of a fault; empty when allowed
	}{
		{"cmd/hub", "hub", ""},
		{"cmd/hub", "hub/store", ""},
		{"hub", "hub/api/app", ""},
		{"hub", "hub/config", ""},
		{"hub", "hub/storage/table/pebbletable", ""},
		{"hub/api/app", "hub/flow/outbound", ""},
		{"hub/api/app", "hub/api/internal/problem", ""},
		{"hub/api/app", "hub/api/problem", ""},
		{"hub/flow/inbound", "hub/flow/media", ""},
		{"hub/flow/inbound", "internal/failpoint", ""},
		{"hub/store", "hub/storage/table", ""},
		{"hub/storage/table", "hub/model", ""},
		{"hub/storage/table/pebbletable", "hub/storage/table/driver", ""},
		{"hub/storage/keys/kmskeys", "hub/storage/awsconfig", ""},
		{"hub/pluginhost", "sdk/proto/channelhub/connector/v1", ""},
		{"hub/hubtest", "plugins/echo", ""},
		{"plugins/echo", "sdk", ""},
		{"cmd/hub-plugin-echo", "plugins/echo", ""},

		{"hub/flow/inbound", "hub/api/app", "to the right"},
		{"hub/store", "hub/flow/inbound", "to the right"},
		{"hub/api/app", "hub", "to the right"},
		{"hub/telemetry", "hub/storage/logsink", "to the right"},
		{"hub/api/problem", "hub/api/app", "to the right"},
		{"hub/api/app", "hub/api/admin", "stay apart"},
		{"hub/api/app", "hub/console", "stay apart"},
		{"hub/accounts", "hub/pluginhost", "stay apart"},
		{"hub/storage/keys", "hub/storage/table", "stay apart"},
		{"hub/model", "hub/telemetry", "stay apart"},
		{"plugins/echo", "sdk/internal/rpc", "knows the sdk alone"},
		{"hub/util", "hub/model", "in no room"},
	}
	for _, tc := range tests {
		faults := Check([]Package{{ImportPath: module + "/" + tc.from, Imports: []string{full(tc.to)}}})
		if tc.want == "" && len(faults) > 0 {
			t.Errorf("%s -> %s: refused: %s", tc.from, tc.to, faults)
		}
		if tc.want != "" {
			wantFault(t, faults, tc.want)
		}
	}
}

func TestConnectorsStayApart(t *testing.T) {
	faults := Check([]Package{{ImportPath: module + "/plugins/sms", Imports: []string{full("plugins/echo/wire")}}})
	wantFault(t, faults, "imports another connector")
	if faults := Check([]Package{{ImportPath: module + "/plugins/sms", Imports: []string{full("plugins/sms/twilio")}}}); len(faults) > 0 {
		t.Errorf("a connector's own package: refused: %s", faults)
	}
}

func TestCheckExits(t *testing.T) {
	const src = `package p
import ("os"; l "log")
func f() { os.Exit(1); l.Fatalf("x"); os.Getenv("x") }
type exiter struct{}
func (exiter) Exit(int) {}
func g() { var os exiter; _ = os }
`
	faults, err := CheckExits(token.NewFileSet(), "p.go", src)
	if err != nil {
		t.Fatal(err)
	}
	if len(faults) != 2 {
		t.Errorf("got %d faults, want os.Exit and log.Fatalf: %s", len(faults), faults)
	}
	if _, err := CheckExits(token.NewFileSet(), "p.go", "not go"); err == nil {
		t.Error("a file that does not parse passed")
	}
}

func TestMatch(t *testing.T) {
	tests := []struct {
		pattern, path string
		want          bool
	}{
		{"hub", "hub", true},
		{"hub", "hub/store", false},
		{"hub/...", "hub", true},
		{"hub/...", "hubtest", false},
		{"hub/storage/*/*/...", "hub/storage/table", false},
		{"hub/storage/*/*/...", "hub/storage/table/driver", true},
		{"cmd/hub-plugin-*/...", "cmd/hub-plugin-echo", true},
		{"cmd/hub-plugin-*/...", "cmd/hub", false},
		{"*/...", "github.com/google/uuid", true},
		{"*/...", "net/http", false},
		{"*/...", ".", false},
		{"log", "log/slog", false},
	}
	for _, tc := range tests {
		if got := match(tc.pattern, tc.path); got != tc.want {
			t.Errorf("match(%q, %q) = %t, want %t", tc.pattern, tc.path, got, tc.want)
		}
	}
}

// full spells a short path as go list would.
func full(path string) string {
	if matchAny(own, path) {
		return module + "/" + path
	}
	return path
}

func wantFault(t *testing.T, faults []string, part string) {
	t.Helper()
	if len(grep(faults, part)) == 0 {
		t.Errorf("no fault says %q; got %q", part, faults)
	}
}

func grep(faults []string, part string) []string {
	var found []string
	for _, f := range faults {
		if strings.Contains(f, part) {
			found = append(found, f)
		}
	}
	return found
}
