package main

import (
	"fmt"
	"math"
	"slices"
	"time"
)

// What the issue asks of the figures.
const (
	floorFactor    = 1.10                   // of the floor, for the median time to a direct path in one round
	floorSlack     = 14 * time.Millisecond  // the same on a floor of 140 ms, for those that are much lower
	relayedLimit   = 600 * time.Millisecond // until the first byte can be sent by the relay
	searchLimit    = 6 * time.Second
	predictedLeast = 0.96
	searchWithin   = 0.05 // of the arithmetic's share

	searchSockets = 512 // mappings of one side, ports tried by the other
	dynamicPorts  = 65536 - 1024
)

// searchShare is how often 512 mappings and 512 tries meet in all ports: 1 - C(P-N,K)/C(P,K).
func searchShare() float64 { return birthday(dynamicPorts, searchSockets, searchSockets) }

// birthday is the probability that one of k different tries hits one of n taken places out of all.
func birthday(all, n, k int) float64 {
	miss := 0.0
	for i := range k {
		miss += math.Log1p(-float64(n) / float64(all-i))
	}
	return 1 - math.Exp(miss)
}

// expects tells which path theory says a run ends on: direct, relayed, or "" if both may be.
func (t theory) expects(o options) string {
	switch {
	case t.Prospect == certain || t.Prospect == predicted || o.Mapped:
		return "direct"
	case t.Prospect == mutual || t.Prospect == search && o.Search:
		return ""
	case o.DirectOnly:
		return "none"
	}
	return "relayed"
}

// problem is what is wrong with a single run, "" if nothing is. A guess that missed is not right either.
func (t theory) problem(r run, o options) string {
	want := t.expects(o)
	switch {
	case r.Strangers > 0:
		return fmt.Sprintf("%d SYNs to strangers", r.Strangers)
	case want == "none" && r.Path == "":
		return ""
	case r.Err != "" && (r.Path != "" || want != "" || !o.DirectOnly):
		return r.Err
	case want != "" && r.Path != want:
		return fmt.Sprintf("%s instead of %s", r.Path, want)
	case r.Path == "relayed" && r.FirstMS > ms(relayedLimit) && !o.lossy():
		return fmt.Sprintf("relayed after %.0f ms", r.FirstMS)
	case r.Path == "direct" && t.Prospect == certain && r.Rounds > 1 && !o.lossy():
		return fmt.Sprintf("direct in round %d", r.Rounds)
	}
	return ""
}

func (o options) lossy() bool { return o.Loss > 0 || o.Jitter > 0 }

// A cell is what the runs of one pair come to. Times are in milliseconds.
type cell struct {
	Near         string   `json:"dialer"`
	Far          string   `json:"callee"`
	Theory       theory   `json:"theory"`
	Runs         int      `json:"runs"` // that count
	Direct       int      `json:"direct"`
	Relayed      int      `json:"relayed"`
	Moved        int      `json:"moved,omitempty"` // of the relayed ones, to a direct path
	Marked       int      `json:"marked"`          // that do not count, because the machine stood still
	MarkedDirect int      `json:"marked_direct"`
	Rounds       int      `json:"rounds"` // of direct runs, the median
	MostRounds   int      `json:"most_rounds"`
	DirectMS     float64  `json:"direct_ms"` // median
	SlowestMS    float64  `json:"slowest_ms"`
	Ratio        float64  `json:"ratio"`       // of DirectMS to the floor
	RelayedMS    float64  `json:"relayed_ms"`  // median
	LatestMS     float64  `json:"latest_ms"`   // of relayed ones
	NearSYNs     float64  `json:"dialer_syns"` // median
	FarSYNs      float64  `json:"callee_syns"`
	MostSYNs     int64    `json:"most_syns"` // of one side in one run
	Strangers    int64    `json:"stranger_syns"`
	Problems     []string `json:"problems,omitempty"` // empty: as good as asked for
}

// summarize makes a cell of the runs of a pair.
func summarize(p pair, runs []run, o options) cell {
	c := cell{Near: p.near.name, Far: p.far.name, Theory: p.theory()}
	counted := slices.DeleteFunc(slices.Clone(runs), func(r run) bool { return r.Marked })
	if 2*len(counted) < min(o.Runs, len(runs)) {
		counted = runs // a machine that is never quiet: better noisy figures than none
	}
	c.Runs = len(counted)
	if len(counted) < len(runs) {
		for _, r := range runs {
			if r.Marked {
				c.Marked++
			}
			if r.Marked && r.Path == "direct" {
				c.MarkedDirect++
			}
		}
	}
	var direct, relayed, rounds, near, far []float64
	for _, r := range counted {
		switch r.Path {
		case "direct":
			direct, rounds = append(direct, r.FirstMS), append(rounds, float64(r.Rounds))
		case "relayed":
			relayed = append(relayed, r.FirstMS)
			if r.MovedMS > 0 {
				c.Moved++
			}
		}
		near, far = append(near, float64(r.NearSYNs)), append(far, float64(r.FarSYNs))
	}
	for _, r := range runs {
		c.Strangers += r.Strangers
		c.MostSYNs = max(c.MostSYNs, r.NearSYNs, r.FarSYNs)
	}
	c.Direct, c.Relayed = len(direct), len(relayed)
	c.NearSYNs, c.FarSYNs = median(near), median(far)
	if len(direct) > 0 {
		c.DirectMS, c.SlowestMS = median(direct), slices.Max(direct)
		c.Rounds, c.MostRounds = int(median(rounds)), int(slices.Max(rounds))
	}
	if c.Theory.Floor > 0 {
		c.Ratio = c.DirectMS / ms(c.Theory.Floor)
	}
	if len(relayed) > 0 {
		c.RelayedMS, c.LatestMS = median(relayed), slices.Max(relayed)
	}
	c.Problems = c.judge(counted, o)
	return c
}

// judge holds a cell to what the issue asks for.
func (c cell) judge(counted []run, o options) []string {
	var problems []string
	claim := func(ok bool, format string, args ...any) {
		if !ok {
			problems = append(problems, fmt.Sprintf(format, args...))
		}
	}
	claim(c.Strangers == 0, "%d SYNs to strangers", c.Strangers)
	claim(c.Runs > 0, "no run")
	if want := c.Theory.expects(o); want == "direct" || !o.DirectOnly { // a guess without the relay may end in nothing
		claim(c.Direct+c.Relayed == c.Runs, "%d of %d without any path: %s", c.Runs-c.Direct-c.Relayed, c.Runs, firstError(counted))
	}
	share := float64(c.Direct) / float64(max(c.Runs, 1))
	switch {
	case c.Theory.Prospect == certain || o.Mapped:
		claim(c.Direct+c.Moved == c.Runs, "direct %d of %d", c.Direct+c.Moved, c.Runs)
	case c.Theory.Prospect == predicted:
		claim(c.Runs-c.Direct <= max(1, int(float64(c.Runs)*(1-predictedLeast))), "direct %d of %d, want 96 %%", c.Direct, c.Runs)
	case c.Theory.Prospect == search && o.Search:
		claim(share >= searchShare()-max(searchWithin, 1/float64(max(c.Runs, 1))), "direct %d of %d, want about %.0f %%", c.Direct, c.Runs, 100*searchShare())
		claim(c.SlowestMS <= ms(searchLimit), "direct after %.0f ms", c.SlowestMS)
	case c.Theory.Prospect != mutual:
		claim(c.Direct == 0, "direct %d of %d, which theory forbids", c.Direct, c.Runs)
	}
	if !o.lossy() && c.Theory.expects(o) == "relayed" {
		claim(c.LatestMS <= ms(relayedLimit), "relayed only after %.0f ms", c.LatestMS)
	}
	if !o.lossy() && !o.Mapped && c.Theory.Prospect == certain && c.Direct > 0 && c.Rounds <= 1 {
		limit := max(floorFactor*ms(c.Theory.Floor), ms(c.Theory.Floor+floorSlack))
		claim(c.DirectMS <= limit, "median %.0f ms, want at most %.0f", c.DirectMS, limit)
	}
	return problems
}

func firstError(runs []run) string {
	for _, r := range runs {
		if r.Err != "" {
			return r.Err
		}
	}
	return ""
}

// median is the middle of values, zero if there are none.
func median(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	middle := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[middle]
	}
	return (sorted[middle-1] + sorted[middle]) / 2
}
