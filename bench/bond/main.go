// Bond measures a line that may use several carriers at once, over a path on which each TCP flow has a rate of its own, and over one
// on which nothing is capped.
//
//	go run ./bench/bond                      one carrier and up to 8, at 50 Mbit/s a flow, and uncapped
//	go run ./bench/bond -rate 20 -spread 4   20 Mbit/s a flow, up to 4 carriers
//	go run ./bench/bond -rounds 9            so many turns of both on the uncapped path
//
// Two natlab hosts, one of them behind a nftables NAT whose link has the cap; TLS 1.3 connections with records of our own, as between
// nodes, and a line over those. What asks for another carrier gets it by another connection. It needs Linux.
//
// # What is told
//
// Capped: the mean of the second half of the transfer at the receiver, and its course. Uncapped: the
// medians of whole transfers in turn, with all that trying a second carrier costs.
package main

import (
	"context"
	"flag"
	"fmt"
	"time"

	"github.com/bodkin-p2p/bodkin/bench"
)

// options are the command line's.
type options struct {
	rate   float64
	spread int
	rounds int
	capped time.Duration
	free   time.Duration
}

func main() {
	var o options
	flag.Float64Var(&o.rate, "rate", 50, "Mbit/s of each flow on the capped path")
	flag.IntVar(&o.spread, "spread", 8, "carriers that may be used at once")
	flag.IntVar(&o.rounds, "rounds", 5, "turns of both on the uncapped path")
	flag.DurationVar(&o.capped, "capped", 30*time.Second, "how long a transfer with several carriers lasts on the capped path")
	flag.DurationVar(&o.free, "free", 6*time.Second, "how long each transfer lasts on the uncapped path")
	flag.Parse()
	bench.Main("bond", func(ctx context.Context) error { return run(ctx, o) })
}

func run(ctx context.Context, o options) error {
	capped, err := newStage(int64(o.rate * 1e6))
	if err != nil {
		return err
	}
	defer capped.lab.Close()
	one, err := capped.transfer(ctx, 1, 4*time.Second)
	if err != nil {
		return err
	}
	many, err := capped.transfer(ctx, o.spread, o.capped)
	if err != nil {
		return err
	}
	fmt.Printf("each flow capped at %g Mbit/s, %d allowed: one carrier %.1f Mbit/s, with others %.1f: %.2f times as much\n",
		o.rate, o.spread, one.lastly(), many.lastly(), many.lastly()/one.lastly())
	fmt.Println("carriers in use, and Mbit/s, every half second:", many)

	free, err := newStage(0)
	if err != nil {
		return err
	}
	defer free.lab.Close()
	single, bonded, err := free.turns(ctx, o.spread, o.rounds, o.free)
	if err != nil {
		return err
	}
	fmt.Printf("uncapped, %d turns of %v: one carrier %.0f Mbit/s, %d allowed %.0f (medians): %.3f; best of both %.3f\n",
		o.rounds, o.free, median(single), o.spread, median(bonded), median(bonded)/median(single), best(bonded)/best(single))
	return nil
}
