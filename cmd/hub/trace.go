package main

import (
	"context"
	"fmt"
	"net/url"

	"github.com/spf13/cobra"

	"github.com/channelhub/channelhub/cmd/hub/internal/output"
	"github.com/channelhub/channelhub/cmd/hub/internal/remote"
)

// traceView is what the table shows of a trace.
type traceView struct {
	ID             string         `json:"id"`
	ClientID       string         `json:"client_id"`
	AccountID      string         `json:"account_id"`
	ConversationID string         `json:"conversation_id"`
	Direction      string         `json:"direction"`
	Traceparent    string         `json:"traceparent"`
	ContentUntil   string         `json:"content_until"`
	Inbound        *inboundTrace  `json:"inbound"`
	Outbound       *outboundTrace `json:"outbound"`
}

type inboundTrace struct {
	EventID     string `json:"event_id"`
	EventType   string `json:"event_type"`
	Number      uint64 `json:"number"`
	ReceivedAt  string `json:"received_at"`
	CommittedAt string `json:"committed_at"`
}

type outboundTrace struct {
	Status       string       `json:"status"`
	CreatedAt    string       `json:"created_at"`
	ExpiresAt    string       `json:"expires_at"`
	Attempts     int          `json:"attempts"`
	NextTry      string       `json:"next_try"`
	HeldUntil    string       `json:"held_until"`
	Code         string       `json:"code"`
	ProviderCode string       `json:"provider_code"`
	Open         *openAttempt `json:"open"`
	Timeline     []stepView   `json:"timeline"`
}

type openAttempt struct {
	Attempt   int    `json:"attempt"`
	Owner     string `json:"owner"`
	SendUntil string `json:"send_until"`
}

func newMessageTraceCommand() *cobra.Command {
	var client string
	cmd := ask(&cobra.Command{
		Use: "trace MESSAGE", Short: "Show the way of a message through the hub", Args: oneOf("message id"),
		Long: "Show the way of a message through the hub: states, attempts, times and codes, and nothing of what it says.\nIt takes a token of role operator.",
	}, func(ctx context.Context, hub *remote.Client, args []string) (output.View, error) {
		r := remote.Request{Path: remote.Path("/admin/v1/messages", args[0], "trace"), Query: url.Values{}}
		if client != "" {
			r.Query.Set("client", client)
		}
		return oneThing(ctx, hub, r, func(g *output.Grid, t traceView) {
			g.Pair("Message", t.ID)
			g.Pair("Client", t.ClientID)
			g.Pair("Account", t.AccountID)
			g.Pair("Conversation", t.ConversationID)
			g.Pair("Direction", t.Direction)
			g.Pair("Trace", t.Traceparent)
			g.Pair("Content until", t.ContentUntil)
			if t.Inbound != nil {
				t.Inbound.add(g)
			}
			if t.Outbound != nil {
				t.Outbound.add(g)
			}
		})
	})
	cmd.Flags().StringVar(&client, "client", "", "the client whose message it is (default all are asked)")
	return cmd
}

func (t *inboundTrace) add(g *output.Grid) {
	g.Pair("Event", t.EventID)
	g.Pair("Type", t.EventType)
	g.Pair("Number", t.Number)
	g.Pair("Received", t.ReceivedAt)
	g.Pair("Committed", t.CommittedAt)
}

func (t *outboundTrace) add(g *output.Grid) {
	g.Pair("Status", t.Status)
	g.Pair("Code", t.Code)
	g.Pair("Provider code", t.ProviderCode)
	g.Pair("Created", t.CreatedAt)
	g.Pair("Expires", t.ExpiresAt)
	g.Pair("Attempts", t.Attempts)
	g.Pair("Next try", t.NextTry)
	g.Pair("Held until", t.HeldUntil)
	if t.Open != nil {
		g.Pair("Under way", fmt.Sprintf("attempt %d by %s until %s", t.Open.Attempt, t.Open.Owner, t.Open.SendUntil))
	}
	addSteps(g, t.Timeline)
}
