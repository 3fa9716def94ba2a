package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/channelhub/channelhub/cmd/hub/internal/output"
	"github.com/channelhub/channelhub/cmd/hub/internal/remote"
)

const messagesPath = "/v1/messages"

// messageView is what the tables show of a message.
type messageView struct {
	ID             string       `json:"id"`
	Direction      string       `json:"direction"`
	Author         string       `json:"author"`
	AccountID      string       `json:"account_id"`
	ConversationID string       `json:"conversation_id"`
	Status         string       `json:"status"`
	CreatedAt      string       `json:"created_at"`
	ExpiresAt      string       `json:"expires_at"`
	Attempts       int          `json:"attempts"`
	Content        *contentView `json:"content"`
	Failure        *failureView `json:"failure"`
	Timeline       []stepView   `json:"timeline"`
}

type contentView struct {
	Type string `json:"type"`
	Text string `json:"text"`
}

type failureView struct {
	Code         string `json:"code"`
	ProviderCode string `json:"provider_code"`
	Detail       string `json:"detail"`
}

type stepView struct {
	Status  string `json:"status"`
	At      string `json:"at"`
	Attempt int    `json:"attempt"`
	Outcome string `json:"outcome"`
	Code    string `json:"code"`
}

// addSteps adds a timeline to a table.
func addSteps(g *output.Grid, steps []stepView) {
	for _, s := range steps {
		words := []string{s.At, s.Status}
		if s.Attempt > 0 {
			words = append(words, "attempt "+strconv.Itoa(s.Attempt))
		}
		for _, w := range []string{s.Outcome, s.Code} {
			if w != "" {
				words = append(words, w)
			}
		}
		g.Pair("Step", strings.Join(words, "  "))
	}
}

func newMessageCommand() *cobra.Command {
	return group("message", "Send messages and look them up",
		newMessageSendCommand(), newMessageShowCommand(), newMessageTraceCommand())
}

// sendBody is the body of POST /v1/messages.
type sendBody struct {
	AccountID string `json:"account_id"`
	To        struct {
		ContactID   string `json:"contact_id,omitempty"`
		Address     string `json:"address,omitempty"`
		AddressKind string `json:"address_kind,omitempty"`
	} `json:"to"`
	Content     contentView `json:"content"`
	Author      string      `json:"author,omitempty"`
	ExpireAfter string      `json:"expire_after,omitempty"`
}

// maxText is the hub's bound; more than that is not worth reading in.
const maxText = 64 << 10

func newMessageSendCommand() *cobra.Command {
	body := sendBody{}
	var key string
	var dry bool
	cmd := &cobra.Command{
		Use: "send --account ACCOUNT (--contact CONTACT | --to ADDRESS) --text TEXT", Short: "Send a text to a customer", Args: cobra.NoArgs,
		Long:    "Send a text to a customer, with a token of role client. The message's id goes to standard output once it is durable.\nWith --text - the text is read from standard input.",
		Example: "  hub message send --account acme-wa --to 15551234567 --text 'Hello'",
	}
	cmd = ask(cmd, func(ctx context.Context, hub *remote.Client, _ []string) (output.View, error) {
		if body.Content.Text == "-" {
			text, err := readText(cmd.InOrStdin())
			if err != nil {
				return output.View{}, err
			}
			body.Content.Text = text
		}
		return sendMessage(ctx, hub, body, key, dry)
	})
	body.Content.Type = "text"
	flags := cmd.Flags()
	flags.StringVar(&body.AccountID, "account", "", "the account that sends it")
	flags.StringVar(&body.To.ContactID, "contact", "", "the contact that gets it, by id")
	flags.StringVar(&body.To.Address, "to", "", "the address that gets it")
	flags.StringVar(&body.To.AddressKind, "address-kind", "", "what the address is: phone, psid, wa_id, bsuid or visitor (default the channel's)")
	flags.StringVar(&body.Content.Text, "text", "", "what is said; - reads it from standard input")
	flags.StringVar(&body.Author, "author", "", "who says it: csr, bot or system (default csr)")
	flags.StringVar(&body.ExpireAfter, "expire-after", "", "give up after this, such as 30m (default 24h)")
	flags.StringVar(&key, "idempotency-key", "", "makes a repeat of this very call harmless (default a fresh one)")
	flags.BoolVar(&dry, "dry-run", false, "judge the message and send nothing")
	required(cmd, "account", "text")
	exactlyOne(cmd, "contact", "to")
	return cmd
}

func sendMessage(ctx context.Context, hub *remote.Client, body sendBody, key string, dry bool) (output.View, error) {
	r := remote.Request{Method: http.MethodPost, Path: messagesPath, Body: body, Query: url.Values{}}
	if dry {
		r.Query.Set("dry_run", "true")
		raw, err := hub.Do(ctx, r)
		return output.View{JSON: raw, Said: "the message would be accepted; nothing was sent"}, err
	}
	if key == "" {
		key = "cli-" + rand.Text()
	}
	r.Header = http.Header{"Idempotency-Key": {key}}
	raw, err := hub.Do(ctx, r)
	if err != nil {
		return output.View{}, err
	}
	m, err := decode[messageView](raw)
	return output.View{JSON: raw, Said: "the message is " + m.Status + " in conversation " + m.ConversationID, Line: m.ID}, err
}

func readText(from io.Reader) (string, error) {
	text, err := io.ReadAll(io.LimitReader(from, maxText+1))
	if err != nil {
		return "", fmt.Errorf("read the text: %w", err)
	}
	text = bytes.TrimRight(text, "\r\n")
	switch {
	case len(text) > maxText:
		return "", fmt.Errorf("the text has more than %d bytes", maxText)
	case !utf8.Valid(text):
		return "", errors.New("the text is not UTF-8")
	}
	return string(text), nil
}

func newMessageShowCommand() *cobra.Command {
	return ask(&cobra.Command{
		Use: "show MESSAGE", Short: "Show one message", Args: oneOf("message id"),
		Long: "Show one message with what it says, with a token of role client.",
	}, func(ctx context.Context, hub *remote.Client, args []string) (output.View, error) {
		r := remote.Request{Path: remote.Path(messagesPath, args[0])}
		return oneThing(ctx, hub, r, func(g *output.Grid, m messageView) {
			g.Pair("Message", m.ID)
			g.Pair("Direction", m.Direction)
			g.Pair("Author", m.Author)
			g.Pair("Account", m.AccountID)
			g.Pair("Conversation", m.ConversationID)
			if m.Content != nil {
				g.Pair("Content", m.Content.Type)
				g.Pair("Text", m.Content.Text)
			}
			g.Pair("Status", m.Status)
			if m.Failure != nil {
				g.Pair("Failure", strings.TrimSpace(m.Failure.Code+" "+m.Failure.ProviderCode))
				g.Pair("Detail", m.Failure.Detail)
			}
			g.Pair("Created", m.CreatedAt)
			g.Pair("Expires", m.ExpiresAt)
			addSteps(g, m.Timeline)
		})
	})
}
