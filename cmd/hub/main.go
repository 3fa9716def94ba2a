// Command hub runs and administers a channel hub.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
)

// version is set when the binary is built.
var version = "dev"

// usageError is a mistake in the command line: exit code 2.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

func main() { os.Exit(run(os.Args[1:])) }

func run(args []string) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	root := newRootCommand()
	root.SetArgs(args)
	err := misnamed(root, args)
	if err == nil {
		err = root.ExecuteContext(ctx)
	}
	switch {
	case err == nil:
		return 0
	case errors.Is(err, context.Canceled) && ctx.Err() != nil:
		err = errors.New("interrupted")
	}
	_, _ = fmt.Fprintln(os.Stderr, "hub:", err)
	if _, ok := errors.AsType[usageError](err); ok {
		return 2
	}
	return 1
}

func newRootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:           "hub",
		Short:         "A channel hub: one message format for every channel a customer writes on",
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	root.AddCommand(
		newServeCommand(), newConfigCommand(), newPluginCommand(), newClientCommand(), newAccountCommand(), newContactCommand(),
		newTokenCommand(), newMessageCommand(), newEventCommand(), newJournalCommand(), newDeadLetterCommand(),
		newRetentionCommand(), newLedgerCommand(), newAuditCommand(), newDoctorCommand(), newVersionCommand(),
	)
	strictly(root)
	return root
}
