package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/channelhub/channelhub/cmd/hub/internal/output"
	"github.com/channelhub/channelhub/cmd/hub/internal/remote"
	"github.com/channelhub/channelhub/hub/api/spec/yaml"
)

func newEventCommand() *cobra.Command {
	return group("event", "Watch what happens", newEventTailCommand())
}

// eventView is what a line shows of an event: who wrote stays out of it.
type eventView struct {
	Type           string       `json:"type"`
	AccountID      string       `json:"account_id"`
	ConversationID string       `json:"conversation_id"`
	ReceivedAt     string       `json:"received_at"`
	Author         string       `json:"author"`
	Reason         string       `json:"reason"`
	Message        *messageView `json:"message"`
}

// tail is a running `hub event tail`.
type tail struct {
	hub    *remote.Client
	out    io.Writer
	talk   io.Writer
	format output.Format
	limit  int // 0: none
	seen   int
	last   string // the cursor behind the newest event
}

func newEventTailCommand() *cobra.Command {
	t := &tail{}
	cmd := &cobra.Command{
		Use: "tail", Short: "Show events as they happen", Args: cobra.NoArgs,
		Long: "Show the events of a client as they happen, with a token of role client, beginning behind the last one that the\ntoken's consumer acknowledged. Nothing is acknowledged. JSON is one event a line.",
	}
	t.format.Flag(cmd)
	cmd.Flags().IntVar(&t.limit, "limit", 0, "end after so many events (default none)")
	cmd.RunE = func(cmd *cobra.Command, _ []string) (err error) {
		if t.limit < 0 {
			return usageError{errors.New("--limit must not be negative")}
		}
		if t.hub, err = remote.FromEnvironment(os.Getenv); err != nil {
			return err
		}
		t.out, t.talk = cmd.OutOrStdout(), cmd.ErrOrStderr()
		return t.follow(cmd.Context())
	}
	return cmd
}

// errEnough ends the stream of a tail that has shown enough.
var errEnough = errors.New("enough")

const (
	firstPause = 500 * time.Millisecond
	maxPause   = 10 * time.Second
)

// follow reads the stream and, when it breaks off, goes on behind the last
// event. A first call that fails ends it: then the address or token is wrong.
func (t *tail) follow(ctx context.Context) error {
	pause := firstPause
	for reached := false; ; {
		var shown error
		err := t.hub.Stream(ctx, "/v1/events", t.last, func(e remote.ServerEvent) error {
			reached, pause = true, firstPause
			shown = t.show(e)
			return shown
		})
		reached = reached || errors.Is(err, io.ErrUnexpectedEOF)
		said := "the stream broke off; reading on"
		over, oldest := ctx.Err() != nil || t.enough(), oldestOf(err)
		switch {
		case over:
			return nil
		case shown != nil:
			return shown
		case oldest != "":
			t.last, said = oldest, "events that went by meanwhile are past their retention; reading on at the oldest that is kept"
		case !reached || refusedForGood(err):
			return err
		}
		if _, err := fmt.Fprintln(t.talk, said); err != nil {
			return fmt.Errorf("write: %w", err)
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return nil
		}
		pause = min(2*pause, maxPause)
	}
}

// oldestOf is the cursor to read on with where the place of the last event is
// gone; "" when that is not what is wrong.
func oldestOf(err error) string {
	if p, ok := errors.AsType[*remote.ProblemError](err); ok && p.Status == http.StatusGone {
		return p.Oldest
	}
	return ""
}

// refusedForGood reports whether the hub refused a call that it will not take
// later either.
func refusedForGood(err error) bool {
	p, ok := errors.AsType[*remote.ProblemError](err)
	return ok && p.Status != http.StatusTooManyRequests && p.Status != http.StatusServiceUnavailable
}

func (t *tail) show(e remote.ServerEvent) error {
	var line []byte
	switch t.format {
	case output.JSON:
		line = []byte(e.Data + "\n")
	case output.YAML:
		text, err := yaml.FromJSON([]byte(e.Data))
		if err != nil {
			return err
		}
		line = append([]byte("---\n"), text...)
	case output.Table:
		v, err := decode[eventView](json.RawMessage(e.Data))
		if err != nil {
			return err
		}
		line = []byte(v.line() + "\n")
	}
	if _, err := t.out.Write(line); err != nil {
		return fmt.Errorf("write: %w", err)
	}
	t.last = e.ID
	if t.seen++; t.enough() {
		return errEnough
	}
	return nil
}

// enough reports whether as much was shown as was asked for.
func (t *tail) enough() bool { return t.limit > 0 && t.seen >= t.limit }

func (v eventView) line() string {
	what := v.Reason
	if what == "" {
		what = v.Author
	}
	if m := v.Message; m != nil {
		switch {
		case m.Status != "":
			what = m.ID + " " + m.Status
			if m.Failure != nil {
				what += " " + m.Failure.Code
			}
		case m.Content != nil:
			what = m.Author + ": " + m.Content.Text
			if m.Content.Text == "" {
				what = m.Author + ": [" + m.Content.Type + "]"
			}
		}
	}
	return output.Clean(fmt.Sprintf("%s  %-20s  %s  %s  %s", v.ReceivedAt, v.Type, v.AccountID, v.ConversationID, what))
}
