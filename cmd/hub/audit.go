package main

import (
	"context"
	"fmt"
	"net/url"

	"github.com/spf13/cobra"

	"github.com/channelhub/channelhub/cmd/hub/internal/output"
	"github.com/channelhub/channelhub/cmd/hub/internal/remote"
)

const auditPath = "/admin/v1/audit"

// auditView is what the table shows of an act.
type auditView struct {
	N       uint64 `json:"n"`
	At      string `json:"at"`
	Actor   string `json:"actor"`
	Role    string `json:"role"`
	Action  string `json:"action"`
	Subject string `json:"subject"`
	Outcome string `json:"outcome"`
}

// auditVerdict is what the table shows of a verification.
type auditVerdict struct {
	OK        bool   `json:"ok"`
	Rows      uint64 `json:"rows"`
	Head      uint64 `json:"head"`
	Hash      string `json:"hash"`
	PublicKey string `json:"public_key"`
	Faults    []struct {
		N    uint64 `json:"n"`
		What string `json:"what"`
	} `json:"faults"`
}

func newAuditCommand() *cobra.Command {
	return group("audit", "Look at what was done to the hub, and by whom", newAuditListCommand(), newAuditVerifyCommand())
}

func newAuditListCommand() *cobra.Command {
	filters := map[string]*string{}
	cmd := ask(&cobra.Command{
		Use: "list", Short: "List acts, newest first", Args: cobra.NoArgs,
		Long: "List acts, newest first. It takes a token of role auditor.",
	}, func(ctx context.Context, hub *remote.Client, _ []string) (output.View, error) {
		q := url.Values{}
		for name, value := range filters {
			if *value != "" {
				q.Set(name, *value)
			}
		}
		head := []string{"N", "AT", "ACTOR", "ROLE", "ACTION", "SUBJECT", "OUTCOME"}
		return listOf(ctx, hub, auditPath, q, head, func(g *output.Grid, e auditView) {
			g.Row(e.N, e.At, e.Actor, e.Role, e.Action, e.Subject, e.Outcome)
		})
	})
	for name, what := range map[string]string{
		"order": "newest or oldest first (default newest)", "since": "not before this time", "until": "before this time",
		"actor": "only acts of this token", "action": "only this action, such as token.create",
	} {
		filters[name] = cmd.Flags().String(name, "", what)
	}
	return cmd
}

func newAuditVerifyCommand() *cobra.Command {
	var bad error
	cmd := ask(&cobra.Command{
		Use: "verify", Short: "Read the whole log and name rows that were changed, dropped, swapped or cut off", Args: cobra.NoArgs,
		Long: "Read the whole log and name rows that were changed, dropped, swapped or cut off. It ends with 1 when there are any.\n" +
			"Keep head, hash and public key elsewhere: a table that was set back as a whole matches itself.",
	}, func(ctx context.Context, hub *remote.Client, _ []string) (output.View, error) {
		view, err := oneThing(ctx, hub, remote.Request{Path: auditPath + "/verify"}, func(g *output.Grid, v auditVerdict) {
			g.Pair("Rows", v.Rows)
			g.Pair("Head", v.Head)
			g.Pair("Hash", v.Hash)
			g.Pair("Public key", v.PublicKey)
			for _, f := range v.Faults {
				g.Pair("Fault", f.What)
			}
		})
		if err != nil {
			return view, err
		}
		v, err := decode[auditVerdict](view.JSON)
		if err == nil && !v.OK {
			bad = fmt.Errorf("the audit log does not hold: %d faults", len(v.Faults))
		}
		return view, err
	})
	show := cmd.RunE
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := show(cmd, args); err != nil {
			return err
		}
		return bad
	}
	return cmd
}
