package webchat

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
)

// The hash in the manifest is over package.json, package-lock.json, build.mjs
// and everything in src, as build.mjs makes it.
func TestAssetsAreBuiltFromTheirSources(t *testing.T) {
	m, err := readManifest(embedded)
	if err != nil {
		t.Fatal(err)
	}
	if got := sourcesHash(t, "web"); got != m.SourcesSHA256 {
		t.Errorf("assets/ was built from other sources (%s) than web/ holds (%s): run `npm ci && node build.mjs` in plugins/webchat/web", m.SourcesSHA256, got)
	}
}

func sourcesHash(t *testing.T, root string) string {
	t.Helper()
	paths := []string{"package.json", "package-lock.json", "build.mjs"}
	err := filepath.WalkDir(filepath.Join(root, "src"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		relative, err := filepath.Rel(root, path)
		paths = append(paths, filepath.ToSlash(relative))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(paths)
	var lines []byte
	for _, path := range paths {
		b, err := os.ReadFile(filepath.Join(root, path))
		if err != nil {
			t.Fatal(err)
		}
		lines = fmt.Appendf(lines, "%s %x\n", path, sha256.Sum256(b))
	}
	sum := sha256.Sum256(lines)
	return hex.EncodeToString(sum[:])
}

func TestManifestListsWhatIsThere(t *testing.T) {
	m, err := readManifest(embedded)
	if err != nil {
		t.Fatal(err)
	}
	listed := []string{manifestName}
	for name, want := range m.Files {
		listed = append(listed, name)
		b, err := fs.ReadFile(embedded, assetsDir+"/"+name)
		if err != nil {
			t.Error(err)
			continue
		}
		sum := sha256.Sum256(b)
		got := manifestFile{ContentType: want.ContentType, Immutable: want.Immutable, Size: len(b), SHA256: hex.EncodeToString(sum[:])}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-manifest +file):\n%s", name, diff)
		}
		if hashed := strings.Contains(name, "-"+got.SHA256[:12]+"."); hashed != want.Immutable {
			t.Errorf("%s: immutable is %v, but its hash in its name is %v", name, want.Immutable, hashed)
		}
	}
	entries, err := fs.ReadDir(embedded, assetsDir)
	if err != nil {
		t.Fatal(err)
	}
	var there []string
	for _, e := range entries {
		there = append(there, e.Name())
	}
	slices.Sort(listed)
	if diff := cmp.Diff(listed, there); diff != "" {
		t.Errorf("(-manifest +folder):\n%s", diff)
	}
}

// What a site's page waits for stays small.
func TestBudgets(t *testing.T) {
	budgets := map[string]int{"widget.js": 2 << 10, "panel": 25 << 10}
	for _, a := range Connector.Assets {
		stem, _, _ := strings.Cut(a.Path, "-")
		budget, ok := budgets[stem]
		if !ok {
			continue
		}
		delete(budgets, stem)
		var packed bytes.Buffer
		w, err := gzip.NewWriterLevel(&packed, gzip.BestCompression)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(a.Body); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		if packed.Len() > budget {
			t.Errorf("%s has %d bytes compressed, over its budget of %d", a.Path, packed.Len(), budget)
		}
	}
	for name := range budgets {
		t.Errorf("there is no %s", name)
	}
}

func TestDemoFilesAreMarked(t *testing.T) {
	demo := map[string]bool{}
	for _, a := range Connector.Assets {
		stem, _, _ := strings.Cut(a.Path, "-")
		demo[stem] = demo[stem] || a.Demo
	}
	want := map[string]bool{"demo.html": true, "demo": true, "desk": true, "panel": false, "widget.js": false}
	if diff := cmp.Diff(want, demo); diff != "" {
		t.Error(diff)
	}
}

func TestBrokenAssetsAreAnError(t *testing.T) {
	for name, files := range map[string]fstest.MapFS{
		"no manifest":  {},
		"no JSON":      {"assets/manifest.json": {Data: []byte("{")}},
		"missing file": {"assets/manifest.json": {Data: []byte(`{"files": {"a.js": {"content_type": "text/javascript"}}}`)}},
	} {
		if _, err := loadAssets(files); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
