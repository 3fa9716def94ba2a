package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/spf13/cobra"

	"github.com/channelhub/channelhub/cmd/hub/internal/output"
	"github.com/channelhub/channelhub/cmd/hub/internal/remote"
)

const tokensPath = "/admin/v1/tokens"

// tokenView is what the tables show of a token.
type tokenView struct {
	ID         string `json:"id"`
	Role       string `json:"role"`
	ClientID   string `json:"client_id"`
	Consumer   string `json:"consumer"`
	Configured bool   `json:"configured"`
	ExpiresAt  string `json:"expires_at"`
	RevokedAt  string `json:"revoked_at"`
	Token      string `json:"token"` // of a new one
}

func newTokenCommand() *cobra.Command {
	return group("token", "Make, list and revoke API tokens",
		newTokenCreateCommand(), newTokenListCommand(), newTokenRevokeCommand())
}

func newTokenCreateCommand() *cobra.Command {
	body := struct {
		Role         string `json:"role"`
		ClientID     string `json:"client_id,omitempty"`
		Consumer     string `json:"consumer,omitempty"`
		ExpiresAfter string `json:"expires_after,omitempty"`
	}{}
	cmd := ask(&cobra.Command{
		Use: "create --role ROLE", Short: "Make a token", Args: cobra.NoArgs,
		Long:    "Make a token. It goes to standard output, this once: the hub keeps only its hash.",
		Example: "  export HUB_TOKEN=$(hub token create --role client --client acme --expires-after 90d)",
	}, func(ctx context.Context, hub *remote.Client, _ []string) (output.View, error) {
		raw, err := hub.Do(ctx, remote.Request{Method: http.MethodPost, Path: tokensPath, Body: body})
		if err != nil {
			return output.View{}, err
		}
		t, err := decode[tokenView](raw)
		said := fmt.Sprintf("token %s for role %s was made; it is not shown again", t.ID, t.Role)
		return output.View{JSON: raw, Said: said, Line: t.Token}, err
	})
	flags := cmd.Flags()
	flags.StringVar(&body.Role, "role", "", "configurator, operator, privacy, key-admin, auditor or client")
	flags.StringVar(&body.ClientID, "client", "", "the client that a token of role client belongs to")
	flags.StringVar(&body.Consumer, "consumer", "", "the name that its acknowledgements are kept under (default the token's id)")
	flags.StringVar(&body.ExpiresAfter, "expires-after", "", "when it ends, such as 90d or 12h (default never)")
	required(cmd, "role")
	return cmd
}

func newTokenListCommand() *cobra.Command {
	return ask(&cobra.Command{Use: "list", Short: "List tokens, configured and made", Args: cobra.NoArgs},
		func(ctx context.Context, hub *remote.Client, _ []string) (output.View, error) {
			head := []string{"TOKEN", "ROLE", "CLIENT", "CONSUMER", "FROM", "EXPIRES", "REVOKED"}
			return listOf(ctx, hub, tokensPath, nil, head, func(g *output.Grid, t tokenView) {
				from := "api"
				if t.Configured {
					from = "configuration"
				}
				g.Row(t.ID, t.Role, t.ClientID, t.Consumer, from, t.ExpiresAt, t.RevokedAt)
			})
		})
}

func newTokenRevokeCommand() *cobra.Command {
	cmd := ask(&cobra.Command{Use: "revoke TOKEN-ID", Short: "Revoke a token for good", Args: oneOf("token id")},
		func(ctx context.Context, hub *remote.Client, args []string) (output.View, error) {
			path := remote.Path(tokensPath, args[0])
			if _, err := hub.Do(ctx, remote.Request{Method: http.MethodDelete, Path: path}); err != nil {
				return output.View{}, err
			}
			raw, err := hub.Do(ctx, remote.Request{Path: path})
			if err != nil {
				// It may have been our own. It is revoked, whoever can look.
				raw, err = json.Marshal(map[string]string{"id": args[0]})
			}
			return output.View{JSON: raw, Said: "token " + args[0] + " is revoked"}, err
		})
	return completing(cmd, tokensPath)
}
