package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/channelhub/channelhub/cmd/hub/internal/output"
	"github.com/channelhub/channelhub/hub"
	"github.com/channelhub/channelhub/hub/config"
	"github.com/channelhub/channelhub/hub/model"
)

// finding is one fault of a configuration, for programs.
type finding struct {
	Where  string `json:"where"` // file, line and place
	Detail string `json:"detail"`
}

func newConfigValidateCommand() *cobra.Command {
	var files []string
	var quick bool
	var format output.Format
	cmd := &cobra.Command{
		Use: "validate --config FILE…", Short: "Judge configuration files as a reload would",
		Long: "Judge configuration files as a reload would: first the files, then each enabled plugin, which is started and asked\nabout its accounts. No store is opened, so that this can run beside a hub. The exit code is 1 when there is a fault.",
	}
	format.Flag(cmd)
	configFiles(cmd, &files)
	cmd.Flags().BoolVar(&quick, "files-only", false, "leave the plugins out")
	required(cmd, "config")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		cfg, err := loadFiles(cmd.Context(), files, cmd.ErrOrStderr())
		faults, inFiles := errors.AsType[*config.FaultsError](err)
		if err != nil && !inFiles {
			return err
		}
		found := []finding{}
		if inFiles {
			for _, f := range faults.Faults {
				found = append(found, finding{placeOf(f), strings.TrimSuffix(f.Detail+"; "+f.Suggestion, "; ")})
			}
		} else if !quick {
			judged, err := working(cmd, func() ([]model.Fault, error) { return hub.Validate(cmd.Context(), cfg, version) })
			if err != nil {
				return err
			}
			for _, f := range judged {
				found = append(found, finding{f.Field, f.Detail})
			}
		}
		if err := showFindings(cmd, format, found); err != nil {
			return err
		}
		switch {
		case inFiles:
			return err // with the lines of the files
		case len(found) > 0:
			return faultyError(found)
		}
		return nil
	}
	return cmd
}

func placeOf(f config.Fault) string {
	where := f.File
	if f.Line > 0 {
		where = fmt.Sprintf("%s:%d:%d", f.File, f.Line, f.Column)
	}
	return strings.Trim(where+": "+f.Path, ": ")
}

// showFindings writes what programs read; people read the error, or that there
// is none.
func showFindings(cmd *cobra.Command, format output.Format, found []finding) error {
	raw, err := json.Marshal(struct {
		Valid  bool      `json:"valid"`
		Faults []finding `json:"faults"`
	}{len(found) == 0, found})
	if err != nil {
		return fmt.Errorf("write what was found: %w", err)
	}
	view := output.View{JSON: raw}
	if len(found) == 0 {
		view.Said = "the configuration is valid"
	}
	out := cmd.OutOrStdout()
	return view.Print(out, cmd.ErrOrStderr(), format, output.StyleFor(out, os.Getenv))
}

// faultyError is what plugins found wrong.
type faultyError []finding

func (e faultyError) Error() string {
	lines := make([]string, len(e))
	for i, f := range e {
		lines[i] = f.Where + ": " + f.Detail
	}
	return strings.Join(lines, "\n")
}
