package main

import (
	"context"
	"fmt"
	"os"
	"sync"
	"time"
)

// alone is how long an attempt has the machine to itself, from the start of its programs on. What takes longer is waiting anyway.
const alone = 5 * time.Second

// comparePairs lets everybody try every pair, and prints what there is also when it was interrupted.
func comparePairs(ctx context.Context, p *programs, o options) error {
	var chosen []pair
	for _, x := range pairs() {
		if wanted(x.name, o.pairs) {
			chosen = append(chosen, x)
		}
	}
	lab, server, sites, err := newLab(chosen)
	if err != nil {
		return err
	}
	defer lab.Close()
	defer p.stop()
	if err := p.serve(ctx, onHost(server)); err != nil {
		return err
	}
	all := contestants(o.only)
	r := &pairReport{contestants: all, sites: sites, outcomes: map[string][]outcome{}}
	defer r.print(os.Stdout)
	for run := range o.runs {
		for i := range all {
			c := all[(i+run)%len(all)]
			if err := r.round(ctx, p, c); err != nil {
				return err
			}
		}
	}
	return nil
}

// round has one contestant try every pair once. They share no host, so those that only wait do so at once.
func (r *pairReport) round(ctx context.Context, p *programs, c contestant) error {
	var work sync.WaitGroup
	outcomes := make([]outcome, len(r.sites))
	for i, s := range r.sites {
		over := make(chan struct{})
		work.Go(func() {
			defer close(over)
			outcomes[i] = s.attempt(ctx, p, c)
		})
		quiet := time.NewTimer(alone)
		select {
		case <-over:
		case <-quiet.C:
		}
		quiet.Stop()
		if ctx.Err() != nil {
			break
		}
	}
	work.Wait()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	for i, s := range r.sites {
		o := outcomes[i]
		if o.err != nil {
			return fmt.Errorf("%s, %s: %w", c.name, s.name, o.err)
		}
		fmt.Fprintf(os.Stderr, "%-15s %-34s %s\n", c.name, s.name, o)
		r.add(c, s, o)
	}
	return nil
}
