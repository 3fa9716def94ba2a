package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"

	"github.com/spf13/cobra"

	"github.com/channelhub/channelhub/cmd/hub/internal/output"
	"github.com/channelhub/channelhub/cmd/hub/internal/remote"
)

const journalPath = "/admin/v1/journal"

// journalView is what the table shows of a request that waits.
type journalView struct {
	ID         string `json:"id"`
	Plugin     string `json:"plugin"`
	AccountID  string `json:"account_id"`
	Mount      string `json:"mount"`
	ReceivedAt string `json:"received_at"`
	ExpiresAt  string `json:"expires_at"`
	Bytes      int64  `json:"bytes"`
}

func newJournalCommand() *cobra.Command {
	return group("journal", "Look at requests that wait for a connector",
		newJournalListCommand(), newJournalReplayCommand(), newJournalExportCommand())
}

// onlyPlugin is the query that narrows the journal to one connector.
func onlyPlugin(id string) url.Values {
	if id == "" {
		return nil
	}
	return url.Values{"plugin": {id}}
}

func newJournalListCommand() *cobra.Command {
	var plugin string
	cmd := ask(&cobra.Command{Use: "list", Short: "List what waits, without what it says", Args: cobra.NoArgs},
		func(ctx context.Context, hub *remote.Client, _ []string) (output.View, error) {
			head := []string{"ENTRY", "PLUGIN", "ACCOUNT", "MOUNT", "RECEIVED", "EXPIRES", "BYTES"}
			return listOf(ctx, hub, journalPath, onlyPlugin(plugin), head, func(g *output.Grid, e journalView) {
				g.Row(e.ID, e.Plugin, e.AccountID, e.Mount, e.ReceivedAt, e.ExpiresAt, e.Bytes)
			})
		})
	cmd.Flags().StringVar(&plugin, "plugin", "", "only what waits for this connector")
	return cmd
}

func newJournalReplayCommand() *cobra.Command {
	cmd := ask(&cobra.Command{
		Use: "replay PLUGIN", Short: "Hand what waits over to a connector now", Args: oneOf("plugin"),
		Long: "Hand what waits over to a connector now. The hub does so by itself once the connector is back.",
	}, func(ctx context.Context, hub *remote.Client, args []string) (output.View, error) {
		raw, err := hub.Do(ctx, remote.Request{
			Method: http.MethodPost, Path: journalPath + "/replay", Body: map[string]string{"plugin": args[0]},
		})
		if err != nil {
			return output.View{}, err
		}
		v, err := decode[struct{ Replayed, Waiting int }](raw)
		return output.View{JSON: raw, Said: fmt.Sprintf("plugin %s took %d requests; %d still wait", args[0], v.Replayed, v.Waiting)}, err
	})
	return completing(cmd, pluginsPath)
}

func newJournalExportCommand() *cobra.Command {
	var plugin, file string
	cmd := &cobra.Command{
		Use: "export", Short: "Write all that the list shows as JSON, one entry a line", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return exportTo(cmd, file, remote.Request{Path: journalPath + "/export", Query: onlyPlugin(plugin)})
		},
	}
	cmd.Flags().StringVar(&plugin, "plugin", "", "only what waits for this connector")
	toFile(cmd, &file)
	return cmd
}

// toFile gives an export the flag that names its file: --file, or -o as other
// programs have it. An export has one format, so that a word which -o takes
// elsewhere is a slip here and no file's name.
func toFile(cmd *cobra.Command, file *string) {
	cmd.Flags().StringVarP(file, "file", "o", "", "write to this file, which must not exist (default standard output)")
	before := cmd.PreRunE
	cmd.PreRunE = func(cmd *cobra.Command, args []string) error {
		if output.IsFormat(*file) {
			return usageError{fmt.Errorf("an export is always JSON, one object a line: give -o the name of a file, or ./%s when the file is called so", *file)}
		}
		if before != nil {
			return before(cmd, args)
		}
		return nil
	}
}

// exportTo writes what a call answers to a file, or to standard output when
// none is named. A file that is there stays.
func exportTo(cmd *cobra.Command, file string, r remote.Request) (err error) {
	hub, err := remote.FromEnvironment(os.Getenv)
	if err != nil {
		return err
	}
	out := cmd.OutOrStdout()
	if file != "" {
		f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		if err != nil {
			return fmt.Errorf("export: %w", err)
		}
		defer func() { err = errors.Join(err, f.Close()) }()
		out = f
	}
	return hub.Copy(cmd.Context(), r, out)
}
