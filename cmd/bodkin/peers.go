package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/bodkin-p2p/bodkin"
	"github.com/bodkin-p2p/bodkin/internal/control"
)

func newPeers(g *globals) *cobra.Command {
	c := &cobra.Command{
		Use:   "peers",
		Short: "List who is in the room",
		Long: `List the nodes of the room: who is online, and the path to those that this
machine's node is connected to. Without a running node (bodkin up) there are no
paths to show.

A name belongs to the node that this machine met first under it. Another one that goes by
it later is listed as refused, and nothing passes between it and this machine until
bodkin forget.`,
		Example: `  bodkin peers
  bodkin peers --watch
  bodkin peers --known
  bodkin peers --json | jq -r '.[] | select(.online) | .name'`,
		Args: cobra.NoArgs,
	}
	watch := c.Flags().Bool("watch", false, "go on, with a line for each change, until Ctrl-C")
	known := c.Flags().Bool("known", false, "whose name this machine knows, here or not, and since when")
	c.MarkFlagsMutuallyExclusive("watch", "known")
	asJSON := jsonFlag(c, "a JSON array of {name, id, online, path, why, remote, rtt_ms, bytes_in, bytes_out, known_id}; with --watch an object a line, with event too; with --known an array of {name, id, since}")
	nodeFlags(g, c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		if *known {
			return listKnown(c.OutOrStdout(), c.ErrOrStderr(), g, *asJSON)
		}
		node, err := openDialer(c.Context(), g, c.ErrOrStderr())
		if err != nil {
			return err
		}
		defer node.Close()
		if *watch {
			return watchPeers(c.Context(), node, eventPrinter(c.OutOrStdout(), *asJSON))
		}
		peers, err := node.Peers(c.Context())
		if err != nil {
			return err
		}
		if *asJSON {
			list := make([]peerJSON, len(peers)) // [], not null, if there is nobody
			for i, p := range peers {
				list[i] = toJSON(p)
			}
			return json.NewEncoder(c.OutOrStdout()).Encode(list)
		}
		if status, err := node.Status(c.Context()); err == nil && !status.Connected {
			fmt.Fprintln(c.ErrOrStderr(), "the server is away: this is what is known without it")
		}
		if len(peers) == 0 {
			_, err := fmt.Fprintf(c.ErrOrStderr(), "nobody else is in the room\n")
			return err
		}
		if err := printPeers(c.OutOrStdout(), peers); err != nil {
			return err
		}
		tellRefused(c.ErrOrStderr(), peers)
		return nil
	}
	return c
}

func printPeers(out io.Writer, peers []bodkin.Peer) error {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "NAME\tID\tSTATE\tPATH\tREMOTE\tRTT\tIN\tOUT")
	for _, p := range peers {
		state, kind, remote, rtt := "online", "-", "-", "-"
		if !p.Online {
			state = "away"
		}
		if !p.Known.IsZero() {
			state = "refused"
		}
		if p.Path != nil {
			kind = pathWord(*p.Path)
			if p.Path.Remote.IsValid() {
				remote = p.Path.Remote.String()
			}
		}
		if p.RTT > 0 {
			rtt = shortTime(p.RTT)
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n",
			printable(p.Name), p.ID.Short(), state, kind, remote, rtt, byteCount(p.BytesIn), byteCount(p.BytesOut))
	}
	return table.Flush()
}

// watchPeers gives print every event until ctx or the node ends.
func watchPeers(ctx context.Context, node control.Node, print func(bodkin.Event) error) error {
	for event, err := range node.Watch(ctx) {
		if err != nil {
			return err
		}
		if err := print(event); err != nil {
			return err
		}
	}
	return context.Cause(ctx)
}

// eventPrinter returns what prints an event to out: a line for people, or for programs.
func eventPrinter(out io.Writer, asJSON bool) func(bodkin.Event) error {
	if asJSON {
		lines := json.NewEncoder(out)
		return func(event bodkin.Event) error {
			if event.Peer.ID.IsZero() {
				return lines.Encode(map[string]string{"event": event.Kind.String()})
			}
			return lines.Encode(struct {
				Event string `json:"event"`
				peerJSON
			}{event.Kind.String(), toJSON(event.Peer)})
		}
	}
	style, names := styleOf(out), map[bodkin.NodeID]string{}
	return func(event bodkin.Event) error {
		if event.Kind == bodkin.Current || !isNews(event, names) {
			return nil
		}
		_, err := fmt.Fprintf(out, "%s %s\n", style.faint(time.Now().Format(time.TimeOnly)), eventLine(style, event))
		return err
	}
}

// isNews tells whether an event is one for people, and notes the names of those who are there: a change of addresses is not, which every
// node tells of as it measures its network.
func isNews(event bodkin.Event, names map[bodkin.NodeID]string) bool {
	was, known := names[event.Peer.ID]
	switch event.Kind {
	case bodkin.Joined, bodkin.Changed:
		names[event.Peer.ID] = event.Peer.Name
	case bodkin.Left:
		delete(names, event.Peer.ID)
	}
	return event.Kind != bodkin.Changed || known && was != event.Peer.Name
}

// eventLine tells an event in one line.
func eventLine(style style, event bodkin.Event) string {
	name := style.bold(printable(event.Peer.Name))
	switch event.Kind {
	case bodkin.ServerLost:
		return style.bad("server lost") + ", trying again; links go on without it"
	case bodkin.ServerBack:
		return style.good("server back")
	case bodkin.Joined:
		return fmt.Sprintf("%s joined (%s)", name, event.Peer.ID.Short())
	case bodkin.Left:
		return name + " left"
	case bodkin.Changed:
		return fmt.Sprintf("%s is the name of %s now", name, event.Peer.ID.Short())
	case bodkin.Linked:
		line := name + style.good(" linked")
		if p := event.Peer.Path; p != nil {
			line += ", " + route(*p)
		}
		return line
	case bodkin.Moved:
		if p := event.Peer.Path; p != nil && p.Kind == 0 {
			return name + style.bad(" out of reach") + "; streams wait for a path"
		} else if p != nil {
			return name + " goes on, " + route(*p)
		}
	case bodkin.Unlinked:
		return name + " no longer linked"
	}
	return event.Kind.String()
}
