package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

func (b broken) String() string {
	switch {
	case b.nothing:
		return "nothing to break"
	case b.stuck:
		return fmt.Sprintf("stands still for %v; a new connection after %s", watchFor, afterwards(b.again))
	case b.ended > 0:
		return fmt.Sprintf("ends after %s; a new connection after %s", seconds(b.ended), afterwards(b.again))
	}
	return fmt.Sprintf("goes on after %s", seconds(b.pause))
}

// slowAgain is when a new connection is worth a word beside one that goes on. It is first tried half a second after the fault.
const slowAgain = 2 * time.Second

func seconds(d time.Duration) string { return fmt.Sprintf("%.2f s", d.Seconds()) }

func afterwards(d time.Duration) string {
	if d < 0 {
		return "never"
	}
	return seconds(d)
}

// A faultReport is what every fault did.
type faultReport struct {
	contestants []contestant
	outcomes    map[string][]broken // by contestant and fault
}

func (r *faultReport) add(c contestant, f fault, b broken) {
	key := c.name + f.name
	r.outcomes[key] = append(r.outcomes[key], b)
}

// print writes one table of everybody and everything.
func (r *faultReport) print(w io.Writer) {
	fmt.Fprint(w, "| under a connection in use |")
	for _, c := range r.contestants {
		fmt.Fprintf(w, " %s |", c.name)
	}
	fmt.Fprintf(w, "\n|---|%s\n", strings.Repeat("---|", len(r.contestants)))
	for _, f := range faults() {
		if !r.played(f) {
			continue
		}
		fmt.Fprintf(w, "| %s |", f.name)
		for _, c := range r.contestants {
			fmt.Fprintf(w, " %s |", brokenSummary(r.outcomes[c.name+f.name]))
		}
		fmt.Fprintln(w)
	}
}

// played tells whether anybody met a fault.
func (r *faultReport) played(f fault) bool {
	return slices.ContainsFunc(r.contestants, func(c contestant) bool { return len(r.outcomes[c.name+f.name]) > 0 })
}

// brokenSummary is a cell: medians of what happened alike, and how often.
func brokenSummary(all []broken) string {
	kinds := []struct {
		is   func(broken) bool
		text func(pause, ended, again time.Duration) string
	}{
		{func(b broken) bool { return b.nothing }, func(_, _, _ time.Duration) string { return "–" }},
		{func(b broken) bool { return !b.nothing && !b.stuck && b.ended == 0 }, func(pause, _, again time.Duration) string {
			if again < 0 || again > slowAgain {
				return fmt.Sprintf("goes on after %s, a new one after %s", seconds(pause), afterwards(again))
			}
			return "goes on after " + seconds(pause)
		}},
		{func(b broken) bool { return b.ended > 0 }, func(_, ended, again time.Duration) string {
			return fmt.Sprintf("ends after %s, a new one after %s", seconds(ended), afterwards(again))
		}},
		{func(b broken) bool { return b.stuck }, func(_, _, again time.Duration) string {
			return fmt.Sprintf("stands still for %v, a new one after %s", watchFor, afterwards(again))
		}},
	}
	var parts []string
	for _, k := range kinds {
		var some []broken
		for _, b := range all {
			if k.is(b) {
				some = append(some, b)
			}
		}
		if len(some) == 0 {
			continue
		}
		text := k.text(medianOf(some, func(b broken) time.Duration { return b.pause }), medianOf(some, func(b broken) time.Duration { return b.ended }),
			medianOf(some, func(b broken) time.Duration { return b.again }))
		if len(some) < len(all) {
			text += fmt.Sprintf(" (%d/%d)", len(some), len(all))
		}
		parts = append(parts, text)
	}
	return strings.Join(parts, "; ")
}
