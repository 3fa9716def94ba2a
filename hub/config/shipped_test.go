package config

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/channelhub/channelhub/hub/model"
)

// TestShippedConfiguration loads what operators copy, from the directory they
// start the hub in.
func TestShippedConfiguration(t *testing.T) {
	t.Chdir("../..")
	tokens := &fixedResolver{}
	cfg, warnings, err := Load(t.Context(), &Options{
		Files: []string{"configs/hub.yaml"}, Env: noEnvironment, Resolver: tokens,
	})
	if err != nil {
		t.Fatalf("configs/hub.yaml has faults:\n%v", err)
	}
	for _, w := range warnings {
		if !strings.HasSuffix(w.Path, ".sha256") {
			t.Errorf("unexpected warning: %s", w)
		}
	}
	if !cfg.Demo || !cfg.Plugins["webchat"].Enabled || cfg.Plugins["echo"].Enabled {
		t.Errorf("demo %v, webchat %v, echo %v; want on, on, off", cfg.Demo, cfg.Plugins["webchat"].Enabled, cfg.Plugins["echo"].Enabled)
	}
	client, account, ok := cfg.AccountByID("demo")
	if !ok || client != "demo" || account.Plugin != "webchat" || !account.Enabled {
		t.Errorf("account demo: %v, client %q, plugin %q, enabled %v", ok, client, account.Plugin, account.Enabled)
	}
	for name, want := range map[string]BootstrapToken{
		"demo":         {Role: "client", Client: "demo"},
		"operator":     {Role: "operator"},
		"configurator": {Role: "configurator"},
	} {
		got, ok := cfg.Access.BootstrapTokens[name]
		if !ok || got.Role != want.Role || got.Client != want.Client {
			t.Errorf("token %s: %v, role %q, client %q", name, ok, got.Role, got.Client)
		}
		file := Reference{Scheme: "file", Name: "data/" + name + ".token"}
		if got.Token.Reveal() != tokens.value(file) {
			t.Errorf("token %s is not read from %s", name, file)
		}
	}
}

// TestShippedConfigurationForAWS loads the file for AWS, whose references stand
// for what Secrets Manager and the parameter store keep.
func TestShippedConfigurationForAWS(t *testing.T) {
	t.Chdir("../..")
	tokens := &fixedResolver{}
	var asked AWS
	cfg, warnings, err := Load(t.Context(), &Options{
		Files: []string{"configs/hub.aws.yaml"}, Env: noEnvironment,
		Remote: func(_ context.Context, settings AWS) (Resolver, error) { asked = settings; return tokens, nil },
	})
	if err != nil {
		t.Fatalf("configs/hub.aws.yaml has faults:\n%v", err)
	}
	for _, w := range warnings {
		if !strings.HasSuffix(w.Path, ".sha256") {
			t.Errorf("unexpected warning: %s", w)
		}
	}
	if asked.Region != cfg.AWS.Region || asked.Region == "" {
		t.Errorf("secrets are asked for in %q, the hub is in %q", asked.Region, cfg.AWS.Region)
	}
	if cfg.Storage.Table.Driver != DriverDynamoDB || cfg.Storage.Keys.Driver != DriverKMS || cfg.Logging.Sink != SinkCloudWatch {
		t.Errorf("drivers: table %s, keys %s, log %s", cfg.Storage.Table.Driver, cfg.Storage.Keys.Driver, cfg.Logging.Sink)
	}
	for _, name := range []string{"operator", "configurator", "auditor"} {
		if got := cfg.Access.BootstrapTokens[name].Token.Reveal(); !strings.HasPrefix(got, "value-of-aws-") {
			t.Errorf("the token of %s does not come from AWS", name)
		}
	}
}

// TestShippedFilesNameTheirSchema keeps editors working on each file.
func TestShippedFilesNameTheirSchema(t *testing.T) {
	for name, schema := range map[string]string{
		"../../configs/hub.yaml":               "schema/hub.schema.json",
		"../../configs/hub.aws.yaml":           "schema/hub.schema.json",
		"../../configs/plugins.d/echo.yaml":    "../schema/hub.schema.json",
		"../../configs/plugins.d/webchat.yaml": "../schema/hub.schema.json",
		"../../configs/clients.d/demo.yaml":    "../schema/hub.schema.json",
	} {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		first, _, _ := strings.Cut(string(text), "\n")
		if want := "# yaml-language-server: $schema=" + schema; first != want {
			t.Errorf("%s begins with %q, want %q", name, first, want)
		}
	}
}

func noEnvironment() []string { return nil }

// TestDefaultConfigurationSaysWhatItWasNot checks a Config made in code.
func TestDefaultConfigurationSaysWhatItWasNot(t *testing.T) {
	cfg := Defaults()
	if got := cfg.Where("data_dir"); got != "default" {
		t.Errorf("data_dir is from %q", got)
	}
	if got := cfg.Files(); got != nil {
		t.Errorf("files %v", got)
	}
	if got := cfg.RetentionOf(model.ClientID("unknown")); got != cfg.Retention {
		t.Errorf("an unknown client has retention %+v", got)
	}
	if d := Diff(cfg, Defaults()); !d.Empty() {
		t.Errorf("two defaults differ: %+v", d.Changes)
	}
	if _, err := cfg.ValidateAccountSettings("acme", "a1", []byte("{}")); err == nil {
		t.Error("settings of an account that does not exist were validated")
	}
	if _, ok := errors.AsType[*FaultsError](func() error {
		_, _, err := Load(t.Context(), &Options{Env: noEnvironment})
		return err
	}()); ok {
		t.Error("no sources at all are a fault")
	}
}
