package main

import (
	"bufio"
	"fmt"
	"io"
	"strings"
)

// writeSummary writes a line for each prospect, and the cells that failed.
func (r *report) writeSummary(w io.Writer) error {
	b := bufio.NewWriter(w)
	fmt.Fprintf(b, "%s, %s; %s; took %s\n\n", r.Date, r.Machine, r.Options.conditions(), r.Took)
	fmt.Fprintln(b, "| what theory says | pairs | runs | direct | relayed | marked runs (direct) | median ms to direct (over pairs) | worst median / floor | latest relayed, ms | pairs that fail |")
	fmt.Fprintln(b, "|---|---|---|---|---|---|---|---|---|---|")
	for _, row := range []struct {
		prospect prospect
		words    string
	}{
		{certain, "direct without guessing"}, {predicted, "direct by telling the next port"}, {mutual, "both ports to be guessed"},
		{search, "by a search alone"}, {forbidden, "relayed"},
	} {
		var all cell
		var pairs, bad int
		var medians []float64
		for _, c := range r.Cells {
			if c.Theory.Prospect != row.prospect {
				continue
			}
			pairs++
			all.Runs += c.Runs
			all.Direct += c.Direct
			all.Relayed += c.Relayed
			all.Marked += c.Marked
			all.MarkedDirect += c.MarkedDirect
			all.LatestMS = max(all.LatestMS, c.LatestMS)
			if c.Direct > 0 {
				medians = append(medians, c.DirectMS)
				all.Ratio = max(all.Ratio, c.Ratio)
			}
			if len(c.Problems) > 0 {
				bad++
			}
		}
		if pairs > 0 {
			fmt.Fprintf(b, "| %s | %d | %d | %d | %d | %d (%d) | %s | %s | %s | %d |\n", row.words, pairs, all.Runs, all.Direct, all.Relayed,
				all.Marked, all.MarkedDirect, number(median(medians), 0), number(all.Ratio, 2), number(all.LatestMS, 0), bad)
		}
	}
	var strangers, most int64
	for _, c := range r.Cells {
		strangers += c.Strangers
		most = max(most, c.MostSYNs)
	}
	fmt.Fprintf(b, "\nSYNs to strangers: %d. Most SYNs of one side to its peer in one run: %d.\n", strangers, most)
	for _, c := range r.Cells {
		if len(c.Problems) > 0 {
			fmt.Fprintf(b, "- FAIL %s:%s: %s\n", c.Near, c.Far, strings.Join(c.Problems, "; "))
		}
	}
	return b.Flush()
}

// writeTables writes the summary and a line for each pair, as Markdown.
func (r *report) writeTables(w io.Writer) error {
	if err := r.writeSummary(w); err != nil {
		return err
	}
	b := bufio.NewWriter(w)
	fmt.Fprintln(b, "\n| dialer | callee | theory | direct | rounds (most) | ms | / floor | relayed | ms | SYNs of dialer, callee | |")
	fmt.Fprintln(b, "|---|---|---|---|---|---|---|---|---|---|---|")
	for _, c := range r.Cells {
		rounds, verdict := "–", "pass"
		if c.Direct > 0 {
			rounds = fmt.Sprintf("%d (%d)", c.Rounds, c.MostRounds)
		}
		if len(c.Problems) > 0 {
			verdict = "FAIL: " + strings.Join(c.Problems, "; ")
		}
		fmt.Fprintf(b, "| %s | %s | %s | %d/%d | %s | %s | %s | %d | %s | %.0f, %.0f | %s |\n", c.Near, c.Far, c.Theory.Prospect, c.Direct, c.Runs,
			rounds, number(c.DirectMS, 0), number(c.Ratio, 3), c.Relayed, number(c.RelayedMS, 0), c.NearSYNs, c.FarSYNs, verdict)
	}
	fmt.Fprintln(b, "\nWhy theory says so:")
	said := map[string]bool{}
	for _, c := range r.Cells {
		if !said[c.Theory.Why] {
			said[c.Theory.Why] = true
			floor := ""
			if c.Theory.Floor > 0 {
				floor = fmt.Sprintf("; floor %v", c.Theory.Floor)
			}
			fmt.Fprintf(b, "\n- %s: %s%s (as %s to %s)", c.Theory.Prospect, c.Theory.Why, floor, c.Near, c.Far)
		}
	}
	fmt.Fprintln(b)
	return b.Flush()
}

// number writes a figure, a dash if there is none.
func number(f float64, digits int) string {
	if f == 0 {
		return "–"
	}
	return fmt.Sprintf("%.*f", digits, f)
}
