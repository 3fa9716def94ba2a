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
)

// ailing ends a look that found faults: they were shown.
type ailing int

func (n ailing) Error() string {
	if n == 1 {
		return "1 part fails"
	}
	return fmt.Sprintf("%d parts fail", int(n))
}

func newDoctorCommand() *cobra.Command {
	var files []string
	var format output.Format
	cmd := &cobra.Command{
		Use: "doctor --config FILE…", Short: "Look at every part that the configuration names",
		Long: `Look at every part that the configuration names: directories, clock, listeners, programs, table, keys, buckets, log.
Each is there, private, encrypted and usable with the credentials at hand, or one line says how to mend it.
Nothing is changed, no hub has to run, and one that runs is not disturbed. The exit code is 1 when a part fails.`,
	}
	format.Flag(cmd)
	configFiles(cmd, &files)
	required(cmd, "config")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		cfg, warnings, err := config.Load(cmd.Context(), &config.Options{Files: files, Env: os.Environ, Remote: awsReferences})
		faults, inFiles := errors.AsType[*config.FaultsError](err)
		if err != nil && !inFiles {
			return err
		}
		var found []hub.Finding
		for _, w := range warnings {
			f := config.Fault(w)
			found = append(found, hub.Finding{Name: "config", State: hub.FoundWarn, Detail: placeOf(f) + ": " + f.Detail, Mend: f.Suggestion})
		}
		if inFiles {
			for _, f := range faults.Faults {
				found = append(found, hub.Finding{Name: "config", State: hub.FoundFail, Detail: placeOf(f) + ": " + f.Detail, Mend: f.Suggestion})
			}
		} else {
			found = append(found, hub.Finding{Name: "config", State: hub.FoundOK, Detail: strings.Join(files, ", ") + "; every secret was found"})
			end := output.Progress(cmd.ErrOrStderr(), os.Getenv)
			found = append(found, hub.Doctor(cmd.Context(), cfg, nil)...)
			end()
		}
		return showHealth(cmd, format, found)
	}
	return cmd
}

func showHealth(cmd *cobra.Command, format output.Format, found []hub.Finding) error {
	fails := 0
	for _, f := range found {
		if f.State == hub.FoundFail {
			fails++
		}
	}
	raw, err := json.Marshal(struct {
		Healthy bool          `json:"healthy"`
		Checks  []hub.Finding `json:"checks"`
	}{fails == 0, found})
	if err != nil {
		return fmt.Errorf("write what was found: %w", err)
	}
	view := output.View{JSON: raw, Table: func() (*output.Grid, error) {
		g := output.NewGrid("STATE", "PART", "FOUND", "MEND")
		for _, f := range found {
			g.Row(f.State, f.Name, f.Detail, f.Mend)
		}
		return g, nil
	}}
	out := cmd.OutOrStdout()
	if err := view.Print(out, cmd.ErrOrStderr(), format, output.StyleFor(out, os.Getenv)); err != nil {
		return err
	}
	if fails > 0 {
		return ailing(fails)
	}
	return nil
}
