package main

import (
	"context"
	"fmt"
	"sync"
)

// again is how many more runs a pair may have for marked ones, for each run that was asked for.
const again = 1

// measure runs all pairs that are asked for. It returns a report of what there is also with an error, as when it was interrupted.
func measure(ctx context.Context, o options) (*report, error) {
	pairs, err := choosePairs(boxes(), o.Only)
	if err != nil {
		return nil, err
	}
	if o.Mapped {
		pairs = mappedPairs(pairs)
	}
	r, err := newReport(o, pairs)
	if err != nil {
		return nil, err
	}
	clockCtx, stopClock := context.WithCancel(ctx)
	var c clock
	var ticking sync.WaitGroup
	ticking.Go(func() { c.run(clockCtx) })
	defer ticking.Wait()
	defer stopClock()

	queue := make(chan pair)
	var work sync.WaitGroup
	for range min(o.parallel, len(pairs)) {
		work.Go(func() {
			for p := range queue {
				r.runPair(ctx, p, o, &c)
			}
		})
	}
feeding:
	for _, p := range pairs {
		select {
		case queue <- p:
		case <-ctx.Done():
			break feeding
		}
	}
	close(queue)
	work.Wait()
	return r, context.Cause(ctx)
}

// mappedPairs are those in which the dialer is behind a Linux router: which maps ports, whatever the table says.
func mappedPairs(pairs []pair) []pair {
	var chosen []pair
	for _, p := range pairs {
		if p.near.name == "linux" && p.far.shared == apart {
			chosen = append(chosen, p)
		}
	}
	return chosen
}

// runPair plays the runs of one pair that the report has not got yet.
func (r *report) runPair(ctx context.Context, p pair, o options, c *clock) {
	if r.unmarked(p) >= o.Runs {
		return
	}
	s, err := newStage(ctx, p, o)
	if err != nil {
		if ctx.Err() == nil {
			r.fail(fmt.Errorf("%v: %w", p, err))
		}
		return
	}
	defer s.close()
	for r.unmarked(p) < o.Runs && r.number(p) < (1+again)*o.Runs {
		var log *recorder
		if o.trace != "" {
			log = record(s.lab)
		}
		one := s.play(ctx, p, o, c, log.writer())
		if ctx.Err() != nil {
			log.end()
			return
		}
		r.add(p, one, o)
		if err := log.keep(o.trace, p, r.number(p), p.theory().problem(one, o)); err != nil {
			r.fail(err)
		}
	}
	r.progress(p, o)
}
