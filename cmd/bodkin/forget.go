package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/bodkin-p2p/bodkin"
	"github.com/bodkin-p2p/bodkin/internal/knownpeers"
)

const knownPeersFile = "known-peers"

// knownPeers is whom this machine has met in a room.
func (h home) knownPeers(m membership) *knownpeers.File {
	return knownpeers.Open(h.path(knownPeersFile), m.Invite.Room.ID())
}

func newForget(g *globals) *cobra.Command {
	c := &cobra.Command{
		Use:   "forget NAME",
		Short: "Let another node have a name",
		Long: `Forget which node goes by a name, so that it is the next one's that is met under it.

The first time that this machine and another have a connection it remembers the other's key
with its name, in the file known-peers of the home. A node that goes by the name with another
key is refused from then on, whoever calls: it may be the same machine set up anew, or
somebody in the room who has taken the name. Only its owner can tell which.`,
		Example: `  bodkin forget ben
  bodkin peers --known`,
		Args:              exactly(1, "NAME"),
		ValidArgsFunction: completeKnown(g),
	}
	asJSON := jsonFlag(c, "a JSON object: {name, id, since}")
	c.RunE = func(c *cobra.Command, args []string) error {
		name := strings.ToLower(args[0])
		if bodkin.CheckName(name) != nil {
			return misuse("`bodkin peers --known` lists names", "%q is no name", args[0])
		}
		h, err := openHome(g)
		if err != nil {
			return err
		}
		m, err := h.membership()
		if err != nil {
			return err
		}
		was, err := h.knownPeers(m).Forget(name)
		if errors.Is(err, knownpeers.ErrUnknown) {
			return &failure{code: exitFailed, err: err, text: fmt.Sprintf("nobody is known by the name %s", name), hint: "`bodkin peers --known` lists names"}
		}
		if err != nil {
			return h.damaged(knownPeersFile, "then every name is its next bearer's", err)
		}
		if *asJSON {
			return json.NewEncoder(c.OutOrStdout()).Encode(knownOf(was))
		}
		_, err = fmt.Fprintf(c.OutOrStdout(), "%s was %s since %s; the next node that goes by the name will be %s\n",
			name, was.ID.Short(), was.Since.Format(time.DateOnly), name)
		return err
	}
	return c
}

// knownJSON is a known peer as commands print it with --json.
type knownJSON struct {
	Name  string        `json:"name"`
	ID    bodkin.NodeID `json:"id"`
	Since string        `json:"since"` // the day
}

func knownOf(p knownpeers.Peer) knownJSON {
	return knownJSON{p.Name, p.ID, p.Since.Format(time.DateOnly)}
}

// listKnown prints whom this machine knows in its room.
func listKnown(out, errs io.Writer, g *globals, asJSON bool) error {
	h, err := openHome(g)
	if err != nil {
		return err
	}
	m, err := h.membership()
	if err != nil {
		return err
	}
	all, err := h.knownPeers(m).All()
	if err != nil {
		return h.damaged(knownPeersFile, "then every name is its next bearer's", err)
	}
	if asJSON {
		list := make([]knownJSON, len(all)) // [], not null, if there is nobody
		for i, p := range all {
			list[i] = knownOf(p)
		}
		return json.NewEncoder(out).Encode(list)
	}
	if len(all) == 0 {
		_, err := fmt.Fprintln(errs, "nobody is known yet: a name is, once there was a session with it")
		return err
	}
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "NAME\tSINCE\tID")
	for _, p := range all {
		fmt.Fprintf(table, "%s\t%s\t%s\n", p.Name, p.Since.Format(time.DateOnly), p.ID)
	}
	return table.Flush()
}

// tellRefused says what the state of a peer that is refused means.
func tellRefused(errs io.Writer, peers []bodkin.Peer) {
	for _, p := range peers {
		if !p.Known.IsZero() {
			fmt.Fprintf(errs, "%s is known as %s, so %s is refused; if that machine was set up anew: bodkin forget %s\n",
				printable(p.Name), p.Known.Short(), p.ID.Short(), printable(p.Name))
		}
	}
}

// completeKnown offers the names that can be forgotten.
func completeKnown(g *globals) cobra.CompletionFunc {
	return func(_ *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
		h, err := openHome(g)
		if err != nil || len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		m, err := h.membership()
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		var names []cobra.Completion
		all, _ := h.knownPeers(m).All() // a damaged file has nothing to offer
		for _, p := range all {
			names = append(names, cobra.CompletionWithDesc(p.Name, "node "+p.ID.Short()))
		}
		return names, cobra.ShellCompDirectiveNoFileComp
	}
}
