package main

import (
	"context"
	"fmt"
	"net/http"
	"net/url"

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

var journalHead = []string{"ENTRY", "PLUGIN", "ACCOUNT", "MOUNT", "RECEIVED", "EXPIRES", "BYTES"}

func journalRow(g *output.Grid, e journalView) {
	g.Row(e.ID, e.Plugin, e.AccountID, e.Mount, e.ReceivedAt, e.ExpiresAt, e.Bytes)
}

func newJournalListCommand() *cobra.Command {
	var plugin string
	cmd := ask(&cobra.Command{Use: "list", Short: "List what waits, without what it says", Args: cobra.NoArgs},
		func(ctx context.Context, hub *remote.Client, _ []string) (output.View, error) {
			return listOf(ctx, hub, journalPath, onlyPlugin(plugin), journalHead, journalRow)
		})
	cmd.Flags().StringVar(&plugin, "plugin", "", "only what waits for this connector")
	return cmd
}

func newJournalReplayCommand() *cobra.Command {
	cmd := ask(&cobra.Command{
		Use: "replay PLUGIN", Short: "Hand what waits over to a connector now", Args: oneOf("plugin"),
		Long: "Hand what waits over to a connector now. The hub does so by itself once the connector is back.",
	}, func(ctx context.Context, hub *remote.Client, args []string) (output.View, error) {
		raw, err := hub.Patient().Do(ctx, remote.Request{
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
	var plugin string
	var to destination
	cmd := &cobra.Command{
		Use: "export", Short: "Write all that the list shows as JSON, one entry a line", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return exportTo(cmd, &to, remote.Request{Path: journalPath + "/export", Query: onlyPlugin(plugin)}, journalHead, journalRow)
		},
	}
	cmd.Flags().StringVar(&plugin, "plugin", "", "only what waits for this connector")
	to.flags(cmd)
	return cmd
}
