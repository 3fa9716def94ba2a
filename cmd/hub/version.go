package main

import (
	"encoding/json"
	"fmt"
	"os"
	"runtime"

	"github.com/spf13/cobra"

	"github.com/channelhub/channelhub/cmd/hub/internal/output"
)

func newVersionCommand() *cobra.Command {
	var format output.Format
	cmd := &cobra.Command{
		Use: "version", Short: "Say which hub this is", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			v := struct {
				Version  string `json:"version"`
				Go       string `json:"go"`
				Platform string `json:"platform"`
			}{version, runtime.Version(), runtime.GOOS + "/" + runtime.GOARCH}
			raw, err := json.Marshal(v)
			if err != nil {
				return fmt.Errorf("write the version: %w", err)
			}
			view := output.View{JSON: raw, Table: func() (*output.Grid, error) {
				g := output.NewGrid()
				g.Pair("Version", v.Version)
				g.Pair("Go", v.Go)
				g.Pair("Platform", v.Platform)
				return g, nil
			}}
			out := cmd.OutOrStdout()
			return view.Print(out, cmd.ErrOrStderr(), format, output.StyleFor(out, os.Getenv))
		},
	}
	format.Flag(cmd)
	return cmd
}
