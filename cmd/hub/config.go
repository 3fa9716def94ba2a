package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/channelhub/channelhub/cmd/hub/internal/output"
	"github.com/channelhub/channelhub/cmd/hub/internal/remote"
	"github.com/channelhub/channelhub/hub/config"
)

const configPath = "/admin/v1/config"

func newConfigCommand() *cobra.Command {
	return group("config", "Check, print and compare configuration",
		newConfigValidateCommand(), newConfigPrintCommand(), newConfigSchemaCommand(), newConfigDiffCommand())
}

func newConfigPrintCommand() *cobra.Command {
	var files []string
	var origins bool
	var format output.Format
	cmd := &cobra.Command{
		Use: "print [--config FILE…]", Short: "Print the configuration in force, with the defaults",
		Long: "Print the configuration that the files make, or, without --config, the one that a running hub has in force.\nSecrets are redacted; a value that holds a reference is printed with the reference.",
	}
	format.Flag(cmd)
	format, cmd.Flags().Lookup("output").DefValue = output.YAML, string(output.YAML)
	configFiles(cmd, &files)
	cmd.Flags().BoolVar(&origins, "origins", false, "say with each value where it was written; with --config and -o yaml")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		out, talk := cmd.OutOrStdout(), cmd.ErrOrStderr()
		if origins && (len(files) == 0 || format != output.YAML) {
			return usageError{errors.New("--origins goes with --config and -o yaml")}
		}
		if len(files) == 0 {
			hub, err := remote.FromEnvironment(os.Getenv)
			if err != nil {
				return err
			}
			raw, err := hub.Do(cmd.Context(), remote.Request{Path: configPath})
			if err != nil {
				return err
			}
			return flat(raw).Print(out, talk, format, output.StyleFor(out, os.Getenv))
		}
		cfg, err := loadFiles(cmd.Context(), files, talk)
		if err != nil {
			return err
		}
		if format == output.YAML {
			return cfg.Print(out, &config.PrintOptions{Origins: origins})
		}
		raw, err := json.Marshal(cfg)
		if err != nil {
			return fmt.Errorf("print configuration: %w", err)
		}
		return flat(raw).Print(out, talk, format, output.StyleFor(out, os.Getenv))
	}
	return cmd
}

func newConfigSchemaCommand() *cobra.Command {
	var format output.Format
	cmd := &cobra.Command{
		Use: "schema", Short: "Print the JSON schema of configuration files", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			schema, err := config.Schema()
			if err != nil {
				return err
			}
			out := cmd.OutOrStdout()
			return flat(schema).Print(out, cmd.ErrOrStderr(), format, output.StyleFor(out, os.Getenv))
		},
	}
	format.Flag(cmd)
	format, cmd.Flags().Lookup("output").DefValue = output.JSON, string(output.JSON)
	return cmd
}

func newConfigDiffCommand() *cobra.Command {
	return ask(&cobra.Command{
		Use: "diff", Short: "Show what a reload would change in a running hub", Args: cobra.NoArgs,
	}, func(ctx context.Context, hub *remote.Client, _ []string) (output.View, error) {
		raw, err := hub.Do(ctx, remote.Request{Path: configPath + "/diff"})
		if err != nil {
			return output.View{}, err
		}
		d, err := decode[struct {
			Changes []struct{ Path, Before, After string }
			Restart []string
			Plugins []string
		}](raw)
		if err != nil {
			return output.View{}, err
		}
		if len(d.Changes) == 0 && len(d.Plugins) > 0 {
			return output.View{JSON: raw, Said: "a reload would try again to replace " + strings.Join(d.Plugins, ", ")}, nil
		}
		if len(d.Changes) == 0 {
			return output.View{JSON: raw, Said: "a reload would change nothing"}, nil
		}
		view := output.View{JSON: raw, Table: func() (*output.Grid, error) {
			g := output.NewGrid("PLACE", "NOW", "AFTER A RELOAD")
			for _, c := range d.Changes {
				g.Row(c.Path, c.Before, c.After)
			}
			return g, nil
		}}
		if len(d.Restart) > 0 {
			view.Said = "only a restart of the hub changes " + strings.Join(d.Restart, ", ")
		}
		return view, nil
	})
}

// flat shows a JSON object as a table of places and values.
func flat(raw json.RawMessage) output.View {
	return output.View{JSON: raw, Table: func() (*output.Grid, error) {
		g := output.NewGrid("PLACE", "VALUE")
		d := json.NewDecoder(bytes.NewReader(raw))
		d.UseNumber()
		return g, addFlat(g, d, "")
	}}
}

// addFlat adds the value that comes next; lists and empty objects are one cell.
func addFlat(g *output.Grid, d *json.Decoder, place string) error {
	var raw json.RawMessage
	if err := d.Decode(&raw); err != nil {
		return fmt.Errorf("read the answer: %w", err)
	}
	if raw[0] != '{' || string(raw) == "{}" {
		var text string
		if json.Unmarshal(raw, &text) != nil {
			text = string(raw)
		}
		g.Row(place, text)
		return nil
	}
	object := json.NewDecoder(bytes.NewReader(raw))
	if _, err := object.Token(); err != nil {
		return fmt.Errorf("read the answer: %w", err)
	}
	for object.More() {
		key, err := object.Token()
		if err != nil {
			return fmt.Errorf("read the answer: %w", err)
		}
		if err := addFlat(g, object, strings.TrimPrefix(fmt.Sprint(place, ".", key), ".")); err != nil {
			return err
		}
	}
	return nil
}
