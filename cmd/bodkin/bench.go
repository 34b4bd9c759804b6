package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"time"

	"github.com/spf13/cobra"

	"github.com/bodkin-p2p/bodkin"
	"github.com/bodkin-p2p/bodkin/internal/control"
)

const (
	minBenchTime = 100 * time.Millisecond
	maxBenchTime = time.Minute
	benchIdles   = time.Second // pings without a load, at most
)

func newBench(g *globals) *cobra.Command {
	c := &cobra.Command{
		Use:   "bench PEER",
		Short: "Measure throughput and latency of the path to a node",
		Long: `Measure the path to a node that runs bodkin up: the round trip while nothing else
is sent, then the throughput from there and to there, each with one stream and
with several, and the round trip meanwhile. It takes four times --time and a
second, and sends as much as the path takes.

Throughput is what has arrived, as streams carry it, in the last two thirds of
the time: TCP begins slowly. If several streams, which all share the session, are
faster than one, the window of one was too small for the path. Round trips are
the median, and the least and the longest of them.`,
		Example: `  bodkin bench ben
  bodkin bench ben --time 10s --streams 16
  bodkin bench ben --json`,
		Args:              exactly(1, "PEER"),
		ValidArgsFunction: completePeer(g),
	}
	lasts := c.Flags().Duration("time", 3*time.Second, "how long each load lasts, of which the first third is not counted")
	streams := c.Flags().Int("streams", 8, fmt.Sprintf("how many streams are several, up to %d; 1: measure with one only", maxBenchStreams))
	asJSON := jsonFlag(c, "a JSON object a line for each load: {peer, path, remote, direction (idle, from or to the peer), streams, seconds, bytes, mbit_per_s, rtt_ms, rtt_min_ms, rtt_max_ms, pings}")
	nodeFlags(g, c)
	c.RunE = func(c *cobra.Command, args []string) error {
		if *lasts < minBenchTime || *lasts > maxBenchTime {
			return misuse(fmt.Sprintf("give %v to %v", minBenchTime, maxBenchTime), "--time %v", *lasts)
		}
		if *streams < 1 || *streams > maxBenchStreams {
			return misuse(fmt.Sprintf("give 1 to %d", maxBenchStreams), "--streams %d", *streams)
		}
		if err := checkPeer(args[0]); err != nil {
			return err
		}
		node, err := openDialer(c.Context(), g, c.ErrOrStderr())
		if err != nil {
			return err
		}
		defer node.Close()
		b := bench{peer: args[0], node: node, out: c.OutOrStdout(), json: *asJSON, view: newView(c.OutOrStdout(), c.ErrOrStderr(), *asJSON)}
		return b.run(c.Context(), loads(*lasts, *streams))
	}
	return c
}

// loads are what is measured, one after the other.
func loads(lasts time.Duration, streams int) []load {
	all := []load{{benchIdle, 0, min(lasts, benchIdles)}}
	for _, direction := range []benchDirection{benchFrom, benchTo} {
		all = append(all, load{direction, 1, lasts})
		if streams > 1 {
			all = append(all, load{direction, streams, lasts})
		}
	}
	return all
}

// A bench is a bench command at work.
type bench struct {
	peer string
	node control.Node
	out  io.Writer
	json bool
	view *view
	path string // that people were told of last
}

func (b *bench) run(ctx context.Context, loads []load) error {
	dial := func(ctx context.Context) (control.Stream, error) {
		return reach(ctx, b.node, b.peer, func(peer string) (control.Stream, error) { return b.node.Dial(ctx, peer, benchService) })
	}
	defer b.view.clear()
	for _, l := range loads {
		result, err := l.run(ctx, dial, func(bytesPerSecond float64) { b.draw(l, bytesPerSecond) })
		if err != nil {
			return b.explain(ctx, err)
		}
		b.view.clear()
		if err := b.print(result); err != nil {
			return err
		}
	}
	return nil
}

// draw shows what is being measured, on a terminal.
func (b *bench) draw(l load, bytesPerSecond float64) {
	if !b.view.live {
		return
	}
	line := "round trips ..."
	if l.streams > 0 {
		line = fmt.Sprintf("%s: %s ...", loadName(l, b.peer), bitRate(8*bytesPerSecond))
	}
	b.view.draw(func(int) string { return line })
}

// print prints a result: for people, or for programs.
func (b *bench) print(r loaded) error {
	if b.json {
		return json.NewEncoder(b.out).Encode(benchJSON(b.peer, r))
	}
	if path := fmt.Sprintf("%s: %s\n", printable(b.peer), route(r.path)); path != b.path {
		b.path = path
		if _, err := io.WriteString(b.out, styleOf(b.out).bold(path)); err != nil {
			return err
		}
	}
	rate := ""
	if r.streams > 0 {
		rate = bitRate(r.bitsPerSecond())
	}
	trips := "no round trip was over in time"
	if n := len(r.rtts); n > 0 {
		trips = fmt.Sprintf("round trip %s (%s to %s)", shortTime(r.rtt()), shortTime(r.rtts[0]), shortTime(r.rtts[n-1]))
	}
	_, err := fmt.Fprintf(b.out, "  %-22s %12s   %s\n", loadName(r.load, printable(b.peer)), rate, trips)
	return err
}

// explain finds the words for why a measurement ended.
func (b *bench) explain(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	f := explain(err)
	switch {
	case errors.Is(err, bodkin.ErrServiceUnknown):
		f.text, f.hint = printable(b.peer)+" does not answer measurements", "there: bodkin up"
	case f.code == exitFailed && f.hint == "":
		f.text = fmt.Sprintf("the measurement with %s broke: %s", printable(b.peer), f.text)
	}
	return f
}

// loadName is a load in words.
func loadName(l load, peer string) string {
	if l.streams == 0 {
		return "idle"
	}
	return fmt.Sprintf("%s %s, %s", l.direction, peer, plural(l.streams, "stream"))
}

// bitRate is a throughput for people.
func bitRate(bitsPerSecond float64) string {
	switch {
	case bitsPerSecond < 999_500:
		return fmt.Sprintf("%.0f kbit/s", bitsPerSecond/1e3)
	case bitsPerSecond < 999.95e6:
		return fmt.Sprintf("%.1f Mbit/s", bitsPerSecond/1e6)
	}
	return fmt.Sprintf("%.2f Gbit/s", bitsPerSecond/1e9)
}

// benchResult is a load as JSON has it.
type benchResult struct {
	Peer      string         `json:"peer"`
	Path      string         `json:"path"`
	Remote    string         `json:"remote"`
	Direction benchDirection `json:"direction"`
	Streams   int            `json:"streams"`
	Seconds   float64        `json:"seconds"` // that bytes were counted
	Bytes     int64          `json:"bytes"`
	Mbit      float64        `json:"mbit_per_s"`
	RTT       *float64       `json:"rtt_ms"` // median; null: no round trip was over in time
	RTTMin    *float64       `json:"rtt_min_ms"`
	RTTMax    *float64       `json:"rtt_max_ms"`
	Pings     int            `json:"pings"`
}

func benchJSON(peer string, r loaded) benchResult {
	j := benchResult{Peer: peer, Path: pathWord(r.path), Remote: r.path.Remote.String(), Direction: r.direction, Streams: r.streams,
		Seconds: math.Round(r.over.Seconds()*1e3) / 1e3, Bytes: r.bytes, Mbit: math.Round(r.bitsPerSecond()/1e3) / 1e3, Pings: len(r.rtts)}
	if n := len(r.rtts); n > 0 {
		median, least, most := millis(r.rtt()), millis(r.rtts[0]), millis(r.rtts[n-1])
		j.RTT, j.RTTMin, j.RTTMax = &median, &least, &most
	}
	return j
}
