package main

import (
	"context"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/channelhub/channelhub/cmd/hub/internal/output"
	"github.com/channelhub/channelhub/cmd/hub/internal/remote"
)

const retentionPath = "/admin/v1/retention"

// retentionView is what the table shows of a client's retention.
type retentionView struct {
	ClientID string            `json:"client_id"`
	Policy   map[string]string `json:"policy"`
	Forecast []struct {
		Within      string `json:"within"`
		Messages    int    `json:"messages"`
		Undelivered int    `json:"undelivered"`
		DeadLetters int    `json:"dead_letters"`
		Attachments int    `json:"attachments"`
		Partial     bool   `json:"partial"`
	} `json:"forecast"`
	Lateness map[string]float64 `json:"lateness_seconds"`
}

// sweepView is what a sweep came to.
type sweepView struct {
	Removed map[string]int `json:"removed"`
}

func newRetentionCommand() *cobra.Command {
	return group("retention", "Look at what goes when, and remove what has ended",
		newRetentionStatusCommand(), newRetentionRunCommand())
}

func newRetentionStatusCommand() *cobra.Command {
	var client string
	cmd := ask(&cobra.Command{
		Use: "status", Short: "Show what each client's data lives by, and what goes when", Args: cobra.NoArgs,
		Long: "Show what each client's data lives by, and how much ends within an hour, a day and a week.\nA + behind a number says that there may be more. LATE is the longest that anything was past its end and not removed.",
	}, func(ctx context.Context, hub *remote.Client, _ []string) (output.View, error) {
		query := url.Values{}
		if client != "" {
			query.Set("client", client)
		}
		head := []string{"CLIENT", "CLASS", "KEPT", "1H", "24H", "7D", "LATE"}
		return listOf(ctx, hub.Patient(), retentionPath, query, head, func(g *output.Grid, v retentionView) {
			for _, class := range slices.Sorted(maps.Keys(v.Policy)) {
				row := []any{v.ClientID, class, v.Policy[class]}
				for i := range 3 {
					row = append(row, v.goes(class, i))
				}
				late := ""
				if seconds, known := v.Lateness[class]; known {
					late = fmt.Sprintf("%.0fs", seconds)
				}
				g.Row(append(row, late)...)
			}
		})
	})
	cmd.Flags().StringVar(&client, "client", "", "only this client")
	return cmd
}

// goes is how much of a class ends within the ith time; empty where nothing is
// forecast.
func (v retentionView) goes(class string, i int) string {
	if i >= len(v.Forecast) {
		return ""
	}
	f := v.Forecast[i]
	n, ok := map[string]int{
		"messages": f.Messages, "undelivered": f.Undelivered, "dead_letters": f.DeadLetters, "attachments": f.Attachments,
	}[class]
	switch {
	case !ok:
		return ""
	case f.Partial:
		return fmt.Sprint(n, "+")
	}
	return fmt.Sprint(n)
}

func newRetentionRunCommand() *cobra.Command {
	return ask(&cobra.Command{
		Use: "run", Short: "Remove now what has ended", Args: cobra.NoArgs,
		Long: "Remove now what has ended. The hub does so by itself every minute; what has ended is unreadable before that.",
	}, func(ctx context.Context, hub *remote.Client, _ []string) (output.View, error) {
		return act(ctx, hub.Patient(), retentionPath+"/run", func(v sweepView) string {
			var parts []string
			for _, class := range slices.Sorted(maps.Keys(v.Removed)) {
				if n := v.Removed[class]; n > 0 {
					parts = append(parts, fmt.Sprintf("%d %s", n, class))
				}
			}
			if len(parts) == 0 {
				return "nothing had ended"
			}
			return "removed: " + strings.Join(parts, ", ")
		})
	})
}
