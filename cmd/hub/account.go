package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/spf13/cobra"

	"github.com/channelhub/channelhub/cmd/hub/internal/output"
	"github.com/channelhub/channelhub/cmd/hub/internal/remote"
)

const accountsPath = "/admin/v1/accounts"

// accountView is what the tables show of an account.
type accountView struct {
	ID             string          `json:"id"`
	ClientID       string          `json:"client_id"`
	Plugin         string          `json:"plugin"`
	State          string          `json:"state"`
	Detail         string          `json:"detail"`
	Since          string          `json:"since"`
	Enabled        bool            `json:"enabled"`
	Configured     switched        `json:"configured"`
	Override       *byWhom         `json:"override"`
	Config         json.RawMessage `json:"config"`
	Secrets        []string        `json:"secrets"`
	OnUnknownAfter string          `json:"on_unknown_after"`
}

// checkView is what was found when an account was checked.
type checkView struct {
	ID     string         `json:"id"`
	OK     bool           `json:"ok"`
	Faults []remote.Fault `json:"faults"`
	Health string         `json:"health"`
	Detail string         `json:"detail"`
}

func newAccountCommand() *cobra.Command {
	return group("account", "Look at accounts, pause, check and remove them",
		newAccountListCommand(), newAccountShowCommand(),
		newAccountActCommand("pause", "Stop an account until it is resumed", "paused"),
		newAccountActCommand("resume", "Lift an earlier pause", "resumed"),
		newAccountCheckCommand(),
		newAccountRemoveCommand(),
	)
}

func newAccountListCommand() *cobra.Command {
	var client string
	cmd := ask(&cobra.Command{Use: "list", Short: "List accounts", Args: cobra.NoArgs},
		func(ctx context.Context, hub *remote.Client, _ []string) (output.View, error) {
			query := url.Values{}
			if client != "" {
				query.Set("client", client)
			}
			head := []string{"ACCOUNT", "CLIENT", "PLUGIN", "STATE", "ENABLED", "DETAIL"}
			return listOf(ctx, hub, accountsPath, query, head, func(g *output.Grid, a accountView) {
				g.Row(a.ID, a.ClientID, a.Plugin, a.State, yesNo(a.Enabled), a.Detail)
			})
		})
	cmd.Flags().StringVar(&client, "client", "", "only the accounts of this client")
	return cmd
}

func newAccountShowCommand() *cobra.Command {
	cmd := ask(&cobra.Command{Use: "show ACCOUNT", Short: "Show one account", Args: oneOf("account")},
		func(ctx context.Context, hub *remote.Client, args []string) (output.View, error) {
			r := remote.Request{Path: remote.Path(accountsPath, args[0])}
			return oneThing(ctx, hub, r, func(g *output.Grid, a accountView) {
				g.Pair("Account", a.ID)
				g.Pair("Client", a.ClientID)
				g.Pair("Plugin", a.Plugin)
				g.Pair("State", a.State)
				g.Pair("Detail", a.Detail)
				g.Pair("Since", a.Since)
				g.Pair("Enabled", switchWords(a.Enabled, a.Configured, a.Override))
				g.Pair("Settings", string(a.Config))
				g.Pair("Secrets", strings.Join(a.Secrets, ", "))
				g.Pair("On unknown", a.OnUnknownAfter)
			})
		})
	return completing(cmd, accountsPath)
}

func newAccountActCommand(verb, short, done string) *cobra.Command {
	cmd := ask(&cobra.Command{Use: verb + " ACCOUNT", Short: short, Args: oneOf("account")},
		func(ctx context.Context, hub *remote.Client, args []string) (output.View, error) {
			return act(ctx, hub, remote.Path(accountsPath, args[0], verb), func(a accountView) string {
				return fmt.Sprintf("account %s is %s; its state is %s", a.ID, done, a.State)
			})
		})
	return completing(cmd, accountsPath)
}

// unwellError ends a check that found something: the findings were shown.
type unwellError struct{ account string }

func (e unwellError) Error() string {
	return fmt.Sprintf("account %s does not work as it is", e.account)
}

func newAccountCheckCommand() *cobra.Command {
	var found checkView
	cmd := ask(&cobra.Command{
		Use: "check ACCOUNT", Short: "Ask connector and provider whether an account works", Args: oneOf("account"),
		Long: "Ask the connector to judge the account's settings, and the provider whether the account works.\nNothing is changed. The exit code is 1 when something is wrong.",
	}, func(ctx context.Context, hub *remote.Client, args []string) (output.View, error) {
		r := remote.Request{Method: http.MethodPost, Path: remote.Path(accountsPath, args[0], "check")}
		raw, err := hub.Do(ctx, r)
		if err == nil {
			found, err = decode[checkView](raw)
		}
		return output.View{JSON: raw, Table: func() (*output.Grid, error) {
			g := output.NewGrid()
			g.Pair("Account", found.ID)
			g.Pair("Works", yesNo(found.OK))
			g.Pair("Provider", found.Health)
			g.Pair("Detail", found.Detail)
			for _, f := range found.Faults {
				g.Pair("Fault", strings.TrimPrefix(f.Field+": "+f.Detail, ": "))
			}
			return g, nil
		}}, err
	})
	show := cmd.RunE
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := show(cmd, args); err != nil {
			return err
		}
		if !found.OK {
			return unwellError{found.ID}
		}
		return nil
	}
	return completing(cmd, accountsPath)
}
