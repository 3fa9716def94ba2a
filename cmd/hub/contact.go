package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/channelhub/channelhub/cmd/hub/internal/output"
	"github.com/channelhub/channelhub/cmd/hub/internal/remote"
)

const (
	erasePath    = "/admin/v1/contacts/erase"
	erasuresPath = "/admin/v1/contacts/erasures"
)

// erasureView is what is shown of an erasure.
type erasureView struct {
	ID              string         `json:"id"`
	ClientID        string         `json:"client_id"`
	Step            string         `json:"step"`
	By              string         `json:"by"`
	AskedAt         string         `json:"asked_at"`
	UnreadableAt    string         `json:"unreadable_at"`
	UnrecoverableBy string         `json:"unrecoverable_by"`
	DoneAt          string         `json:"done_at"`
	Removed         map[string]int `json:"removed"`
	Undrained       []struct {
		Plugin    string `json:"plugin"`
		AccountID string `json:"account_id"`
		Entries   int    `json:"entries"`
		EndsAt    string `json:"ends_at"`
	} `json:"undrained"`
	DeadLetters *struct {
		Count  int    `json:"count"`
		EndsAt string `json:"ends_at"`
	} `json:"dead_letters"`
}

func newContactCommand() *cobra.Command {
	return group("contact", "Erase contacts, and read the receipts", newContactEraseCommand(), newContactErasuresCommand(), newContactErasureCommand())
}

func newContactEraseCommand() *cobra.Command {
	var client, address, kind string
	var wait bool
	cmd := ask(&cobra.Command{
		Use: "erase [CONTACT]", Short: "Erase a contact: what was said with it, and that it ever was", Args: cobra.MaximumNArgs(1),
		Long: "Erase a contact, by its id or by one of its addresses. Nothing of it can be read any more within a second, and\nrows and files are gone some ten seconds later. It takes a token of role privacy. There is no way back.",
	}, func(ctx context.Context, hub *remote.Client, args []string) (output.View, error) {
		body := map[string]string{"client_id": client}
		switch {
		case client == "":
			return output.View{}, usageError{errors.New("--client is missing")}
		case (len(args) == 1) == (address != ""):
			return output.View{}, usageError{errors.New("name a contact, or one with --address and --kind")}
		case address != "" && kind == "":
			return output.View{}, usageError{errors.New("--kind is missing: phone, psid, wa_id, bsuid, visitor or a connector's own")}
		case address != "":
			body["address"], body["address_kind"] = address, kind
		default:
			body["contact_id"] = args[0]
		}
		raw, err := hub.Do(ctx, remote.Request{Method: http.MethodPost, Path: erasePath, Body: body})
		if err != nil {
			return output.View{}, err
		}
		v, err := decode[erasureView](raw)
		if err != nil {
			return output.View{}, err
		}
		for wait && v.Step != "done" {
			select {
			case <-time.After(500 * time.Millisecond):
			case <-ctx.Done():
				return output.View{}, ctx.Err()
			}
			if raw, err = hub.Do(ctx, remote.Request{Path: remote.Path(erasuresPath, v.ID)}); err != nil {
				return output.View{}, err
			}
			if v, err = decode[erasureView](raw); err != nil {
				return output.View{}, err
			}
		}
		if wait {
			return receiptOf(raw, v), nil
		}
		return output.View{JSON: raw, Line: v.ID, Said: "the erasure is under way; hub contact erasure ID shows how far that is"}, nil
	})
	cmd.Flags().StringVar(&client, "client", "", "whose contact it is")
	cmd.Flags().StringVar(&address, "address", "", "an address of the contact, instead of its id")
	cmd.Flags().StringVar(&kind, "kind", "", "the kind of the address: phone, psid, wa_id, bsuid, visitor or a connector's own")
	cmd.Flags().BoolVar(&wait, "wait", false, "return once rows and files are gone, and show the receipt")
	return cmd
}

func newContactErasureCommand() *cobra.Command {
	return ask(&cobra.Command{Use: "erasure ID", Short: "Show how far an erasure is, and its receipt", Args: oneOf("erasure")},
		func(ctx context.Context, hub *remote.Client, args []string) (output.View, error) {
			raw, err := hub.Do(ctx, remote.Request{Path: remote.Path(erasuresPath, args[0])})
			if err != nil {
				return output.View{}, err
			}
			v, err := decode[erasureView](raw)
			return receiptOf(raw, v), err
		})
}

func newContactErasuresCommand() *cobra.Command {
	return ask(&cobra.Command{Use: "erasures", Short: "List erasures", Args: cobra.NoArgs},
		func(ctx context.Context, hub *remote.Client, _ []string) (output.View, error) {
			head := []string{"ERASURE", "CLIENT", "STEP", "BY", "ASKED", "UNREADABLE", "DONE"}
			return listOf(ctx, hub, erasuresPath, nil, head, func(g *output.Grid, e erasureView) {
				g.Row(e.ID, e.ClientID, e.Step, e.By, e.AskedAt, e.UnreadableAt, e.DoneAt)
			})
		})
}

// receiptOf shows how far an erasure is, and what is left for later.
func receiptOf(raw json.RawMessage, v erasureView) output.View {
	return output.View{JSON: raw, Table: func() (*output.Grid, error) {
		g := output.NewGrid()
		g.Pair("Erasure", v.ID)
		g.Pair("Client", v.ClientID)
		g.Pair("Step", v.Step)
		g.Pair("By", v.By)
		g.Pair("Asked", v.AskedAt)
		g.Pair("Unreadable", v.UnreadableAt)
		g.Pair("Unrecoverable by", v.UnrecoverableBy)
		g.Pair("Done", v.DoneAt)
		for _, name := range slices.Sorted(maps.Keys(v.Removed)) {
			g.Pair("Removed "+strings.ReplaceAll(name, "_", " "), v.Removed[name])
		}
		for _, u := range v.Undrained {
			g.Pair("Not taken yet", fmt.Sprintf("%d requests for %s, gone by %s", u.Entries, strings.TrimSuffix(u.Plugin+"/"+u.AccountID, "/"), u.EndsAt))
		}
		if d := v.DeadLetters; d != nil {
			g.Pair("Never taken", fmt.Sprintf("%d dead letters of its accounts, gone by %s", d.Count, d.EndsAt))
		}
		return g, nil
	}}
}
