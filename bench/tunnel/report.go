package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

func (o outcome) String() string {
	if !o.worked {
		return fmt.Sprintf("nothing in %v, %d tries", tryFor, o.tries)
	}
	return fmt.Sprintf("first %s ms (try %d, direct %v), later %s ms; in the end direct %v, after %s ms", inMS(o.first), o.tries, o.isFirstDirect, inMS(o.later), o.isDirect, inMS(o.direct))
}

// A pairReport is what every attempt gave.
type pairReport struct {
	contestants []contestant
	sites       []*site
	outcomes    map[string][]outcome // by contestant and site
}

func (r *pairReport) add(c contestant, s *site, o outcome) {
	key := c.name + s.name
	r.outcomes[key] = append(r.outcomes[key], o)
}

// print writes one table of everybody and everything: the path, and medians of the first byte's time and of a later connection's.
func (r *pairReport) print(w io.Writer) {
	fmt.Fprint(w, "| first byte back after, ms: first connection, a later one |")
	for _, c := range r.contestants {
		fmt.Fprintf(w, " %s |", c.name)
	}
	fmt.Fprintf(w, "\n|---|%s\n", strings.Repeat("---|", len(r.contestants)))
	for _, s := range r.sites {
		fmt.Fprintf(w, "| %s |", s.name)
		for _, c := range r.contestants {
			fmt.Fprintf(w, " %s |", summary(r.outcomes[c.name+s.name]))
		}
		fmt.Fprintln(w)
	}
}

// summary is a cell: how many attempts were direct at the first byte, how many only later or never, and the times.
func summary(all []outcome) string {
	kinds := []struct {
		name string
		is   func(outcome) bool
	}{
		{"direct", func(o outcome) bool { return o.worked && o.isFirstDirect }},
		{"relayed, then direct", func(o outcome) bool { return o.worked && !o.isFirstDirect && o.isDirect }},
		{"relayed", func(o outcome) bool { return o.worked && !o.isFirstDirect && !o.isDirect }},
		{"nothing", func(o outcome) bool { return !o.worked }},
	}
	var parts []string
	for _, k := range kinds {
		var some []outcome
		for _, o := range all {
			if k.is(o) {
				some = append(some, o)
			}
		}
		if len(some) == 0 {
			continue
		}
		text := k.name
		if len(some) < len(all) {
			text += fmt.Sprintf(" %d/%d", len(some), len(all))
		}
		if k.name != "nothing" {
			text += fmt.Sprintf(" %s, %s", inMS(medianOf(some, func(o outcome) time.Duration { return o.first })), inMS(medianOf(some, func(o outcome) time.Duration { return o.later })))
		}
		if direct := medianOf(some, func(o outcome) time.Duration { return o.direct }); direct > 0 {
			text += fmt.Sprintf(" (direct after %.1f s)", direct.Seconds())
		}
		parts = append(parts, text)
	}
	return strings.Join(parts, "; ")
}

func inMS(d time.Duration) string { return fmt.Sprintf("%.0f", float64(d)/float64(time.Millisecond)) }

func medianOf[T any](all []T, of func(T) time.Duration) time.Duration {
	var values []float64
	for _, x := range all {
		values = append(values, float64(of(x)))
	}
	return time.Duration(median(values))
}

// median is zero if there are no values.
func median(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	values = slices.Sorted(slices.Values(values))
	n := len(values)
	return (values[(n-1)/2] + values[n/2]) / 2
}
