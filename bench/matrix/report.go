package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"sync"
	"time"
)

// A report is everything that was measured. It is safe for concurrent use while runs are added.
type report struct {
	Date    string  `json:"date"`
	Machine string  `json:"machine"`
	Options options `json:"options"`
	Took    string  `json:"took"`
	Runs    []run   `json:"runs"`
	Cells   []cell  `json:"cells"`

	pairs []pair
	began time.Time

	mu       sync.Mutex
	byPair   map[string][]run
	failures []error
	finished int
}

// newReport begins a report, with the runs of an earlier one if there is one to go on with.
func newReport(o options, pairs []pair) (*report, error) {
	r := &report{Date: time.Now().Format(time.DateOnly), Options: o, pairs: pairs, began: time.Now(), byPair: map[string][]run{}}
	r.Machine = fmt.Sprintf("%s, %d cores", runtime.Version(), runtime.NumCPU())
	if release, err := os.ReadFile("/proc/sys/kernel/osrelease"); err == nil {
		r.Machine += ", Linux " + strings.TrimSpace(string(release))
	}
	if o.resume == "" {
		return r, nil
	}
	text, err := os.ReadFile(o.resume)
	if err != nil {
		return nil, err
	}
	var earlier report
	if err := json.Unmarshal(text, &earlier); err != nil {
		return nil, fmt.Errorf("%s: %w", o.resume, err)
	}
	if was, is := earlier.Options.conditions(), o.conditions(); was != is {
		return nil, fmt.Errorf("%s has runs of other conditions: %s, not %s", o.resume, was, is)
	}
	for _, one := range earlier.Runs {
		key := one.Near + ":" + one.Far
		r.byPair[key] = append(r.byPair[key], one)
	}
	return r, nil
}

// conditions are those that make runs comparable.
func (o options) conditions() string {
	return fmt.Sprintf("background %g, loss %g, jitter %v, no UDP %v, search %v, direct only %v, mapped %v",
		o.Traffic, o.Loss, o.Jitter, o.NoUDP, o.Search, o.DirectOnly, o.Mapped)
}

func (r *report) add(p pair, one run, o options) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.byPair[p.String()] = append(r.byPair[p.String()], one)
	if o.verbose {
		fmt.Fprintf(os.Stderr, "%v: %+v\n", p, one)
	}
}

func (r *report) fail(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.failures = append(r.failures, err)
	fmt.Fprintln(os.Stderr, "matrix:", err)
}

func (r *report) number(p pair) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.byPair[p.String()])
}

func (r *report) unmarked(p pair) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := 0
	for _, one := range r.byPair[p.String()] {
		if !one.Marked {
			n++
		}
	}
	return n
}

// progress tells that a pair is finished.
func (r *report) progress(p pair, o options) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.finished++
	c := summarize(p, r.byPair[p.String()], o)
	fmt.Fprintf(os.Stderr, "%3d/%d %4v  %-54v %s\n", r.finished, len(r.pairs), time.Since(r.began).Round(time.Second), p, c.line())
}

// line is a cell in one line.
func (c cell) line() string {
	text := fmt.Sprintf("direct %d/%d", c.Direct, c.Runs)
	if c.Direct > 0 {
		text += fmt.Sprintf(" in %.0f ms", c.DirectMS)
	}
	if c.Relayed > 0 {
		text += fmt.Sprintf(", relayed %d in %.0f ms", c.Relayed, c.RelayedMS)
	}
	if c.Marked > 0 {
		text += fmt.Sprintf(", %d marked", c.Marked)
	}
	if len(c.Problems) > 0 {
		return "FAIL " + text + "; " + strings.Join(c.Problems, "; ")
	}
	return "pass " + text
}

// publish writes the report wherever it was asked to be, and to standard output.
func (r *report) publish(o options) error {
	r.Took = time.Since(r.began).Round(time.Second).String()
	r.Runs, r.Cells = nil, nil
	for _, p := range r.pairs {
		if runs := r.byPair[p.String()]; len(runs) > 0 {
			r.Cells = append(r.Cells, summarize(p, runs, o))
		}
	}
	for _, runs := range r.byPair {
		r.Runs = append(r.Runs, runs...)
	}
	var failures []error
	if o.json != "" {
		text, err := json.MarshalIndent(r, "", " ")
		failures = append(failures, err, os.WriteFile(o.json, append(text, '\n'), 0o644))
	}
	if o.markdown != "" {
		failures = append(failures, writeFile(o.markdown, r.writeTables))
	}
	if o.picture != "" {
		failures = append(failures, writeFile(o.picture, r.draw))
	}
	failures = append(failures, r.writeSummary(os.Stdout))
	if o.lossy() {
		failures = append(failures, r.writeLoss(os.Stdout, o))
	}
	return errors.Join(failures...)
}

func writeFile(path string, write func(io.Writer) error) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	return errors.Join(write(f), f.Close())
}

// verdict is an error if anything was not as good as it has to be.
func (r *report) verdict() error {
	bad := 0
	for _, c := range r.Cells {
		if len(c.Problems) > 0 {
			bad++
		}
	}
	if len(r.failures) > 0 {
		return fmt.Errorf("%d pairs could not be played", len(r.failures))
	}
	if bad > 0 {
		return fmt.Errorf("%d of %d pairs are not as good as they have to be", bad, len(r.Cells))
	}
	return nil
}
