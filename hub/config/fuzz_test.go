package config

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
)

// FuzzLoad proves that no file makes Load panic or fail without saying where,
// and that a fault never shows what stands in a token's place.
func FuzzLoad(f *testing.F) {
	names, err := filepath.Glob("testdata/*.txtar")
	if err != nil {
		f.Fatal(err)
	}
	for _, name := range names {
		archive, err := txtar.ParseFile(name)
		if err != nil {
			f.Fatal(err)
		}
		for _, file := range archive.Files {
			if strings.HasSuffix(file.Name, ".yaml") && !strings.HasPrefix(file.Name, "want/") {
				f.Add(string(file.Data))
			}
		}
	}
	f.Fuzz(func(t *testing.T, text string) {
		name := filepath.Join(t.TempDir(), "hub.yaml")
		writeFile(t, name, text)
		cfg, _, err := Load(t.Context(), &Options{Files: []string{name}, Env: noEnvironment, Resolver: &fixedResolver{}})
		if err != nil {
			if faultText(t, err) == "\n" {
				t.Error("an error without a fault")
			}
			return
		}
		var out strings.Builder
		if err := cfg.Print(&out, nil); err != nil {
			t.Fatal(err)
		}
		for id, token := range cfg.Access.BootstrapTokens {
			if token.Token.Reveal() != "" && strings.Contains(out.String(), token.Token.Reveal()) {
				t.Errorf("the token of %s is printed", id)
			}
		}
		again := filepath.Join(t.TempDir(), "again.yaml")
		out.Reset()
		if err := cfg.Print(&out, nil); err != nil {
			t.Fatal(err)
		}
		writeFile(t, again, out.String())
		r := newReport()
		parseYAML(again, []byte(out.String()), r)
		if faults := r.sortedFaults(); len(faults) > 0 {
			t.Errorf("what is printed is not YAML: %v\n%s", faults, out.String())
		}
	})
}
