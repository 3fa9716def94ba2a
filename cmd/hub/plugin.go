package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/channelhub/channelhub/cmd/hub/internal/output"
	"github.com/channelhub/channelhub/cmd/hub/internal/remote"
)

const pluginsPath = "/admin/v1/plugins"

// pluginView is what the tables show of a plugin.
type pluginView struct {
	ID         string   `json:"id"`
	State      string   `json:"state"`
	Enabled    bool     `json:"enabled"`
	Configured switched `json:"configured"`
	Override   *byWhom  `json:"override"`
	Path       string   `json:"path"`
	Channel    string   `json:"channel"`
	Version    string   `json:"version"`
	Summary    string   `json:"summary"`
	DocsURL    string   `json:"docs_url"`
	Can        []string `json:"can"`
	SHA256     string   `json:"sha256"`
	PID        int      `json:"pid"`
	Since      string   `json:"since"`
	NextStart  string   `json:"next_start"`
	Restarts   int      `json:"restarts"`
	LastFault  string   `json:"last_fault"`
	Accounts   []string `json:"accounts"`
}

// switched is what configuration says of a switch.
type switched struct {
	Enabled bool   `json:"enabled"`
	Where   string `json:"where"`
}

// byWhom is an override.
type byWhom struct {
	By string `json:"by"`
	At string `json:"at"`
}

// switchWords says whether something is on, and who says so.
func switchWords(on bool, file switched, o *byWhom) string {
	switch {
	case on:
		return "yes"
	case o != nil:
		return fmt.Sprintf("no: switched off by %s at %s", o.By, o.At)
	}
	return "no: configured at " + file.Where
}

func newPluginCommand() *cobra.Command {
	return group("plugin", "Look at connectors and operate them",
		newPluginListCommand(), newPluginInfoCommand(),
		newPluginActCommand("enable", "Lift an earlier disable", "enabled"),
		newPluginActCommand("disable", "Drain a connector and keep it away until it is enabled", "disabled"),
		newPluginActCommand("restart", "Swap a fresh process in, without losing anything", "restarted"),
		newPluginActCommand("release", "End a quarantine or a back-off", "released"),
	)
}

func newPluginListCommand() *cobra.Command {
	return ask(&cobra.Command{Use: "list", Short: "List the configured connectors", Args: cobra.NoArgs},
		func(ctx context.Context, hub *remote.Client, _ []string) (output.View, error) {
			head := []string{"PLUGIN", "STATE", "ENABLED", "VERSION", "RESTARTS", "ACCOUNTS"}
			return listOf(ctx, hub, pluginsPath, nil, head, func(g *output.Grid, p pluginView) {
				g.Row(p.ID, p.State, yesNo(p.Enabled), p.Version, p.Restarts, len(p.Accounts))
			})
		})
}

func newPluginInfoCommand() *cobra.Command {
	cmd := ask(&cobra.Command{Use: "info PLUGIN", Short: "Show one connector", Args: oneOf("plugin")},
		func(ctx context.Context, hub *remote.Client, args []string) (output.View, error) {
			r := remote.Request{Path: remote.Path(pluginsPath, args[0])}
			return oneThing(ctx, hub, r, func(g *output.Grid, p pluginView) {
				g.Pair("Plugin", p.ID)
				g.Pair("State", p.State)
				g.Pair("Since", p.Since)
				g.Pair("Enabled", switchWords(p.Enabled, p.Configured, p.Override))
				g.Pair("Channel", p.Channel)
				g.Pair("Version", p.Version)
				g.Pair("Summary", p.Summary)
				g.Pair("Documentation", p.DocsURL)
				g.Pair("Program", p.Path)
				g.Pair("SHA-256", p.SHA256)
				if p.PID != 0 {
					g.Pair("Process", p.PID)
				}
				g.Pair("Can", strings.Join(p.Can, ", "))
				g.Pair("Restarts", p.Restarts)
				g.Pair("Next start", p.NextStart)
				g.Pair("Last fault", p.LastFault)
				g.Pair("Accounts", strings.Join(p.Accounts, ", "))
			})
		})
	return completing(cmd, pluginsPath)
}

func newPluginActCommand(verb, short, done string) *cobra.Command {
	cmd := ask(&cobra.Command{Use: verb + " PLUGIN", Short: short, Args: oneOf("plugin")},
		func(ctx context.Context, hub *remote.Client, args []string) (output.View, error) {
			return act(ctx, hub.Patient(), remote.Path(pluginsPath, args[0], verb), func(p pluginView) string {
				return fmt.Sprintf("plugin %s is %s; its state is %s", p.ID, done, p.State)
			})
		})
	return completing(cmd, pluginsPath)
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}
