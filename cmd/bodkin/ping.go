package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/bodkin-p2p/bodkin"
	"github.com/bodkin-p2p/bodkin/internal/control"
)

// pingInterval is the pause between two pings, as ping(8) has it.
const pingInterval = time.Second

func newPing(g *globals) *cobra.Command {
	c := &cobra.Command{
		Use:   "ping PEER",
		Short: "Show the path to a node and measure it",
		Long: `Connect to a node, by its name or its id, and tell the path and the round trip.
If this made a new connection, tell also how long its parts took, counted from
the start: until the server had introduced the two, until TCP was up, until the
first protected byte could be sent; in how many rounds and with how many SYNs.`,
		Example: `  bodkin ping ben
  bodkin ping ben --count 5
  bodkin ping ben --direct-only --json`,
		Args:              exactly(1, "PEER"),
		ValidArgsFunction: completePeer(g),
	}
	count := c.Flags().Int("count", 1, "how many times, a second apart; 0: until Ctrl-C")
	directOnly := c.Flags().Bool("direct-only", false, "exit with 3 if there is no direct path")
	asJSON := jsonFlag(c, "a JSON object a line: {peer, path, remote, first_byte_ms, direct_ms, rtt_ms, rounds, syns, introduced_ms, first_syn_ms, connected_ms}")
	nodeFlags(g, c)
	c.RunE = func(c *cobra.Command, args []string) error {
		if *count < 0 {
			return misuse("give 1 or more, or 0 for no end", "--count %d", *count)
		}
		if err := checkPeer(args[0]); err != nil {
			return err
		}
		node, err := openDialer(c.Context(), g, c.ErrOrStderr())
		if err != nil {
			return err
		}
		defer node.Close()
		print := pingPrinter(c.OutOrStdout(), *asJSON)
		for sent := 0; *count == 0 || sent < *count; sent++ {
			if err := pause(c.Context(), sent > 0, pingInterval); err != nil {
				return err
			}
			if err := ping(c.Context(), node, args[0], *directOnly, print); err != nil {
				return err
			}
		}
		return nil
	}
	return c
}

func ping(ctx context.Context, node control.Node, peer string, directOnly bool, print func(bodkin.Ping) error) error {
	result, err := reach(ctx, node, peer, func(peer string) (bodkin.Ping, error) { return node.Ping(ctx, peer) })
	if errors.Is(err, bodkin.ErrNoDirectPath) && directOnly {
		f := explain(err)
		f.code = exitNoDirectPath
		return f
	}
	if err != nil {
		return err
	}
	if err := print(result); err != nil {
		return err
	}
	if directOnly && result.Path.Kind != bodkin.Direct {
		return &failure{code: exitNoDirectPath, text: fmt.Sprintf("the path to %s is %s", peer, result.Path.Kind), hint: "`bodkin doctor`, here and there, tells why, and what would help; where it can be had, a direct path is taken later too"}
	}
	return nil
}

// pingPrinter returns what prints a ping: for people, or for programs.
func pingPrinter(out io.Writer, asJSON bool) func(bodkin.Ping) error {
	style := styleOf(out)
	lines := json.NewEncoder(out)
	return func(p bodkin.Ping) error {
		if asJSON {
			return lines.Encode(pingJSON(p))
		}
		line := fmt.Sprintf("%s: %s, round trip %s", style.bold(printable(p.Name)), route(p.Path), style.bold(shortTime(p.RTT)))
		if t := p.Timing; t.Rounds > 0 {
			line += style.faint(fmt.Sprintf(" (introduced after %s, TCP up %s, secured %s; %s, %s)", shortTime(t.Introduced),
				shortTime(t.Connected), shortTime(t.Secured), plural(t.Rounds, "round"), plural(t.SYNs, "SYN")))
		}
		_, err := fmt.Fprintln(out, line)
		return err
	}
}

// pingResult is a ping as JSON has it. The times but rtt_ms count from the start of the dial, and are 0 if the connection
// was there already.
type pingResult struct {
	Peer       string   `json:"peer"`
	Path       string   `json:"path"`
	Remote     string   `json:"remote"`
	FirstByte  float64  `json:"first_byte_ms"`
	Direct     *float64 `json:"direct_ms"` // null: the path is not direct
	RTT        float64  `json:"rtt_ms"`
	Rounds     int      `json:"rounds"`
	SYNs       int      `json:"syns"`
	Introduced float64  `json:"introduced_ms"`
	FirstSYN   float64  `json:"first_syn_ms"`
	Connected  float64  `json:"connected_ms"`
}

func pingJSON(p bodkin.Ping) pingResult {
	result := pingResult{
		Peer:       p.Name,
		Path:       p.Path.Kind.String(),
		Remote:     p.Path.Remote.String(),
		FirstByte:  millis(p.Timing.Secured),
		RTT:        millis(p.RTT),
		Rounds:     p.Timing.Rounds,
		SYNs:       p.Timing.SYNs,
		Introduced: millis(p.Timing.Introduced),
		FirstSYN:   millis(max(p.Timing.FirstSYN, 0)), // none, if the peer's SYN came first
		Connected:  millis(p.Timing.Connected),
	}
	if p.Path.Kind == bodkin.Direct {
		result.Direct = &result.FirstByte
	}
	return result
}

// pause waits for d, if it is to, and returns why ctx ended if it does.
func pause(ctx context.Context, wait bool, d time.Duration) error {
	if !wait {
		return nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// exactly wants n arguments, called as in the usage line.
func exactly(n int, names string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if len(args) != n {
			return misuse(fmt.Sprintf("`%s --help` has examples", c.CommandPath()), "%s wants %s", c.CommandPath(), names)
		}
		return nil
	}
}
