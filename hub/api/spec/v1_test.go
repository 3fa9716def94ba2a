package spec_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/channelhub/channelhub/hub/api/app"
	"github.com/channelhub/channelhub/hub/api/spec"
)

// newServer serves V1.
func newServer(t *testing.T) *http.ServeMux {
	t.Helper()
	s, err := spec.New(spec.V1("1.2.3"))
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	s.Routes(mux)
	return mux
}

func get(t *testing.T, h http.Handler, path string, header ...string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// What is documented is served, under the same pattern.
func TestDocumentedRoutesAreRegistered(t *testing.T) {
	mux := newServer(t)
	app.New(app.Options{}).Routes(mux)
	for _, op := range spec.V1("").Operations {
		path := strings.NewReplacer("{id}", "x").Replace(op.Path)
		_, pattern := mux.Handler(httptest.NewRequestWithContext(t.Context(), op.Method, path, nil))
		if pattern != op.Pattern() {
			t.Errorf("%s is served by %q", op.Pattern(), pattern)
		}
	}
}

// What is served is documented: every pattern in the source of package app.
func TestRegisteredRoutesAreDocumented(t *testing.T) {
	var documented []string
	for _, op := range spec.V1("").Operations {
		documented = append(documented, op.Pattern())
	}
	patterns := patternsIn(t, "../app")
	if len(patterns) < 10 {
		t.Fatalf("found only %d patterns in package app: %q", len(patterns), patterns)
	}
	for _, p := range patterns {
		if !slices.Contains(documented, p) {
			t.Errorf("%s is not documented", p)
		}
	}
}

var routePattern = regexp.MustCompile(`^(GET|POST|PUT|PATCH|DELETE) /v1/`)

func patternsIn(t *testing.T, dir string) []string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		src, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, src, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			// Only what is passed to the call that registers: the same words
			// name idempotency scopes elsewhere.
			call, ok := n.(*ast.CallExpr)
			if !ok || len(call.Args) < 2 {
				return true
			}
			lit, ok := call.Args[0].(*ast.BasicLit)
			if !ok || lit.Kind != token.STRING {
				return true
			}
			if s, err := strconv.Unquote(lit.Value); err == nil && routePattern.MatchString(s) {
				out = append(out, s)
			}
			return true
		})
	}
	return out
}

func TestDocumentIsCachedAndNamesItsVersion(t *testing.T) {
	mux := newServer(t)
	for path, media := range map[string]string{
		"/v1/openapi.yaml":   "application/yaml",
		"/v1/openapi.json":   "application/json",
		"/v1/docs":           "text/html; charset=utf-8",
		"/v1/docs/style.css": "text/css; charset=utf-8",
	} {
		w := get(t, mux, path)
		if w.Code != http.StatusOK || w.Header().Get("Content-Type") != media {
			t.Errorf("%s answers %d %s, want 200 %s", path, w.Code, w.Header().Get("Content-Type"), media)
		}
		if media != "text/css; charset=utf-8" && !strings.Contains(w.Body.String(), "1.2.3") {
			t.Errorf("%s does not name the version", path)
		}
		again := get(t, mux, path, "If-None-Match", w.Header().Get("ETag"))
		if again.Code != http.StatusNotModified || again.Body.Len() > 0 {
			t.Errorf("%s answers %d and %d bytes to its own ETag, want 304", path, again.Code, again.Body.Len())
		}
	}
}

// The page works with nothing but itself and its style sheet.
func TestPageIsOnItsOwn(t *testing.T) {
	w := get(t, newServer(t), "/v1/docs")
	page := w.Body.String()
	if csp := w.Header().Get("Content-Security-Policy"); !strings.HasPrefix(csp, "default-src 'none'; style-src 'self';") {
		t.Errorf("Content-Security-Policy: %q", csp)
	}
	for _, never := range []string{"<script", " style=", "://", "javascript:"} {
		if strings.Contains(page, never) {
			t.Errorf("the page contains %q", never)
		}
	}
	targets := regexp.MustCompile(` id="([^"]+)"`).FindAllStringSubmatch(page, -1)
	ids := map[string]bool{}
	for _, m := range targets {
		if ids[m[1]] {
			t.Errorf("the id %q is there twice", m[1])
		}
		ids[m[1]] = true
	}
	var dead []string
	for _, m := range regexp.MustCompile(` href="#([^"]+)"`).FindAllStringSubmatch(page, -1) {
		if !ids[m[1]] {
			dead = append(dead, m[1])
		}
	}
	if diff := cmp.Diff([]string(nil), dead); diff != "" {
		t.Errorf("links that lead nowhere (-want +got):\n%s", diff)
	}
	for _, op := range spec.V1("").Operations {
		if !ids[op.ID] {
			t.Errorf("the page does not show %s", op.ID)
		}
	}
}
