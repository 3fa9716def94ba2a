package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

// group is a command that only holds others.
func group(use, short string, commands ...*cobra.Command) *cobra.Command {
	cmd := &cobra.Command{Use: use, Short: short}
	cmd.AddCommand(commands...)
	return cmd
}

// strictly makes every mistake in a command line a usageError, below cmd and
// in it: wrong arguments, and names that are no command, which cobra would
// answer with help and success.
func strictly(cmd *cobra.Command) {
	check := cmd.Args
	if !cmd.Runnable() {
		check = noSuchCommand
		cmd.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
	}
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		if check == nil {
			return nil
		}
		if err := check(cmd, args); err != nil {
			return usageError{err}
		}
		return nil
	}
	for _, sub := range cmd.Commands() {
		strictly(sub)
	}
}

func noSuchCommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	text := fmt.Sprintf("%q is no command of %q", args[0], cmd.CommandPath())
	if near := nearest(cmd, args[0], likely); len(near) > 0 {
		return fmt.Errorf("%s; did you mean %s?", text, strings.Join(near, " or "))
	}
	near := nearest(cmd, args[0], unlikely)
	return fmt.Errorf("%s; the nearest is %s, and %q lists all", text, strings.Join(near, " or "), cmd.CommandPath()+" --help")
}

// Letters to change between a word and the command that it was meant for, and
// a word and one that no word is further from.
const (
	likely   = 2
	unlikely = 64
)

// nearest are the commands in cmd that a word is nearest to, up to some letters
// away. What is likely at all counts alike.
func nearest(cmd *cobra.Command, word string, most int) []string {
	for d := likely; d <= most; d++ {
		cmd.SuggestionsMinimumDistance = d
		if near := cmd.SuggestionsFor(word); len(near) > 0 {
			return near
		}
	}
	return nil
}

// misnamed is the usageError of arguments that name no command and ask for
// help with it: cobra would show that of the command around it, and call it a
// success.
func misnamed(root *cobra.Command, args []string) error {
	if len(args) > 0 && args[0] == "help" {
		args = append(slices.Clone(args[1:]), "--help")
	}
	if !slices.Contains(args, "--help") && !slices.Contains(args, "-h") {
		return nil
	}
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	cmd, rest, err := root.Find(args)
	if err != nil || !cmd.HasSubCommands() {
		return nil //nolint:nilerr // cobra says it
	}
	words := slices.DeleteFunc(slices.Clone(rest), func(arg string) bool { return strings.HasPrefix(arg, "-") })
	if err := noSuchCommand(cmd, words); err != nil {
		return usageError{err}
	}
	return nil
}

// oneOf takes exactly one argument, which the message names.
func oneOf(what string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		if len(args) != 1 {
			return fmt.Errorf("name one %s, not %d", what, len(args))
		}
		return nil
	}
}

// required makes flags of a command ones that it cannot do without.
func required(cmd *cobra.Command, names ...string) {
	before := cmd.PreRunE
	cmd.PreRunE = func(cmd *cobra.Command, args []string) error {
		for _, name := range names {
			if !cmd.Flags().Changed(name) {
				return usageError{fmt.Errorf("--%s is missing", name)}
			}
		}
		if before != nil {
			return before(cmd, args)
		}
		return nil
	}
}

// exactlyOne makes two flags of a command alternatives.
func exactlyOne(cmd *cobra.Command, a, b string) {
	before := cmd.PreRunE
	cmd.PreRunE = func(cmd *cobra.Command, args []string) error {
		if cmd.Flags().Changed(a) == cmd.Flags().Changed(b) {
			return usageError{fmt.Errorf("give one of --%s and --%s", a, b)}
		}
		if before != nil {
			return before(cmd, args)
		}
		return nil
	}
}
