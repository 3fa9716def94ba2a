package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"

	"github.com/spf13/cobra"

	"github.com/channelhub/channelhub/cmd/hub/internal/output"
	"github.com/channelhub/channelhub/cmd/hub/internal/remote"
)

// ask makes cmd a command that asks a running hub and shows the answer.
func ask(cmd *cobra.Command, do func(ctx context.Context, hub *remote.Client, args []string) (output.View, error)) *cobra.Command {
	var format output.Format
	format.Flag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		hub, err := remote.FromEnvironment(os.Getenv)
		if err != nil {
			return err
		}
		view, err := working(cmd, func() (output.View, error) { return do(cmd.Context(), hub, args) })
		if err != nil {
			return err
		}
		out := cmd.OutOrStdout()
		return view.Print(out, cmd.ErrOrStderr(), format, output.StyleFor(out, os.Getenv))
	}
	return cmd
}

// working does something that may take long, and says so when it does.
func working[T any](cmd *cobra.Command, do func() (T, error)) (T, error) {
	defer output.Progress(cmd.ErrOrStderr(), os.Getenv)()
	return do()
}

// listOf shows every page of a list: row adds one entry to the table.
func listOf[T any](ctx context.Context, hub *remote.Client, path string, query url.Values, head []string, row func(*output.Grid, T)) (output.View, error) {
	all, err := hub.All(ctx, path, query)
	if err != nil {
		return output.View{}, err
	}
	return viewOf(all, head, row)
}

// viewOf shows the entries of a list.
func viewOf[T any](all []json.RawMessage, head []string, row func(*output.Grid, T)) (output.View, error) {
	whole, err := json.Marshal(all)
	if err != nil {
		return output.View{}, fmt.Errorf("put the list together: %w", err)
	}
	return output.View{JSON: whole, Table: func() (*output.Grid, error) {
		grid := output.NewGrid(head...)
		for _, raw := range all {
			v, err := decode[T](raw)
			if err != nil {
				return nil, err
			}
			row(grid, v)
		}
		return grid, nil
	}}, nil
}

// oneThing shows the answer of a call: fill adds its names and values to the
// table.
func oneThing[T any](ctx context.Context, hub *remote.Client, r remote.Request, fill func(*output.Grid, T)) (output.View, error) {
	raw, err := hub.Do(ctx, r)
	if err != nil {
		return output.View{}, err
	}
	return output.View{JSON: raw, Table: func() (*output.Grid, error) {
		v, err := decode[T](raw)
		if err != nil {
			return nil, err
		}
		grid := output.NewGrid()
		fill(grid, v)
		return grid, nil
	}}, nil
}

// act makes a change and says what it came to.
func act[T any](ctx context.Context, hub *remote.Client, path string, say func(T) string) (output.View, error) {
	raw, err := hub.Do(ctx, remote.Request{Method: http.MethodPost, Path: path})
	if err != nil {
		return output.View{}, err
	}
	v, err := decode[T](raw)
	if err != nil {
		return output.View{}, err
	}
	return output.View{JSON: raw, Said: say(v)}, nil
}

func decode[T any](raw json.RawMessage) (T, error) {
	var v T
	if err := json.Unmarshal(raw, &v); err != nil {
		return v, fmt.Errorf("the hub's answer is not what this command expects; is it of another version? %w", err)
	}
	return v, nil
}

// completing completes the argument of a command with the ids of a list.
func completing(cmd *cobra.Command, path string) *cobra.Command {
	cmd.ValidArgsFunction = func(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		hub, err := remote.FromEnvironment(os.Getenv)
		if err != nil || len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		all, err := hub.All(cmd.Context(), path, nil)
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		var ids []string
		for _, raw := range all {
			if v, err := decode[struct{ ID string }](raw); err == nil {
				ids = append(ids, v.ID)
			}
		}
		return ids, cobra.ShellCompDirectiveNoFileComp
	}
	return cmd
}
