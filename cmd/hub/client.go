package main

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/channelhub/channelhub/cmd/hub/internal/output"
	"github.com/channelhub/channelhub/cmd/hub/internal/remote"
)

const clientsPath = "/admin/v1/clients"

// clientView is what the tables show of a client.
type clientView struct {
	ID        string            `json:"id"`
	Name      string            `json:"name"`
	Delivery  string            `json:"delivery"`
	Retention map[string]string `json:"retention"`
	Accounts  []string          `json:"accounts"`
}

func newClientCommand() *cobra.Command {
	return group("client", "Look at clients, give them buckets, remove them",
		newClientListCommand(), newClientShowCommand(), newClientAddCommand(), newClientRemoveCommand(), newRemovalsCommand())
}

func newClientListCommand() *cobra.Command {
	return ask(&cobra.Command{Use: "list", Short: "List the clients", Args: cobra.NoArgs},
		func(ctx context.Context, hub *remote.Client, _ []string) (output.View, error) {
			head := []string{"CLIENT", "NAME", "DELIVERY", "ACCOUNTS"}
			return listOf(ctx, hub, clientsPath, nil, head, func(g *output.Grid, c clientView) {
				g.Row(c.ID, c.Name, c.Delivery, len(c.Accounts))
			})
		})
}

func newClientShowCommand() *cobra.Command {
	cmd := ask(&cobra.Command{Use: "show CLIENT", Short: "Show one client", Args: oneOf("client")},
		func(ctx context.Context, hub *remote.Client, args []string) (output.View, error) {
			r := remote.Request{Path: remote.Path(clientsPath, args[0])}
			return oneThing(ctx, hub, r, func(g *output.Grid, c clientView) {
				g.Pair("Client", c.ID)
				g.Pair("Name", c.Name)
				g.Pair("Delivery", c.Delivery)
				g.Pair("Accounts", strings.Join(c.Accounts, ", "))
				for _, class := range slices.Sorted(maps.Keys(c.Retention)) {
					g.Pair("Keeps "+class, c.Retention[class])
				}
			})
		})
	return completing(cmd, clientsPath)
}
