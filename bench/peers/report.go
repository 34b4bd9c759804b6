package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"text/tabwriter"
	"time"
)

// An outcome is what came of one run of one system through one pair. Times are in milliseconds.
type outcome struct {
	System    string  `json:"system"`
	Near      string  `json:"near"` // the dialer's box
	Far       string  `json:"far"`
	Run       int     `json:"run"`
	Direct    bool    `json:"direct"`
	DirectMS  float64 `json:"direct_ms,omitempty"`  // from the dial to the direct connection
	RelayedMS float64 `json:"relayed_ms,omitempty"` // from the dial to the relayed one
	PunchMS   float64 `json:"punch_ms,omitempty"`   // from the start of the first hole punch to the direct connection
	Punches   int     `json:"punches,omitempty"`    // hole punches that DCUtR started
	SYNs      int64   `json:"syns"`                 // of both sides, seen by the internet
	Strangers int64   `json:"strangers"`            // those to others than the two and the servers
	Reason    string  `json:"reason,omitempty"`     // why there is no direct connection
}

// A report is everything that was measured.
type report struct {
	Began     time.Time     `json:"began"`
	Took      time.Duration `json:"took_ns"`
	Versions  []string      `json:"versions"`
	Outcomes  []outcome     `json:"outcomes"`
	Transfers []transfer    `json:"transfers"`
}

func newReport() *report {
	r := &report{Began: time.Now()}
	r.Versions = append(r.Versions, runtime.Version(), fmt.Sprintf("%d cores", runtime.NumCPU()))
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, m := range info.Deps {
			if m.Path == "github.com/libp2p/go-libp2p" {
				r.Versions = append(r.Versions, "go-libp2p "+m.Version)
			}
		}
	}
	if release, err := os.ReadFile("/proc/sys/kernel/osrelease"); err == nil {
		r.Versions = append(r.Versions, "Linux "+string(release[:len(release)-1]))
	}
	return r
}

func (r *report) add(outcomes []outcome, print bool) {
	r.Outcomes = append(r.Outcomes, outcomes...)
	for _, o := range outcomes {
		if print {
			fmt.Fprintf(os.Stderr, "%-6s %s to %s: direct %v, %.1f ms (relayed %.1f, punch %.1f), %d SYNs, %d to strangers %s\n",
				o.System, o.Near, o.Far, o.Direct, o.DirectMS, o.RelayedMS, o.PunchMS, o.SYNs, o.Strangers, o.Reason)
		}
	}
}

func (r *report) save(path string) error {
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(text, '\n'), 0o644)
}

// print writes the tables, as Markdown.
func (r *report) print(w io.Writer) {
	fmt.Fprintf(w, "%s, %v, took %v\n\n", r.Began.Format(time.DateOnly), r.Versions, r.Took)
	if len(r.Outcomes) > 0 {
		r.printPairs(w)
	}
	if len(r.Transfers) > 0 {
		r.printTransfers(w)
	}
}

// printPairs writes a line for each pair of boxes, both directions together, and sums.
func (r *report) printPairs(w io.Writer) {
	t := tabwriter.NewWriter(w, 0, 0, 1, ' ', 0)
	fmt.Fprintln(t, "| pair\t| Bodkin direct\t| ms\t| SYNs\t| libp2p direct\t| ms from Connect\t| ms from punch\t| SYNs\t|")
	fmt.Fprintln(t, "|---\t|---\t|---\t|---\t|---\t|---\t|---\t|---\t|")
	for _, p := range r.unordered() {
		b, l := summarise(r.of("bodkin", p)), summarise(r.of("libp2p", p))
		fmt.Fprintf(t, "| %s – %s\t| %s\t| %s\t| %s\t| %s\t| %s\t| %s\t| %s\t|\n",
			p.near, p.far, b.share(), number(b.direct), number(b.syns), l.share(), number(l.direct), number(l.punch), number(l.syns))
	}
	t.Flush()
	fmt.Fprintln(w)
	for _, system := range []string{"bodkin", "libp2p"} {
		r.printSum(w, system)
	}
	fmt.Fprintln(w)
}

// printSum writes one line about all pairs.
func (r *report) printSum(w io.Writer, system string) {
	all := summarise(slices.DeleteFunc(slices.Clone(r.Outcomes), func(o outcome) bool { return o.System != system }))
	if all.runs == 0 {
		return
	}
	always := 0
	for _, p := range r.unordered() {
		if s := summarise(r.of(system, p)); s.runs > 0 && s.directs == s.runs {
			always++
		}
	}
	fmt.Fprintf(w, "%s: %d of %d pairs always direct; %d of %d runs; median %s ms from dial to direct, %s ms over the pairs that both always cross; %d SYNs, %d of them to strangers\n",
		system, always, len(r.unordered()), all.directs, all.runs, number(all.direct), number(r.common(system)), all.allSYNs, all.strangers)
}

// common is the times of a system over the pairs that both systems always cross.
func (r *report) common(system string) []float64 {
	var times []float64
	for _, p := range r.unordered() {
		b, l := summarise(r.of("bodkin", p)), summarise(r.of("libp2p", p))
		if b.runs > 0 && l.runs > 0 && b.directs == b.runs && l.directs == l.runs {
			times = append(times, summarise(r.of(system, p)).direct...)
		}
	}
	return times
}

// unordered are the pairs that were played, without direction, in the order of the boxes.
func (r *report) unordered() []pair {
	var pairs []pair
	all := boxes()
	for i, x := range all {
		for _, y := range all[i:] {
			p := pair{x.name, y.name}
			if slices.ContainsFunc(r.Outcomes, func(o outcome) bool { return o.is(p) }) {
				pairs = append(pairs, p)
			}
		}
	}
	return pairs
}

// is tells whether an outcome is of a pair, in either direction.
func (o outcome) is(p pair) bool {
	return o.Near == p.near && o.Far == p.far || o.Near == p.far && o.Far == p.near
}

// of are the outcomes of a system and pair.
func (r *report) of(system string, p pair) []outcome {
	var some []outcome
	for _, o := range r.Outcomes {
		if o.System == system && o.is(p) {
			some = append(some, o)
		}
	}
	return some
}

// A summary is what several runs have in common.
type summary struct {
	runs, directs       int
	direct, punch, syns []float64 // of the direct runs; syns of all
	allSYNs, strangers  int64
}

func summarise(outcomes []outcome) summary {
	s := summary{runs: len(outcomes)}
	for _, o := range outcomes {
		s.syns = append(s.syns, float64(o.SYNs))
		s.allSYNs += o.SYNs
		s.strangers += o.Strangers
		if !o.Direct {
			continue
		}
		s.directs++
		s.direct = append(s.direct, o.DirectMS)
		if o.PunchMS > 0 {
			s.punch = append(s.punch, o.PunchMS)
		}
	}
	return s
}

func (s summary) share() string { return fmt.Sprintf("%d/%d", s.directs, s.runs) }

// number is a median in words, a dash if there is none.
func number(values []float64) string {
	if len(values) == 0 {
		return "–"
	}
	return fmt.Sprintf("%.0f", median(values))
}

func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	middle := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[middle]
	}
	return (sorted[middle-1] + sorted[middle]) / 2
}
