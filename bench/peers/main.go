// Peers runs Bodkin and current go-libp2p (TCP, circuit relay v2, DCUtR hole punching) through the same NATs, one after the
// other, and prints one table: how often each gets a direct connection, how long after the dial, and for how many SYNs. Then it
// sends bytes over a direct path of each, beside bare TLS and bare TCP. It is a module of its own, so that go-libp2p is no
// dependency of the product.
//
//	go run . [-runs N] [-pairs NEAR:FAR,...] [-rounds N] [-json FILE]
//
// Everything happens in natlab, on one Linux machine and without root. Each host's program is a process of its own in the
// host's namespace: this binary again, in a role.
//
// What is counted. Bodkin: from Dial to the first protected byte that can be sent on a direct connection. go-libp2p: from
// Connect, to the addresses that the callee advertises, until a direct connection exists, secured and multiplexed; and the
// same from the start of the hole punch, as its tracer tells, up to when the dialer has it. SYNs are those of both sides that
// the internet saw between the dial and the direct connection, or the end of all tries.
//
// # What go-libp2p is given
//
// Four observers, so that it believes its address; a relay whose limits are never met, at the same place as Bodkin's server;
// address lists in which documentation ranges count as public; reachability as its AutoNAT would find it, public behind
// a full cone too; no delays between the addresses it dials. The clock starts when it has its reservation, its addresses and
// its hole puncher.
package main

import (
	"context"
	"errors"
	"flag"
	"os"
	"time"

	"github.com/bodkin-p2p/bodkin/bench"
)

// options are the command line's.
type options struct {
	runs     int
	pairs    string
	systems  string
	rounds   int
	transfer time.Duration
	json     string
	verbose  bool
}

func main() {
	if len(os.Args) > 1 && os.Args[1] == roleCommand {
		os.Exit(runRole(os.Args[2:]))
	}
	var o options
	flag.IntVar(&o.runs, "runs", 2, "runs of each pair in each direction, for each system; 0: no table of pairs")
	flag.StringVar(&o.pairs, "pairs", "*:*", "comma-separated NEAR:FAR, where * is every box")
	flag.StringVar(&o.systems, "systems", "bodkin,libp2p", "which systems to run through the pairs")
	flag.IntVar(&o.rounds, "rounds", 3, "rounds of the throughput comparison; 0: none")
	flag.DurationVar(&o.transfer, "transfer", 3*time.Second, "longest time of one transfer; 1 GiB ends it earlier")
	flag.StringVar(&o.json, "json", "", "write every run to this file")
	flag.BoolVar(&o.verbose, "v", false, "print every run")
	flag.Parse()
	bench.Main("peers", func(ctx context.Context) error { return compare(ctx, o) })
}

// compare runs everything, and prints what there is also when it was interrupted.
func compare(ctx context.Context, o options) error {
	r := newReport()
	err := runPairs(ctx, o, r)
	if err == nil {
		err = runTransfers(ctx, o, r)
	}
	r.Took = time.Since(r.Began).Round(time.Second)
	r.print(os.Stdout)
	if o.json != "" {
		err = errors.Join(err, r.save(o.json))
	}
	return err
}
