package config

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"github.com/channelhub/channelhub/hub/model"
)

var update = flag.Bool("update", false, "rewrite the golden files in testdata")

// TestGolden loads each archive of testdata. Sections that steer a load:
//
//	args      files to load, one a line; hub.yaml if absent
//	env       the environment, one variable a line
//	flags     command line flags, one a line: --name path.with.dots=value
//	settings  "client account": validate its settings against settings.json
//	after     a file to load instead of the last of args, for a difference
//
// Sections want/… hold what is expected; want/faults and want/warnings count
// as empty when absent. All other sections are files.
func TestGolden(t *testing.T) {
	names, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(names) == 0 {
		t.Fatalf("no golden files: %v", err)
	}
	for _, name := range names {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txtar"), func(t *testing.T) {
			file, err := filepath.Abs(name)
			if err != nil {
				t.Fatal(err)
			}
			archive, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			t.Chdir(t.TempDir())
			got := runGolden(t, archive)
			if *update {
				updateGolden(t, file, archive, got)
				return
			}
			want := map[string]string{"want/faults": "", "want/warnings": ""}
			for _, f := range archive.Files {
				if strings.HasPrefix(f.Name, "want/") {
					want[f.Name] = string(f.Data)
				}
			}
			for section := range want {
				if diff := cmp.Diff(want[section], got[section]); diff != "" {
					t.Errorf("%s (-want +got):\n%s", section, diff)
				}
			}
			for section, text := range got {
				if strings.Contains(text, "s3cret") || section == "want/settings" && strings.Contains(text, "misplaced-value") {
					t.Errorf("%s shows a secret:\n%s", section, text)
				}
			}
		})
	}
}

func runGolden(t *testing.T, archive *txtar.Archive) map[string]string {
	t.Helper()
	steer := map[string]string{"args": "hub.yaml"}
	for _, f := range archive.Files {
		switch f.Name {
		case "args", "env", "flags", "settings", "after":
			steer[f.Name] = strings.TrimSpace(string(f.Data))
			continue
		}
		if strings.HasPrefix(f.Name, "want/") {
			continue
		}
		if err := os.MkdirAll(filepath.Dir(f.Name), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(f.Name, f.Data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	opts := &Options{
		Files: lines(steer["args"]),
		Env:   func() []string { return lines(steer["env"]) },
		Flags: parseFlags(t, steer["flags"]),
	}
	cfg, warnings, err := Load(t.Context(), opts)
	got := map[string]string{"want/faults": faultText(t, err), "want/warnings": ""}
	for _, w := range warnings {
		got["want/warnings"] += w.String() + "\n"
		if w.Excerpt != "" {
			got["want/warnings"] += w.Excerpt + "\n"
		}
	}
	if err != nil {
		return got
	}
	got["want/print.yaml"] = printed(t, cfg, &PrintOptions{})
	got["want/print.json"] = printed(t, cfg, &PrintOptions{Format: FormatJSON})
	got["want/origins.yaml"] = printed(t, cfg, &PrintOptions{Origins: true})
	if name := steer["after"]; name != "" {
		opts.Files[len(opts.Files)-1] = name
		got["want/diff"] = diffText(t, cfg, opts)
	}
	if names := strings.Fields(steer["settings"]); len(names) == 2 {
		got["want/settings"] = settingsText(t, cfg, names[0], names[1])
	}
	return got
}

func lines(text string) []string {
	return slices.DeleteFunc(strings.Split(text, "\n"), func(s string) bool { return s == "" })
}

func parseFlags(t *testing.T, text string) []Flag {
	t.Helper()
	var flags []Flag
	for _, line := range lines(text) {
		name, rest, ok := strings.Cut(line, " ")
		place, value, assigned := strings.Cut(rest, "=")
		if !ok || !assigned {
			t.Fatalf("flag %q is not --name path=value", line)
		}
		flags = append(flags, Flag{Name: name, Path: strings.Split(place, "."), Value: value})
	}
	return flags
}

func faultText(t *testing.T, err error) string {
	t.Helper()
	if err == nil {
		return ""
	}
	if _, ok := errors.AsType[*FaultsError](err); !ok {
		t.Fatalf("load: %v", err)
	}
	return err.Error() + "\n"
}

func printed(t *testing.T, cfg *Config, opts *PrintOptions) string {
	t.Helper()
	var b strings.Builder
	if err := cfg.Print(&b, opts); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func diffText(t *testing.T, before *Config, opts *Options) string {
	t.Helper()
	after, _, err := Load(context.WithoutCancel(t.Context()), opts)
	if err != nil {
		t.Fatalf("load what comes after: %v", err)
	}
	d := Diff(before, after)
	var b strings.Builder
	for _, c := range d.Changes {
		fmt.Fprintf(&b, "%s: %s -> %s\n", c.Path, c.Before, c.After)
	}
	fmt.Fprintf(&b, "restart: %v\nplugins: %v\nclients: %v\naccounts: %v\n", d.Restart, d.Plugins, d.Clients, d.Accounts)
	return b.String()
}

func settingsText(t *testing.T, cfg *Config, client, account string) string {
	t.Helper()
	schema, err := os.ReadFile("settings.json")
	if err != nil {
		t.Fatal(err)
	}
	faults, err := cfg.ValidateAccountSettings(model.ClientID(client), model.AccountID(account), schema)
	if err != nil {
		t.Fatal(err)
	}
	if len(faults) == 0 {
		return ""
	}
	return faultText(t, &FaultsError{Faults: faults})
}

// updateGolden rewrites the want sections that are there, adds faults and
// warnings if there are any, and drops sections that became empty.
func updateGolden(t *testing.T, file string, archive *txtar.Archive, got map[string]string) {
	t.Helper()
	files := archive.Files[:0:0]
	wanted := map[string]bool{"want/faults": true, "want/warnings": true}
	for _, f := range archive.Files {
		if strings.HasPrefix(f.Name, "want/") {
			wanted[f.Name] = true
			continue
		}
		files = append(files, f)
	}
	for _, section := range []string{"faults", "warnings", "settings", "diff", "print.yaml", "print.json", "origins.yaml"} {
		name := "want/" + section
		if wanted[name] && got[name] != "" {
			files = append(files, txtar.File{Name: name, Data: []byte(got[name])})
		}
	}
	archive.Files = files
	if err := os.WriteFile(file, txtar.Format(archive), 0o600); err != nil {
		t.Fatal(err)
	}
}
