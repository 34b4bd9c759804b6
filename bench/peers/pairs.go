package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"sync"
	"time"
)

// Bounds of one run.
const (
	prepareLimit = 30 * time.Second // until both nodes are ready
	alone        = 2 * time.Second  // a dial has the machine to itself for so long
	dialLimit    = 45 * time.Second // three tries of DCUtR take 15 s, and a direct dial before them 10 s
	preparing    = 4                // runs that are prepared at once
)

// runPairs plays all runs, group by group and in each group one system after the other, so that what the machine does
// meanwhile hits both.
func runPairs(ctx context.Context, o options, r *report) error {
	chosen, err := choosePairs(boxes(), o.pairs)
	if err != nil || o.runs == 0 {
		return err
	}
	systems, err := chooseSystems(o.systems)
	if err != nil {
		return err
	}
	s, err := newStage(ctx)
	if err != nil {
		return err
	}
	defer s.close()
	groups := disjoint(chosen)
	for run := range o.runs {
		for i, group := range groups {
			for _, system := range rotate(systems, run+i) {
				outcomes := s.play(ctx, system, group, run)
				if ctx.Err() != nil {
					return context.Cause(ctx)
				}
				r.add(outcomes, o.verbose)
			}
			fmt.Fprintf(os.Stderr, "run %d of %d, group %d of %d, %v\n", run+1, o.runs, i+1, len(groups), time.Since(r.Began).Round(time.Second))
		}
	}
	return nil
}

// disjoint splits pairs, in the order they are in, into groups in which no host is used twice.
func disjoint(pairs []pair) [][]pair {
	var groups [][]pair
	near, far := map[string]bool{}, map[string]bool{}
	for _, p := range pairs {
		if len(groups) == 0 || near[p.near] || far[p.far] {
			groups = append(groups, nil)
			clear(near)
			clear(far)
		}
		last := len(groups) - 1
		groups[last] = append(groups[last], p)
		near[p.near], far[p.far] = true, true
	}
	return groups
}

// rotate begins a list at another place.
func rotate[T any](list []T, by int) []T {
	by %= len(list)
	return append(append([]T(nil), list[by:]...), list[:by]...)
}

// play runs one system through pairs that share no host. Nodes are prepared several at a time; then each pair dials with
// the machine to itself, unless it takes so long that it is waiting anyway. The last pairs dial first, because theirs are the
// harder boxes.
func (s *stage) play(ctx context.Context, system system, pairs []pair, run int) []outcome {
	runs := make([]*attempt, len(pairs))
	var work sync.WaitGroup
	room := make(chan struct{}, preparing)
	for i, p := range pairs {
		runs[i] = &attempt{stage: s, near: s.near[p.near], far: s.far[p.far]}
		runs[i].outcome = outcome{System: system.name, Near: p.near, Far: p.far, Run: run}
		work.Go(func() {
			room <- struct{}{}
			defer func() { <-room }()
			runs[i].prepare(ctx, system)
		})
	}
	work.Wait()
	for _, a := range slices.Backward(runs) {
		quiet := time.NewTimer(alone)
		done := make(chan struct{})
		work.Go(func() {
			defer close(done)
			a.dial(ctx)
		})
		select {
		case <-done:
		case <-quiet.C:
		}
		quiet.Stop()
	}
	work.Wait()
	outcomes := make([]outcome, len(runs))
	for i, a := range runs {
		work.Go(a.stop)
		outcomes[i] = a.outcome
	}
	work.Wait()
	return outcomes
}
