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

// print writes a table of medians, least and most. Beside TLS means by turns of the same round.
func (r *report) print(w io.Writer) {
	fmt.Fprintln(w, "| | MiB/s | beside bare TLS | CPU s/GiB | sending | receiving | most / least of a stream | a small message and back |")
	fmt.Fprintln(w, "|---|---|---|---|---|---|---|---|")
	slices.SortStableFunc(r.cells, func(a, b cell) int { return a.streams - b.streams })
	for _, c := range r.cells {
		all := r.results[c]
		speeds := column(all, func(x result) float64 { return x.speed })
		fmt.Fprintf(w, "| %s | %.0f (%.0f–%.0f) | %s | %.2f | %.2f | %.2f | %s | %s |\n", c, median(speeds), slices.Min(speeds), slices.Max(speeds), r.besideTLS(c),
			median(column(all, func(x result) float64 { return x.cpu })), median(column(all, func(x result) float64 { return x.sending })),
			median(column(all, func(x result) float64 { return x.cpu - x.sending })), sharesOf(c, all), smallOf(all))
	}
}

// besideTLS is the median of the ratios to the turn of bare TLS in the same round.
func (r *report) besideTLS(c cell) string {
	bare := r.results[cell{"tls", 1}]
	var ratios []float64
	for i, x := range r.results[c] {
		if i < len(bare) {
			ratios = append(ratios, x.speed/bare[i].speed)
		}
	}
	if len(ratios) == 0 {
		return "–"
	}
	return fmt.Sprintf("%.2f (%.2f–%.2f)", median(ratios), slices.Min(ratios), slices.Max(ratios))
}

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
