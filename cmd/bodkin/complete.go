package main

import (
	"context"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/bodkin-p2p/bodkin/internal/control"
	"github.com/bodkin-p2p/bodkin/internal/pairing"
)

// completionTime bounds how long a shell waits for names. A node that runs answers within milliseconds.
const completionTime = 500 * time.Millisecond

// noFiles is for what the names of files would not help.
const noFiles = cobra.ShellCompDirectiveNoFileComp

// completeStream offers peers as the first argument and services as the second, if a node runs that knows some.
func completeStream(g *globals) cobra.CompletionFunc {
	return func(c *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
		switch len(args) {
		case 0:
			return peerNames(g), noFiles
		case 1:
			return serviceNames(g, args[0]), noFiles
		}
		return nil, noFiles
	}
}

// completePeer offers the names of those who are online as the first argument.
func completePeer(g *globals) cobra.CompletionFunc {
	return func(c *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, noFiles
		}
		return peerNames(g), noFiles
	}
}

// completePeerFlag offers them as the value of a flag.
func completePeerFlag(g *globals) cobra.CompletionFunc {
	return func(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective) {
		return peerNames(g), noFiles
	}
}

// completeForward offers peers and services inside [BIND:]PORT:PEER:SERVICE.
func completeForward(g *globals) cobra.CompletionFunc {
	return func(_ *cobra.Command, _ []string, begun string) ([]cobra.Completion, cobra.ShellCompDirective) {
		before, peer, isService := splitForward(begun)
		if before == "" {
			return nil, noFiles | cobra.ShellCompDirectiveNoSpace
		}
		if isService {
			return each(serviceNames(g, peer), before+peer+":", ""), noFiles
		}
		return each(peerNames(g), before, ":"), noFiles | cobra.ShellCompDirectiveNoSpace
	}
}

// completeCode offers the words that the code of a transfer may have: they are the same for all.
func completeCode(_ *cobra.Command, args []string, begun string) ([]cobra.Completion, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, noFiles
	}
	codes, last := pairing.Complete(begun)
	if !last {
		return codes, noFiles | cobra.ShellCompDirectiveNoSpace
	}
	return codes, noFiles
}

// splitForward finds out which part of [BIND:]PORT:PEER:SERVICE is being written: with what goes before the peer, and the peer if it is
// the service. Nothing goes before while the port is not complete.
func splitForward(begun string) (before, peer string, isService bool) {
	rest := begun
	if _, after, ok := strings.Cut(begun, "]:"); ok && begun[0] == '[' {
		rest = after
	}
	parts := strings.Split(rest, ":")
	if _, err := strconv.ParseUint(parts[0], 10, 16); err != nil && len(parts) > 1 && rest == begun { // BIND
		parts = parts[1:]
	}
	if _, err := strconv.ParseUint(parts[0], 10, 16); err != nil || len(parts) < 2 {
		return "", "", false
	}
	tail := strings.Join(parts[1:], ":")
	before = begun[:len(begun)-len(tail)]
	peer, _, isService = strings.Cut(tail, ":")
	return before, peer, isService
}

// each puts something before and behind each name, and leaves its description.
func each(names []cobra.Completion, before, behind string) []cobra.Completion {
	for i, name := range names {
		text, description, _ := strings.Cut(name, "\t")
		names[i] = cobra.CompletionWithDesc(before+text+behind, description)
	}
	return names
}

// askRunning asks the node that runs for the home. Where there is none, or it does not answer at once, there is nothing to offer, and
// nothing to say in the middle of somebody's command line.
func askRunning(g *globals, ask func(context.Context, *control.Client) []cobra.Completion) []cobra.Completion {
	ctx, cancel := context.WithTimeout(context.Background(), completionTime)
	defer cancel()
	h, err := openHome(g)
	if err != nil {
		return nil
	}
	node, err := control.Connect(ctx, h.dir)
	if err != nil {
		return nil
	}
	defer node.Close()
	return ask(ctx, node)
}

func peerNames(g *globals) []cobra.Completion {
	return askRunning(g, func(ctx context.Context, node *control.Client) (names []cobra.Completion) {
		peers, _ := node.Peers(ctx)
		for _, p := range peers {
			if p.Online && p.Known.IsZero() {
				names = append(names, cobra.CompletionWithDesc(printable(p.Name), "node "+p.ID.Short()))
			}
		}
		return names
	})
}

// plainService is a service that a shell takes for a word. Others are not offered: what a peer names may not become part of a
// command line by itself.
var plainService = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._@+-]*$`)

// serviceNames offers what the peer says it has for this machine, and what this machine forwards of it. Where the peer does not say, also
// what this machine offers itself: machines of one room often offer the same.
func serviceNames(g *globals, peer string) []cobra.Completion {
	return askRunning(g, func(ctx context.Context, node *control.Client) (names []cobra.Completion) {
		service, _ := node.Service(ctx)
		var seen []string
		offer := func(name, description string) {
			if !slices.Contains(seen, name) && plainService.MatchString(name) {
				seen = append(seen, name)
				names = append(names, cobra.CompletionWithDesc(printable(name), description))
			}
		}
		told, err := askOffers(ctx, node, peer)
		for _, name := range told {
			offer(name, "service of "+printable(peer))
		}
		for _, f := range service.Forwards {
			if strings.EqualFold(f.Peer, peer) {
				offer(f.Service, "forwarded from "+f.Listen)
			}
		}
		for _, o := range service.Offers {
			if err != nil && !isOwn(o.Name) {
				offer(o.Name, "this machine offers one, too")
			}
		}
		return names
	})
}

// completeFlags offers the values of flags that have a choice, and directories.
func completeFlags(root *cobra.Command) {
	choices := map[string][]cobra.Completion{
		"relay":      {"auto", "never", "always"},
		"log-level":  {"debug", "info", "warn", "error"},
		"log-format": {"text", "json"},
	}
	each := func(c *cobra.Command) {
		for flag, values := range choices {
			if f := c.Flags().Lookup(flag); f != nil && f.Value.Type() != "bool" {
				c.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(values, noFiles)) // fails for a flag of the parent, which has it
			}
		}
		for _, flag := range []string{"dir", "receive"} {
			if f := c.Flags().Lookup(flag); f != nil && f.Value.Type() == "string" {
				c.MarkFlagDirname(flag)
			}
		}
		if c.ValidArgsFunction == nil && !takesFiles(c) {
			c.ValidArgsFunction = cobra.NoFileCompletions
		}
	}
	for flag, values := range choices {
		if root.PersistentFlags().Lookup(flag) != nil {
			root.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(values, noFiles))
		}
	}
	root.MarkPersistentFlagDirname("home")
	root.MarkPersistentFlagFilename("config", "toml")
	for _, c := range root.Commands() {
		each(c)
	}
}

// takesFiles tells whether the usage of a command names files, or commands of the system.
func takesFiles(c *cobra.Command) bool {
	return c.HasSubCommands() || slices.ContainsFunc([]string{"PATH", "DIR", "FILE", "CMD"}, func(word string) bool { return strings.Contains(c.Use, word) })
}
