// Tunnel measures bodkin forward beside frp's xtcp and beside Tailscale, which lead to a port of another machine, too, and directly where they can:
// through the same NATs, at the same distances, one program after the other. It prints Markdown.
//
//	go run ./bench/tunnel                        pairs of networks: who gets through, and how soon the first byte is back (5 minutes a run)
//	go run ./bench/tunnel -pairs same,reject     the pairs that have one of these words in their names
//	go run ./bench/tunnel -faults                instead: a connection in use, and what becomes of it when the network breaks (12 minutes a run)
//	go run ./bench/tunnel -speed                 instead: one connection's bytes through a router of namespaces (needs root, half a minute a run)
//	go run ./bench/tunnel -distant               instead: one connection's bytes over 50 ms
//	go run ./bench/tunnel -only bodkin,frp       some of the contestants
//
// All programs are as their users run them, each in a process on a host of natlab: bodkin up --expose and bodkin forward; frpc with a proxy and
// frpc with a visitor; tailscaled at both ends. frp is built from bench/frp, without its dashboards' pages and otherwise as its Makefile does.
// Tailscale and Headscale are built from bench/tailscale, which takes minutes the first time.
//
// # What frp is given
//
// A STUN server with two addresses, where the rendezvous server is; poolCount = 5, as in its full example; both protocols, QUIC and KCP. "frp kept"
// is QUIC with keepTunnelOpen, and with fallbackTo an stcp visitor after 500 ms, as the full example has it; its clock starts a second after it
// has said that the tunnel is there, because QUIC's handshake comes then, or when it has not said so for 15 s. One frps serves all runs, so that
// it may learn what works between two addresses. Everything else is as frp has it by default.
//
// # What Tailscale is given
//
// Headscale as control server, with its own DERP relay and STUN server, where the other servers are; a device of the kernel's at both ends, no
// filter, no DNS. What is connected to is the other node's own address, so that the handshake of the connection crosses, too, and the tunnel is
// there before: the clock starts two seconds after both have joined.
//
// # What is timed
//
// From the connect to the local port, or to the other node, until the first 8 bytes are back from an echo service behind the other end; then the same for one more
// connection. A connection that ends before that is tried again, as a user would. Which way bytes took is counted in the lab.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/bodkin-p2p/bodkin/bench"
)

// options are the command line's.
type options struct {
	runs           int
	pairs, only    string
	faults         bool
	speed, distant bool
	time           time.Duration
	verbose        bool
}

func main() {
	if len(os.Args) > 1 && os.Args[1] == roleCommand {
		if err := play(os.Args[2:]); err != nil {
			fmt.Fprintln(os.Stderr, "tunnel:", err)
			os.Exit(1)
		}
		return
	}
	var o options
	flag.IntVar(&o.runs, "runs", 1, "how often everybody has a turn at everything")
	flag.StringVar(&o.pairs, "pairs", "", "pairs or faults with one of these words in their names; empty: all")
	flag.StringVar(&o.only, "only", "", "contestants with one of these words in their names; empty: all")
	flag.BoolVar(&o.faults, "faults", false, "break the network under a connection instead")
	flag.BoolVar(&o.speed, "speed", false, "measure throughput through a router instead")
	flag.BoolVar(&o.distant, "distant", false, "measure throughput over 50 ms instead")
	flag.DurationVar(&o.time, "time", 3*time.Second, "how long throughput is measured in each turn")
	flag.BoolVar(&o.verbose, "v", false, "print what the programs say")
	flag.Parse()
	bench.Main("tunnel", func(ctx context.Context) error { return run(ctx, o) })
}

func run(ctx context.Context, o options) error {
	dir, err := os.MkdirTemp("", "bodkin-tunnel-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	p, err := build(ctx, dir, contestants(o.only))
	if err != nil {
		return err
	}
	p.verbose = o.verbose
	switch {
	case o.speed:
		return compareSpeed(ctx, p, o, newRouted)
	case o.distant:
		return compareSpeed(ctx, p, o, newDistant)
	case o.faults:
		return compareFaults(ctx, p, o)
	}
	return comparePairs(ctx, p, o)
}

// wanted tells whether a name has one of the words.
func wanted(name, words string) bool {
	for word := range strings.SplitSeq(words, ",") {
		if strings.Contains(name, word) {
			return true
		}
	}
	return false
}
