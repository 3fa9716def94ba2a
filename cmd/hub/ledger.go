package main

import (
	"context"
	"fmt"
	"net/url"

	"github.com/spf13/cobra"

	"github.com/channelhub/channelhub/cmd/hub/internal/output"
	"github.com/channelhub/channelhub/cmd/hub/internal/remote"
)

// ledgerView is a line of the ledger.
type ledgerView struct {
	ClientID     string `json:"client_id"`
	AccountID    string `json:"account_id"`
	Direction    string `json:"direction"`
	Accepted     int    `json:"accepted"`
	Sent         int    `json:"sent"`
	Delivered    int    `json:"delivered"`
	Failed       int    `json:"failed"`
	Expired      int    `json:"expired"`
	DeadLettered int    `json:"dead_lettered"`
	Discarded    int    `json:"discarded"`
	Held         int    `json:"held"`
	Pending      int    `json:"pending"`
	Erased       int    `json:"erased"`
	Missing      int    `json:"missing"`
}

// unbalancedError ends a look at a ledger that does not add up: it was shown.
type unbalancedError struct{ missing int }

func (e unbalancedError) Error() string {
	return fmt.Sprintf("%d accepted things are in no visible state", e.missing)
}

func newLedgerCommand() *cobra.Command {
	return group("ledger", "See what became of everything that was accepted", newLedgerVerifyCommand())
}

func newLedgerVerifyCommand() *cobra.Command {
	var client string
	missing := 0
	cmd := ask(&cobra.Command{
		Use: "verify", Short: "Count every accepted thing by its state", Args: cobra.NoArgs,
		Long: "Count, for each client, account and direction, in which state everything is that was accepted and is within\nretention. The exit code is 1 when something is in none.",
	}, func(ctx context.Context, hub *remote.Client, _ []string) (output.View, error) {
		query := url.Values{}
		if client != "" {
			query.Set("client", client)
		}
		all, err := hub.Patient().All(ctx, "/admin/v1/ledger", query)
		if err != nil {
			return output.View{}, err
		}
		missing = 0
		for _, raw := range all {
			l, err := decode[ledgerView](raw)
			if err != nil {
				return output.View{}, err
			}
			missing += l.Missing
		}
		head := []string{"CLIENT", "ACCOUNT", "DIRECTION", "ACCEPTED", "SENT", "DELIVERED", "FAILED", "EXPIRED", "DEAD", "DISCARDED", "HELD", "PENDING", "ERASED", "MISSING"}
		return viewOf(all, head, func(g *output.Grid, l ledgerView) {
			g.Row(l.ClientID, l.AccountID, l.Direction, l.Accepted, l.Sent, l.Delivered, l.Failed, l.Expired, l.DeadLettered, l.Discarded, l.Held, l.Pending, l.Erased, l.Missing)
		})
	})
	cmd.Flags().StringVar(&client, "client", "", "only this client's")
	show := cmd.RunE
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := show(cmd, args); err != nil {
			return err
		}
		if missing > 0 {
			return unbalancedError{missing}
		}
		return nil
	}
	return cmd
}
