package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/bodkin-p2p/bodkin"
	"github.com/bodkin-p2p/bodkin/internal/control"
)

// servicesAtOnce is how many peers are asked at a time.
const servicesAtOnce = 8

func newServices(g *globals) *cobra.Command {
	c := &cobra.Command{
		Use:   "services [PEER]",
		Short: "List the services that nodes offer to this machine",
		Long: `Ask a node, or all that are online, which of its services are for this machine: what
it exposes, and what its commands listen on. Services that it allows to others only are not
told. A node answers while bodkin up runs there.`,
		Example: `  bodkin services ben
  bodkin services --json | jq -r '.[] | select(.services) | .name as $n | .services[] | "\($n) \(.)"'`,
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: completePeer(g),
	}
	asJSON := jsonFlag(c, "a JSON array of {name, id, services, problem}; services is null where a node does not tell")
	nodeFlags(g, c)
	c.RunE = func(c *cobra.Command, args []string) error {
		if len(args) == 1 {
			if err := checkPeer(args[0]); err != nil {
				return err
			}
		}
		node, err := openDialer(c.Context(), g, c.ErrOrStderr())
		if err != nil {
			return err
		}
		defer node.Close()
		var list []nodeServices
		if len(args) == 1 {
			list, err = servicesOfOne(c.Context(), node, args[0])
		} else {
			list, err = servicesOfAll(c.Context(), node)
		}
		switch {
		case err != nil:
			return err
		case *asJSON:
			return json.NewEncoder(c.OutOrStdout()).Encode(list)
		case len(list) == 0:
			_, err := fmt.Fprintf(c.ErrOrStderr(), "nobody else is online in the room\n")
			return err
		}
		return printServices(c.OutOrStdout(), list)
	}
	return c
}

// nodeServices is what a node tells.
type nodeServices struct {
	Name     string        `json:"name"`
	ID       bodkin.NodeID `json:"id"`
	Services []string      `json:"services"` // null: it does not tell
	Problem  string        `json:"problem"`  // why not
}

func servicesOfOne(ctx context.Context, node control.Node, peer string) ([]nodeServices, error) {
	var of nodeServices
	names, err := reach(ctx, node, peer, func(peer string) ([]string, error) {
		of = nodeServices{Name: peer}
		if id, err := bodkin.ParseNodeID(peer); err == nil {
			of.ID = id
		}
		return askOffers(ctx, node, peer)
	})
	if errors.Is(err, bodkin.ErrServiceUnknown) {
		return nil, fail("there: `bodkin up`", "%s does not tell what it offers", peer)
	}
	if err != nil {
		return nil, err
	}
	of.Services = names
	peers, _ := node.Peers(ctx) // for its whole name
	for _, p := range peers {
		if p.ID == of.ID || strings.EqualFold(p.Name, of.Name) {
			of.Name, of.ID = p.Name, p.ID
		}
	}
	return []nodeServices{of}, nil
}

// servicesOfAll asks all who are online, in the order of their names.
func servicesOfAll(ctx context.Context, node control.Node) ([]nodeServices, error) {
	peers, err := node.Peers(ctx)
	if err != nil {
		return nil, err
	}
	list := []nodeServices{}
	for _, p := range peers {
		if p.Online && p.Known.IsZero() {
			list = append(list, nodeServices{Name: p.Name, ID: p.ID})
		}
	}
	places := make(chan bool, servicesAtOnce)
	var asked sync.WaitGroup
	for i := range list {
		places <- true
		asked.Go(func() {
			defer func() { <-places }()
			of := &list[i]
			names, err := askOffers(ctx, node, of.ID.String())
			switch {
			case errors.Is(err, bodkin.ErrServiceUnknown):
				of.Problem = "does not tell: bodkin up does not run there"
			case err != nil:
				of.Problem = explain(err).text
			default:
				of.Services = names
			}
		})
	}
	asked.Wait()
	return list, context.Cause(ctx)
}

func printServices(out io.Writer, list []nodeServices) error {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "NAME\tSERVICE")
	for _, of := range list {
		switch {
		case of.Services == nil:
			fmt.Fprintf(table, "%s\t(%s)\n", printable(of.Name), printable(of.Problem))
		case len(of.Services) == 0:
			fmt.Fprintf(table, "%s\t(none for this machine)\n", printable(of.Name))
		}
		for _, service := range of.Services {
			fmt.Fprintf(table, "%s\t%s\n", printable(of.Name), printable(service))
		}
	}
	return table.Flush()
}
