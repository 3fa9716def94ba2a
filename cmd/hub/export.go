package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/channelhub/channelhub/cmd/hub/internal/output"
	"github.com/channelhub/channelhub/cmd/hub/internal/remote"
	"github.com/channelhub/channelhub/hub/api/spec/yaml"
)

// destination is where an export goes, and how: --file names a file, -o a
// format as everywhere, or a file as other programs have it.
type destination struct {
	format output.Format
	file   string
	named  string // by -o
}

// flags gives an export its flags.
func (d *destination) flags(cmd *cobra.Command) {
	d.format = output.JSON
	cmd.Flags().StringVar(&d.file, "file", "", "write to this file, which must not exist (default standard output)")
	cmd.Flags().VarP(d, "output", "o", "how to write it: table, json (one object a line) or yaml; any other word is a file, as with --file")
	before := cmd.PreRunE
	cmd.PreRunE = func(cmd *cobra.Command, args []string) error {
		if d.named != "" && d.file != "" {
			return usageError{errors.New("--file and -o name two files: leave one out, or give -o table, json or yaml")}
		}
		if d.named != "" {
			d.file = d.named
		}
		if before != nil {
			return before(cmd, args)
		}
		return nil
	}
}

// Set implements pflag.Value. A file with the name of a format is ./json.
func (d *destination) Set(word string) error {
	switch {
	case output.IsFormat(word):
		d.format = output.Format(word)
	case word == "":
		return errors.New("must be table, json, yaml or the name of a file")
	default:
		d.named = word
	}
	return nil
}

// String implements pflag.Value.
func (d *destination) String() string { return string(d.format) }

// Type implements pflag.Value.
func (d *destination) Type() string { return "format|FILE" }

// exportTo writes what a call answers, one object a line, to where d says. A
// file that is there stays. Row adds an object to the table under head.
func exportTo[T any](cmd *cobra.Command, d *destination, r remote.Request, head []string, row func(*output.Grid, T)) (err error) {
	hub, err := remote.FromEnvironment(os.Getenv)
	if err != nil {
		return err
	}
	out := cmd.OutOrStdout()
	if d.file != "" {
		f, cannot := os.OpenFile(d.file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		if cannot != nil {
			return fmt.Errorf("export: %w", cannot)
		}
		defer func() { err = errors.Join(err, f.Close()) }()
		out = f
	}
	end := func() {}
	if d.file != "" || d.format == output.Table || !output.IsTerminal(out, os.Getenv) {
		end = output.Progress(cmd.ErrOrStderr(), os.Getenv)
	} // else what comes shows that it goes on
	var all []json.RawMessage
	switch d.format {
	case output.JSON:
		err = hub.Copy(cmd.Context(), r, out)
	case output.YAML:
		err = hub.Lines(cmd.Context(), r, func(raw json.RawMessage) error { return yamlDocument(out, raw) })
	case output.Table:
		err = hub.Lines(cmd.Context(), r, func(raw json.RawMessage) error {
			all = append(all, raw)
			return nil
		})
	}
	end()
	if err != nil || d.format != output.Table {
		return err
	}
	view, err := viewOf(all, head, row)
	if err != nil {
		return err
	}
	return view.Print(out, cmd.ErrOrStderr(), output.Table, output.StyleFor(out, os.Getenv))
}

func yamlDocument(out io.Writer, raw json.RawMessage) error {
	text, err := yaml.FromJSON(raw)
	if err != nil {
		return err
	}
	if _, err := out.Write(append([]byte("---\n"), text...)); err != nil {
		return fmt.Errorf("write: %w", err)
	}
	return nil
}
