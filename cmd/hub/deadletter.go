package main

import (
	"context"
	"fmt"
	"net/url"

	"github.com/spf13/cobra"

	"github.com/channelhub/channelhub/cmd/hub/internal/output"
	"github.com/channelhub/channelhub/cmd/hub/internal/remote"
)

const deadLettersPath = "/admin/v1/deadletters"

// letterView is what the tables show of a dead letter.
type letterView struct {
	ID            string `json:"id"`
	ClientID      string `json:"client_id"`
	AccountID     string `json:"account_id"`
	Direction     string `json:"direction"`
	MessageID     string `json:"message_id"`
	Reason        string `json:"reason"`
	Attempts      int    `json:"attempts"`
	At            string `json:"at"`
	ExpiresAt     string `json:"expires_at"`
	State         string `json:"state"`
	NotReplayable string `json:"not_replayable"`
}

func newDeadLetterCommand() *cobra.Command {
	return group("deadletter", "Look at what the hub gave up on, replay or discard it",
		newDeadLetterListCommand(), newDeadLetterShowCommand(),
		newDeadLetterActCommand("replay", "Try once more", "Try once more. A message goes back on its lane; what may have reached the customer before may reach them twice."),
		newDeadLetterActCommand("discard", "Give up for good", "Give up for good. A message becomes discarded; the content of what came in is deleted."),
	)
}

func newDeadLetterListCommand() *cobra.Command {
	var client, account string
	cmd := ask(&cobra.Command{Use: "list", Short: "List dead letters, without what they say", Args: cobra.NoArgs},
		func(ctx context.Context, hub *remote.Client, _ []string) (output.View, error) {
			query := url.Values{}
			if client != "" {
				query.Set("client", client)
			}
			if account != "" {
				query.Set("account", account)
			}
			head := []string{"LETTER", "CLIENT", "ACCOUNT", "DIRECTION", "REASON", "ATTEMPTS", "AT", "EXPIRES", "STATE"}
			return listOf(ctx, hub, deadLettersPath, query, head, func(g *output.Grid, d letterView) {
				g.Row(d.ID, d.ClientID, d.AccountID, d.Direction, d.Reason, d.Attempts, d.At, d.ExpiresAt, d.State)
			})
		})
	cmd.Flags().StringVar(&client, "client", "", "only this client's")
	cmd.Flags().StringVar(&account, "account", "", "only this account's")
	return cmd
}

func newDeadLetterShowCommand() *cobra.Command {
	cmd := ask(&cobra.Command{Use: "show LETTER", Short: "Show one dead letter", Args: oneOf("dead letter")},
		func(ctx context.Context, hub *remote.Client, args []string) (output.View, error) {
			r := remote.Request{Path: remote.Path(deadLettersPath, args[0])}
			return oneThing(ctx, hub, r, func(g *output.Grid, d letterView) {
				g.Pair("Letter", d.ID)
				g.Pair("Client", d.ClientID)
				g.Pair("Account", d.AccountID)
				g.Pair("Direction", d.Direction)
				g.Pair("Message", d.MessageID)
				g.Pair("Reason", d.Reason)
				g.Pair("Attempts", d.Attempts)
				g.Pair("At", d.At)
				g.Pair("Expires", d.ExpiresAt)
				g.Pair("State", d.State)
				g.Pair("Not replayable", d.NotReplayable)
			})
		})
	return completing(cmd, deadLettersPath)
}

func newDeadLetterActCommand(verb, short, long string) *cobra.Command {
	cmd := ask(&cobra.Command{Use: verb + " LETTER", Short: short, Long: long, Args: oneOf("dead letter")},
		func(ctx context.Context, hub *remote.Client, args []string) (output.View, error) {
			return act(ctx, hub, remote.Path(deadLettersPath, args[0], verb), func(d letterView) string {
				return fmt.Sprintf("dead letter %s is %s", d.ID, d.State)
			})
		})
	return completing(cmd, deadLettersPath)
}
