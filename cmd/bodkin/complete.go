package main

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/bodkin-p2p/bodkin/internal/control"
)

// completionTime bounds how long a shell waits for names.
const completionTime = time.Second

// completePeer offers the names of those who are online as the first argument, if a node runs that knows them.
func completePeer(g *globals) cobra.CompletionFunc {
	return func(c *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return peerNames(g), cobra.ShellCompDirectiveNoFileComp
	}
}

func peerNames(g *globals) []cobra.Completion {
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
	peers, err := node.Peers(ctx)
	if err != nil {
		return nil
	}
	var names []cobra.Completion
	for _, p := range peers {
		if p.Online {
			names = append(names, cobra.CompletionWithDesc(p.Name, "node "+p.ID.Short()))
		}
	}
	return names
}
