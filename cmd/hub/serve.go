package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/channelhub/channelhub/hub"
	"github.com/channelhub/channelhub/hub/config"
	"github.com/channelhub/channelhub/internal/failpoint"
)

// newServeCommand is `hub serve`.
func newServeCommand() *cobra.Command {
	var files []string
	cmd := &cobra.Command{
		Use:   "serve --config FILE…",
		Short: "Run the hub",
		Long: `Run the hub until SIGTERM or SIGINT, then shut down in order within 40 s.

Once it serves, one line goes to standard output:

  ready public=http://127.0.0.1:8080 admin=http://127.0.0.1:8081`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if len(files) == 0 {
				return usageError{errors.New("name at least one configuration file with --config")}
			}
			return serve(cmd.Context(), files, cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	configFiles(cmd, &files)
	return cmd
}

// gcPercent trades memory for processor time: what lives long in a hub is small
// and what a message leaves behind is not, so that with Go's own 100 a fifth of
// the time went into collecting it. GOGC overrides it.
const gcPercent = 300

func serve(ctx context.Context, files []string, stdout, stderr io.Writer) error {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	if err := failpoint.Enable(os.Getenv(failpoint.Env)); err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	load := func(ctx context.Context) (*config.Config, []config.Warning, error) {
		return config.Load(ctx, &config.Options{Files: files, Env: os.Environ, Remote: awsReferences})
	}
	cfg, warnings, err := load(ctx)
	if err != nil {
		return unlessToldToEnd(ctx, err, stderr)
	}
	for _, w := range warnings {
		_, _ = fmt.Fprintf(stderr, "warning: %s\n", w)
	}
	h, err := hub.New(ctx, hub.Options{Config: cfg, Version: version, Load: load, LogTo: stderr})
	if err != nil {
		return unlessToldToEnd(ctx, err, stderr)
	}
	ended := make(chan error, 1)
	go func() { ended <- h.Run(ctx) }()
	select {
	case err := <-ended:
		return err
	case <-h.Ready():
		_, _ = fmt.Fprintf(stdout, "ready public=%s admin=%s\n", h.BoundURL(), h.AdminURL())
	}
	return <-ended
}

// unlessToldToEnd is what kept the hub from starting; nil when that was a
// signal, which asks for an orderly end at any time.
func unlessToldToEnd(ctx context.Context, err error, stderr io.Writer) error {
	if ctx.Err() == nil {
		return err
	}
	_, _ = fmt.Fprintln(stderr, "told to end before it served:", err)
	return nil
}
