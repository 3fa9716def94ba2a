package main

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/channelhub/channelhub/cmd/hub/internal/output"
	"github.com/channelhub/channelhub/cmd/hub/internal/remote"
	"github.com/channelhub/channelhub/hub/audit"
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
	Count   uint64 `json:"count"`
}

// auditVerdict is what the table shows of a verification.
type auditVerdict struct {
	OK        bool         `json:"ok"`
	Rows      uint64       `json:"rows"`
	Floor     uint64       `json:"floor"`
	Head      uint64       `json:"head"`
	Hash      string       `json:"hash"`
	PublicKey string       `json:"public_key"`
	Faults    []auditFault `json:"faults"`
}

type auditFault struct {
	N    uint64 `json:"n"`
	What string `json:"what"`
}

func newAuditCommand() *cobra.Command {
	return group("audit", "Look at what was done to the hub, and by whom", newAuditListCommand(), newAuditVerifyCommand(), newAuditExportCommand())
}

var auditHead = []string{"N", "AT", "ACTOR", "ROLE", "ACTION", "SUBJECT", "OUTCOME", "COUNT"}

func auditRow(g *output.Grid, e auditView) {
	count := ""
	if e.Count > 0 {
		count = strconv.FormatUint(e.Count, 10)
	}
	g.Row(e.N, e.At, e.Actor, e.Role, e.Action, e.Subject, e.Outcome, count)
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
		return listOf(ctx, hub, auditPath, q, auditHead, auditRow)
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
	var file, key string
	var format output.Format
	cmd := &cobra.Command{
		Use: "verify", Short: "Read the whole log and name rows that were changed, dropped, swapped or cut off", Args: cobra.NoArgs,
		Long: "Read the whole log and name rows that were changed, dropped, swapped or cut off. It ends with 1 when there are any.\n" +
			"Keep head, hash and public key elsewhere: a table that was set back as a whole matches itself.\n" +
			"With --file it judges an export and asks no hub; name the hub's --public-key then, since whoever writes an\n" +
			"export anew can sign it with a key of their own.",
	}
	format.Flag(cmd)
	cmd.Flags().StringVar(&file, "file", "", "judge this export instead, without a hub")
	cmd.Flags().StringVar(&key, "public-key", "", "with --file: the key, in hex, that the checkpoint must be signed with")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		var view output.View
		var err error
		switch {
		case file != "":
			view, err = working(cmd, func() (output.View, error) { return fileVerdict(file, key) })
		case key != "":
			return usageError{errors.New("--public-key goes with --file")}
		default:
			var hub *remote.Client
			if hub, err = remote.FromEnvironment(os.Getenv); err == nil {
				view, err = working(cmd, func() (output.View, error) {
					return oneThing(cmd.Context(), hub.Patient(), remote.Request{Path: auditPath + "/verify"}, showVerdict)
				})
			}
		}
		if err != nil {
			return err
		}
		v, err := decode[auditVerdict](view.JSON)
		if err != nil {
			return err
		}
		out := cmd.OutOrStdout()
		if err := view.Print(out, cmd.ErrOrStderr(), format, output.StyleFor(out, os.Getenv)); err != nil {
			return err
		}
		if !v.OK {
			return fmt.Errorf("the audit log does not hold: %d faults", len(v.Faults))
		}
		return nil
	}
	return cmd
}

func showVerdict(g *output.Grid, v auditVerdict) {
	g.Pair("Rows", v.Rows)
	if v.Floor > 0 {
		g.Pair("Trimmed to", v.Floor)
	}
	g.Pair("Head", v.Head)
	g.Pair("Hash", v.Hash)
	g.Pair("Public key", v.PublicKey)
	for _, f := range v.Faults {
		g.Pair("Fault", f.What)
	}
}

// fileVerdict judges an export.
func fileVerdict(name, key string) (output.View, error) {
	f, err := os.Open(name)
	if err != nil {
		return output.View{}, fmt.Errorf("verify export: %w", err)
	}
	defer func() { _ = f.Close() }() // it was only read
	report, err := audit.VerifyExport(f)
	if err != nil {
		return output.View{}, err
	}
	v := auditVerdict{
		Rows: report.Rows, Floor: report.Floor, Head: report.Head, Hash: hex.EncodeToString(report.Hash[:]),
		PublicKey: report.PublicKey, Faults: []auditFault{},
	}
	if key != "" && !strings.EqualFold(key, report.PublicKey) {
		v.Faults = append(v.Faults, auditFault{What: "the checkpoint is signed with another key"})
	}
	for _, f := range report.Faults {
		v.Faults = append(v.Faults, auditFault(f))
	}
	v.OK = len(v.Faults) == 0
	raw, err := json.Marshal(v)
	return output.View{JSON: raw, Table: func() (*output.Grid, error) {
		g := output.NewGrid()
		showVerdict(g, v)
		return g, nil
	}}, err
}

func newAuditExportCommand() *cobra.Command {
	var to destination
	cmd := &cobra.Command{
		Use: "export", Short: "Write the whole log as JSON, one row a line", Args: cobra.NoArgs,
		Long: "Write the whole log as JSON: first the signed checkpoint, then every row. It takes a token of role auditor.\n" +
			"hub audit verify --file checks it, anywhere. A table shows the rows alone.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return exportTo(cmd, &to, remote.Request{Path: auditPath + "/export"}, auditHead, func(g *output.Grid, e auditView) {
				if e.N > 0 { // 0 is the checkpoint
					auditRow(g, e)
				}
			})
		},
	}
	to.flags(cmd)
	return cmd
}
