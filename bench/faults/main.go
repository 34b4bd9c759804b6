// Faults runs one transfer of 1 GiB in each direction at once, over one session, and breaks what is under it in every way the lab knows,
// one after the other. It compares what came with what was sent, and tells how long each fault kept bytes from coming.
//
//	go run ./bench/faults                          1 GiB each way, some two minutes
//	go run ./bench/faults -rounds 3                every fault three times, and medians
//	go run ./bench/faults -size 64 -only reset     64 MiB, faults whose names contain a word
//	go run ./bench/faults -list                    the faults
//
// Nodes and the server are the real ones, the server in a process of its own that is killed with SIGKILL. The networks are natlab's, so it
// needs Linux but no root. Writers are paced so that the transfer lasts until the last fault is over; what is left then goes at full speed.
//
// # What is measured
//
// The pause is the longest time, from the fault on, in which no byte came at a receiver. A writer that is kept waiting before a reset, which
// would not be in sequence otherwise, does not count. A fault is detected when one of the two nodes tells that the path of its session is late, or
// that it is another or none; the time from then until the first of them has another is told apart. RTT is the lab's, of the path in the end.
// The bound is detection + 3 RTT, for faults with a working server and link. Where a better path appears there is nothing to detect: all of the pause
// around the move to it counts.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"time"

	"github.com/bodkin-p2p/bodkin/bench"
)

// options are the command line's.
type options struct {
	size   int // MiB in each direction
	rounds int
	rest   time.Duration
	only   string
	list   bool
	log    string
}

func main() {
	if serving() {
		return
	}
	var o options
	flag.IntVar(&o.size, "size", 1024, "MiB in each direction")
	flag.IntVar(&o.rounds, "rounds", 1, "how often each fault comes")
	flag.DurationVar(&o.rest, "rest", 2*time.Second, "how long bytes flow undisturbed before each fault")
	flag.StringVar(&o.only, "only", "", "only faults with one of these comma-separated words in their names")
	flag.BoolVar(&o.list, "list", false, "list the faults")
	flag.StringVar(&o.log, "log", "", "write what the nodes log to this file")
	flag.Parse()
	if o.list {
		for _, f := range all {
			fmt.Println(f.name)
		}
		return
	}
	bench.Main("faults", func(ctx context.Context) error {
		report, err := run(ctx, o, os.Stderr)
		fmt.Println(report)
		return err
	})
}
