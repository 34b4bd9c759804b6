package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"
)

// interval is how often a transfer is looked at.
const interval = 500 * time.Millisecond

// A course is what a transfer did in each interval.
type course struct {
	rates    []float64 // Mbit/s at the receiver
	carriers []int     // in use at the sender
	overall  float64   // Mbit/s of the whole
}

// lastly is what came in the second half, in Mbit/s: what trying has led to, and not one good moment.
func (c *course) lastly() float64 {
	half := c.rates[len(c.rates)/2:]
	sum := 0.0
	for _, rate := range half {
		sum += rate
	}
	return sum / float64(max(len(half), 1))
}

// String is each interval.
func (c *course) String() string {
	var b strings.Builder
	for i, rate := range c.rates {
		fmt.Fprintf(&b, "%d:%.0f ", c.carriers[i], rate)
	}
	return strings.TrimSpace(b.String())
}

// transfer sends for some time over a line that may use so many carriers.
func (s *stage) transfer(ctx context.Context, spread int, lasts time.Duration) (*course, error) {
	p, err := s.open(ctx, spread)
	if err != nil {
		return nil, err
	}
	var work sync.WaitGroup
	work.Go(func() {
		chunk := make([]byte, 256<<10)
		for {
			if _, err := p.near.Write(chunk); err != nil {
				return
			}
		}
	})
	work.Go(func() { io.Copy(io.Discard, struct{ io.Reader }{p.far}) })
	c, err := p.watch(ctx, lasts)
	p.close()
	work.Wait()
	return c, err
}

// watch looks at a line until its time is over.
func (p *pair) watch(ctx context.Context, lasts time.Duration) (*course, error) {
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	c := &course{}
	start := time.Now()
	last, had := start, uint64(0)
	for time.Since(start) < lasts {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-p.near.Done():
			return nil, p.near.Err()
		}
		now, has := time.Now(), p.far.Stats().Received
		c.rates = append(c.rates, float64(has-had)*8/1e6/now.Sub(last).Seconds())
		c.carriers = append(c.carriers, p.near.Stats().Carriers)
		last, had = now, has
	}
	c.overall = float64(had) * 8 / 1e6 / last.Sub(start).Seconds()
	return c, nil
}

// turns lets transfers with one carrier and with several take turns, and returns what they came to, in Mbit/s.
func (s *stage) turns(ctx context.Context, spread, rounds int, lasts time.Duration) (single, several []float64, err error) {
	for range rounds {
		for _, n := range []int{1, spread} {
			c, err := s.transfer(ctx, n, lasts)
			if err != nil {
				return nil, nil, err
			}
			if n == 1 {
				single = append(single, c.overall)
			} else {
				several = append(several, c.overall)
			}
		}
	}
	return single, several, nil
}

func median(of []float64) float64 {
	sorted := slices.Sorted(slices.Values(of))
	return sorted[len(sorted)/2]
}

func best(of []float64) float64 { return slices.Max(of) }
