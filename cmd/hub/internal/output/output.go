// Package output shows what commands found: as a table for people, as JSON or
// YAML for programs. Data goes to one writer and nothing else does.
package output

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/channelhub/channelhub/hub/api/spec/yaml"
)

// Format is how data is written.
type Format string

// The formats.
const (
	Table Format = "table"
	JSON  Format = "json"
	YAML  Format = "yaml"
)

var formats = []string{string(Table), string(JSON), string(YAML)}

// Flag adds -o to a command, with the table as its default.
func (f *Format) Flag(cmd *cobra.Command) {
	*f = Table
	cmd.Flags().VarP(f, "output", "o", "how to write it: "+strings.Join(formats, ", "))
	// The name exists: the only error there is cannot happen.
	_ = cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions(formats, cobra.ShellCompDirectiveNoFileComp))
}

// IsFormat reports whether a word names a format.
func IsFormat(word string) bool { return slices.Contains(formats, word) }

// String implements pflag.Value.
func (f *Format) String() string { return string(*f) }

// Type implements pflag.Value.
func (f *Format) Type() string { return "format" }

// Set implements pflag.Value.
func (f *Format) Set(s string) error {
	if !IsFormat(s) {
		return fmt.Errorf("must be %s", strings.Join(formats, ", "))
	}
	*f = Format(s)
	return nil
}

// View is what a command shows.
type View struct {
	// JSON is everything: programs get it as it came from the hub.
	JSON json.RawMessage
	// Table is the part that people look at. Nil with Said.
	Table func() (*Grid, error)
	// Said is what an act came to, in a sentence; it stands in for the table
	// and is no data.
	Said string
	// Line is the one value of an act that a script wants.
	Line string
}

// Print writes the view: data to out, talk to err.
func (v View) Print(out, talk io.Writer, format Format, style Style) error {
	var data []byte
	switch format {
	case JSON:
		var b bytes.Buffer
		if err := json.Indent(&b, v.JSON, "", "  "); err != nil {
			return fmt.Errorf("write the answer as JSON: %w", err)
		}
		data = append(b.Bytes(), '\n')
	case YAML:
		var err error
		if data, err = yaml.FromJSON(v.JSON); err != nil {
			return err
		}
	case Table:
		if v.Said != "" {
			if _, err := fmt.Fprintln(talk, Clean(v.Said)); err != nil {
				return fmt.Errorf("write: %w", err)
			}
		}
		if v.Line != "" {
			data = []byte(Clean(v.Line) + "\n")
		}
		if v.Table != nil {
			grid, err := v.Table()
			if err != nil {
				return err
			}
			data = []byte(grid.text(style))
		}
	}
	if _, err := out.Write(data); err != nil {
		return fmt.Errorf("write: %w", err)
	}
	return nil
}
