package main

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/bodkin-p2p/bodkin"
)

type addrPort = netip.AddrPort

// A line is what one fault did.
type line struct {
	name          string
	planned       bool
	before, after bodkin.PathKind
	wasDetected   bool
	detected      time.Duration    // from the fault to the first word of another path
	found         time.Duration    // from there to another path at the first end that had one
	pauses        [2]time.Duration // at b and at a
	rtt           time.Duration
}

func (l line) pause() time.Duration { return max(l.pauses[0], l.pauses[1]) }

// improved tells that the fault was none: a better path appeared, and only the move to it counts.
func (l line) improved() bool { return l.before == bodkin.Relayed && l.after == bodkin.Direct }

// excess is how much longer than its detection the pause is, in round trips. Where a better path appeared there was nothing to detect.
func (l line) excess() float64 {
	pause := l.pause()
	if !l.improved() {
		pause -= l.detected
	}
	return float64(pause) / float64(max(l.rtt, time.Millisecond))
}

func (l line) String() string {
	detected := "not at all"
	if l.wasDetected {
		detected = inMilliseconds(l.detected)
	}
	return fmt.Sprintf("%s: %v to %v, detected after %s, another path after %s more, pause %s and %s, RTT %s",
		l.name, l.before, l.after, detected, inMilliseconds(l.found), inMilliseconds(l.pauses[0]), inMilliseconds(l.pauses[1]), inMilliseconds(l.rtt))
}

func inMilliseconds(d time.Duration) string {
	return fmt.Sprintf("%.0f ms", float64(d)/float64(time.Millisecond))
}

// A report is what a run showed.
type report struct {
	size     int64
	took     time.Duration
	lines    []line
	repeated [2]uint64
	hashes   [2][]byte // of what came and was sent; nil unless all is well
}

// String is the table, medians over the rounds, and what became of the bytes.
func (r *report) String() string {
	if r == nil {
		return ""
	}
	var out strings.Builder
	fmt.Fprintln(&out, "| fault | path | times | detected, ms | path after that, ms | pause, ms | most | RTT, ms | pause - detected, in RTT |")
	fmt.Fprintln(&out, "|---|---|---|---|---|---|---|---|---|")
	var bounded []float64
	for _, same := range byName(r.lines) {
		first := same[0]
		detected, excess := "–", "–"
		if seen := slices.DeleteFunc(slices.Clone(same), func(l line) bool { return !l.wasDetected }); len(seen) > 0 {
			detected = milliseconds(median(seen, func(l line) time.Duration { return l.detected }))
		}
		if !first.planned {
			over := medianOf(same, line.excess)
			excess = fmt.Sprintf("%.1f", over)
			bounded = append(bounded, over)
		}
		most := slices.MaxFunc(same, func(x, y line) int { return int(x.pause() - y.pause()) }).pause()
		fmt.Fprintf(&out, "| %s | %v to %v | %d | %s | %s | %s | %s | %s | %s |\n", first.name, first.before, first.after, len(same), detected,
			milliseconds(median(same, func(l line) time.Duration { return l.found })),
			milliseconds(median(same, line.pause)), milliseconds(most), milliseconds(median(same, func(l line) time.Duration { return l.rtt })), excess)
	}
	if len(bounded) > 0 {
		fmt.Fprintf(&out, "\npause - detection, median of the faults with a working server: %.1f RTT (bound 3)\n", middle(bounded))
	}
	if r.hashes[0] != nil {
		fmt.Fprintf(&out, "%d MiB each way in %.0f s; what came is what was sent, SHA-256 %x and %x; bytes sent again: %d and %d\n",
			r.size>>20, r.took.Seconds(), r.hashes[0][:8], r.hashes[1][:8], r.repeated[0], r.repeated[1])
	}
	return out.String()
}

// byName gathers the lines of each fault, in the order of the first ones.
func byName(lines []line) [][]line {
	var groups [][]line
	for _, l := range lines {
		i := slices.IndexFunc(groups, func(g []line) bool { return g[0].name == l.name })
		if i < 0 {
			groups = append(groups, []line{l})
			continue
		}
		groups[i] = append(groups[i], l)
	}
	return groups
}

func median(lines []line, of func(line) time.Duration) time.Duration {
	return time.Duration(medianOf(lines, func(l line) float64 { return float64(of(l)) }))
}

func medianOf(lines []line, of func(line) float64) float64 {
	var values []float64
	for _, l := range lines {
		values = append(values, of(l))
	}
	return middle(values)
}

// middle is the median; of two in the middle, halfway.
func middle(values []float64) float64 {
	slices.Sort(values)
	return (values[(len(values)-1)/2] + values[len(values)/2]) / 2
}

func milliseconds(d time.Duration) string {
	return fmt.Sprintf("%.0f", float64(d)/float64(time.Millisecond))
}
