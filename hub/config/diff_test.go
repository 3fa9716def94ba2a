package config

import (
	"context"
	"os"
	"slices"
	"strings"
	"testing"
)

// TestReadAtStart: whatever is read at start keeps the value that it has, all
// of it, and is what goes on to differ.
func TestReadAtStart(t *testing.T) {
	running, next := Defaults(), &Config{Demo: true}
	kept := next.KeepStart(running)
	if d := Diff(running, kept); len(d.Restart) > 0 {
		t.Errorf("changed without a restart: %v", d.Restart)
	}
	waiting := Diff(kept, next)
	for _, root := range readAtStart {
		if !slices.ContainsFunc(waiting.Restart, func(at string) bool { return strings.HasPrefix(at, root.at.String()) }) {
			t.Errorf("nothing of %s waits: %v", root.at, waiting.Restart)
		}
	}
	if len(waiting.Changes) != len(waiting.Restart) {
		t.Errorf("%d changes are left, and %d of them wait for a restart", len(waiting.Changes), len(waiting.Restart))
	}
	if kept.Logging.Level != next.Logging.Level || kept.Retention != next.Retention || !next.Demo {
		t.Error("what a reload changes was kept, or the next configuration was changed")
	}
}

// TestReadAtStartShowsItsReference: a value that is kept is shown as it was
// written, and so is one that is not.
func TestReadAtStartShowsItsReference(t *testing.T) {
	t.Chdir(t.TempDir())
	load := func(text string) *Config {
		t.Helper()
		if err := os.WriteFile("hub.yaml", []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		cfg, _, err := Load(context.Background(), &Options{
			Files: []string{"hub.yaml"}, Env: func() []string { return []string{"PLACE=here", "NAME=Acme"} },
		})
		if err != nil {
			t.Fatal(err)
		}
		return cfg
	}
	running := load("data_dir: ${env:PLACE}\nclients: {acme: {name: Acme}}\n")
	kept := load("aws: {role_arn: '${env:NAME}'}\nclients: {acme: {name: '${env:NAME}'}}\n").KeepStart(running)
	shown := printed(t, kept, &PrintOptions{Origins: true})
	for _, want := range []string{"data_dir: ${env:PLACE}  # hub.yaml:1\n", "  role_arn: \"\"  # default\n", "    name: ${env:NAME}  # hub.yaml:2\n"} {
		if !strings.Contains(shown, want) {
			t.Errorf("%q is not in\n%s", want, shown)
		}
	}
}
