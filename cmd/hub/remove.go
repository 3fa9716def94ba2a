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

const removalsPath = "/admin/v1/removals"

// removalView is what is shown of a removal.
type removalView struct {
	ID       string         `json:"id"`
	ClientID string         `json:"client_id"`
	Step     string         `json:"step"`
	By       string         `json:"by"`
	AskedAt  string         `json:"asked_at"`
	DoneAt   string         `json:"done_at"`
	Removed  map[string]int `json:"removed"`
}

// orderRemoval has the running hub remove something.
func orderRemoval(ctx context.Context, hub *remote.Client, path string, query url.Values) (output.View, error) {
	raw, err := hub.Do(ctx, remote.Request{Method: http.MethodDelete, Path: path, Query: query})
	if err != nil {
		return output.View{}, err
	}
	v, err := decode[removalView](raw)
	return output.View{JSON: raw, Said: fmt.Sprintf("%s is being removed; hub client removals shows how far that is", v.ID)}, err
}

func newAccountRemoveCommand() *cobra.Command {
	var client string
	cmd := ask(&cobra.Command{
		Use: "remove ACCOUNT", Short: "Remove everything of an account that has left the configuration", Args: oneOf("account"),
		Long: "Have the hub remove the conversations, files, dead letters and state of an account, and the contacts that no\nother account of its client knows. The account must have left the configuration first. There is no way back.",
	}, func(ctx context.Context, hub *remote.Client, args []string) (output.View, error) {
		query := url.Values{}
		if client != "" {
			query.Set("client", client)
		}
		return orderRemoval(ctx, hub, remote.Path(accountsPath, args[0]), query)
	})
	cmd.Flags().StringVar(&client, "client", "", "whose account it was, if several clients have had one of this id")
	return cmd
}

func newRemovalsCommand() *cobra.Command {
	return ask(&cobra.Command{Use: "removals", Short: "List removals of clients and accounts", Args: cobra.NoArgs},
		func(ctx context.Context, hub *remote.Client, _ []string) (output.View, error) {
			head := []string{"REMOVED", "CLIENT", "STEP", "BY", "ASKED", "DONE", "CONTACTS", "MESSAGES", "EVENTS", "ATTACHMENTS"}
			return listOf(ctx, hub, removalsPath, nil, head, func(g *output.Grid, m removalView) {
				g.Row(m.ID, m.ClientID, m.Step, m.By, m.AskedAt, m.DoneAt, m.Removed["contacts"], m.Removed["messages"], m.Removed["events"], m.Removed["attachments"])
			})
		})
}

// newClientRemoveCommand removes a client's bucket under credentials of its
// own when it is given the configuration; else the running hub removes the
// client's rows and keys.
func newClientRemoveCommand() *cobra.Command {
	bucket := newBucketRemoveCommand()
	rows := ask(&cobra.Command{}, func(ctx context.Context, hub *remote.Client, args []string) (output.View, error) {
		return orderRemoval(ctx, hub, remote.Path(clientsPath, args[0]), nil)
	})
	cmd := &cobra.Command{
		Use: "remove CLIENT", Short: "Remove everything of a client that has left the configuration", Args: oneOf("client"),
		Long: "Have the hub remove all accounts of a client with everything in them, its tokens, its feed and its keys. The client\nmust have left the configuration first. There is no way back.\n\nWith --config, remove the client's bucket in S3 instead: that is done beside the hub, with credentials of its own,\nand comes second.",
	}
	for _, flags := range []*cobra.Command{bucket, rows} {
		cmd.Flags().AddFlagSet(flags.Flags())
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		chosen := rows
		if cmd.Flags().Changed("config") || cmd.Flags().Changed("role-arn") {
			chosen = bucket
		}
		chosen.SetContext(cmd.Context())
		chosen.SetOut(cmd.OutOrStdout())
		chosen.SetErr(cmd.ErrOrStderr())
		if chosen.PreRunE != nil {
			if err := chosen.PreRunE(cmd, args); err != nil {
				return err
			}
		}
		return chosen.RunE(chosen, args)
	}
	return cmd
}
