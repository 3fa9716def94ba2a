package main

import (
	"context"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/channelhub/channelhub/hub/config"
)

// configFlag adds --config, which names files in order.
func configFlag(cmd *cobra.Command, files *[]string) {
	cmd.Flags().StringArrayVar(files, "config", nil, "configuration file; give it again for each other one, later ones win")
}

// configFiles adds --config to a command without other arguments: behind it
// stand one file or more, and it can be given again.
func configFiles(cmd *cobra.Command, files *[]string) {
	list := &fileList{flags: cmd.Flags(), files: files}
	cmd.Flags().Var(list, "config", "configuration files, all behind one --config or each behind its own; later ones win")
	cmd.Args = func(*cobra.Command, []string) error { return list.upTo() }
}

// fileList is the value of --config: it takes what it is given, and the
// arguments around it in the order of the command line.
type fileList struct {
	flags interface{ Args() []string }
	files *[]string
	taken int // of the arguments
}

// upTo takes the arguments that were read since the last time.
func (l *fileList) upTo() error {
	args := l.flags.Args()[l.taken:]
	if len(*l.files) == 0 && len(args) > 0 {
		return fmt.Errorf("%q stands alone: name configuration files behind --config", args[0])
	}
	*l.files = append(*l.files, args...)
	l.taken += len(args)
	return nil
}

// Set implements pflag.Value.
func (l *fileList) Set(file string) error {
	if err := l.upTo(); err != nil {
		return err
	}
	*l.files = append(*l.files, file)
	return nil
}

// String implements pflag.Value.
func (l *fileList) String() string { return "" }

// Type implements pflag.Value.
func (l *fileList) Type() string { return "FILE" }

// loadFiles reads files as `hub serve` does; warnings go to talk.
func loadFiles(ctx context.Context, files []string, talk io.Writer) (*config.Config, error) {
	cfg, warnings, err := config.Load(ctx, &config.Options{Files: files, Env: os.Environ, Remote: awsReferences})
	for _, w := range warnings {
		if _, err := fmt.Fprintf(talk, "warning: %s\n", w); err != nil {
			return nil, fmt.Errorf("write: %w", err)
		}
	}
	return cfg, err
}
