package main

import (
	"fmt"
	"io"
	"slices"
)

// A report is what every turn gave, by cell.
type report struct {
	cells   []cell
	results map[cell][]result
}

func (r *report) add(c cell, x result) {
	if r.results == nil {
		r.results = map[cell][]result{}
	}
	if r.results[c] == nil {
		r.cells = append(r.cells, c)
	}
	r.results[c] = append(r.results[c], x)
}

// print writes a table of medians, least and most, and one of ratios. What is beside another is compared by turns of the same round.
func (r *report) print(w io.Writer) {
	fmt.Fprintln(w, "| | MiB/s | beside bare TLS | CPU s/GiB | sending | receiving | most / least of a stream | a small message and back |")
	fmt.Fprintln(w, "|---|---|---|---|---|---|---|---|")
	slices.SortStableFunc(r.cells, func(a, b cell) int { return a.streams - b.streams })
	for _, c := range r.cells {
		all := r.results[c]
		speeds := column(all, speedOf)
		fmt.Fprintf(w, "| %s | %.0f (%.0f–%.0f) | %s | %.2f | %.2f | %.2f | %s | %s |\n", c, median(speeds), slices.Min(speeds), slices.Max(speeds), r.besideTLS(c),
			median(column(all, cpuOf)), median(column(all, func(x result) float64 { return x.sending })),
			median(column(all, func(x result) float64 { return x.cpu - x.sending })), sharesOf(c, all), smallOf(all))
	}
	r.printPairs(w)
}

// besideTLS compares the speed with bare TLS's.
func (r *report) besideTLS(c cell) string {
	return spread(r.ratios(c, cell{contestant: "tls", streams: 1}, speedOf))
}

// printPairs writes what one cell has of another: this version of each other one, and many streams of one.
func (r *report) printPairs(w io.Writer) {
	var pairs [][2]cell
	for _, c := range r.cells {
		for _, other := range r.cells {
			isVersion := c.program == "" && other.program != "" && c.contestant == other.contestant && c.streams == other.streams
			isMany := c.program == other.program && c.contestant == other.contestant && c.streams > 1 && other.streams == 1
			if isVersion || isMany {
				pairs = append(pairs, [2]cell{c, other})
			}
		}
	}
	if len(pairs) == 0 {
		return
	}
	fmt.Fprintln(w, "\n| beside each other | times the MiB/s | times the CPU s/GiB |\n|---|---|---|")
	for _, p := range pairs {
		fmt.Fprintf(w, "| %s, to %s | %s | %s |\n", p[0], p[1], spread(r.ratios(p[0], p[1], speedOf)), spread(r.ratios(p[0], p[1], cpuOf)))
	}
}

// ratios are those of one cell to another, by turns of the same round.
func (r *report) ratios(c, to cell, of func(result) float64) (all []float64) {
	others := r.results[to]
	for i, x := range r.results[c] {
		if i < len(others) {
			all = append(all, of(x)/of(others[i]))
		}
	}
	return all
}

// spread is the median of ratios, the least and the most.
func spread(ratios []float64) string {
	if len(ratios) == 0 {
		return "–"
	}
	return fmt.Sprintf("%.2f (%.2f–%.2f)", median(ratios), slices.Min(ratios), slices.Max(ratios))
}

func speedOf(x result) float64 { return x.speed }
func cpuOf(x result) float64   { return x.cpu }

func sharesOf(c cell, all []result) string {
	if c.streams == 1 {
		return "–"
	}
	return fmt.Sprintf("%.2f", median(column(all, func(x result) float64 { return x.shares })))
}

func smallOf(all []result) string {
	ms := column(all, func(x result) float64 { return float64(x.small.Microseconds()) / 1000 })
	if slices.Max(ms) == 0 {
		return "–"
	}
	return fmt.Sprintf("%.1f ms (%.1f–%.1f)", median(ms), slices.Min(ms), slices.Max(ms))
}

func column(all []result, of func(result) float64) (values []float64) {
	for _, x := range all {
		values = append(values, of(x))
	}
	return values
}

func median(values []float64) float64 {
	values = slices.Sorted(slices.Values(values))
	n := len(values)
	return (values[(n-1)/2] + values[n/2]) / 2
}
