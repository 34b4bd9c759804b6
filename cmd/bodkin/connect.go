package main

import (
	"cmp"

	"github.com/spf13/cobra"

	"github.com/bodkin-p2p/bodkin/internal/control"
)

func newConnect(g *globals) *cobra.Command {
	c := &cobra.Command{
		Use:   "connect PEER SERVICE",
		Short: "Join stdin and stdout with a service of a node",
		Long: `Open a stream to a service of a node: stdin goes there, and what comes from there
goes to stdout. Each direction ends by itself, so that a command can send its
input, end it, and still get the answer.

On the other machine the service is what bodkin listen or bodkin up --expose
serves.`,
		Example: `  tar c photos | bodkin connect ben backup
  bodkin connect ben notes < /dev/null > notes.txt

  With ssh, to a node that runs "bodkin up --expose ssh=localhost:22":
    ssh -o ProxyCommand='bodkin connect ben ssh' ben`,
		Args:              exactly(2, "PEER and SERVICE"),
		ValidArgsFunction: completeStream(g),
	}
	nodeFlags(g, c)
	c.RunE = func(c *cobra.Command, args []string) error {
		peer, service := args[0], args[1]
		if err := cmp.Or(checkPeer(peer), checkService(service)); err != nil {
			return err
		}
		node, err := openDialer(c.Context(), g, c.ErrOrStderr())
		if err != nil {
			return err
		}
		defer node.Close()
		stream, err := reach(c.Context(), node, peer, func(peer string) (control.Stream, error) {
			return node.Dial(c.Context(), peer, service)
		})
		if err != nil {
			return err
		}
		if err := pipeStdio(c.Context(), c.InOrStdin(), c.OutOrStdout(), stream); err != nil {
			return aboutStream(peer, service, err)
		}
		return nil
	}
	return c
}
