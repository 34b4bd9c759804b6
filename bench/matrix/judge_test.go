package main

import (
	"slices"
	"strings"
	"testing"
)

func of(path string, first float64, rounds int) run {
	return run{Path: path, FirstMS: first, Rounds: rounds, NearSYNs: 1, FarSYNs: 2}
}

func TestACellIsJudgedByWhatTheoryAndTheIssueSay(t *testing.T) {
	repeat := func(n int, r run) []run { return slices.Repeat([]run{r}, n) }
	marked := of("relayed", 400, 1)
	marked.Marked = true
	strange := of("direct", 141, 1)
	strange.Strangers = 2
	broken := run{Err: "no way"}
	for _, c := range []struct {
		name      string
		near, far string
		options   options
		runs      []run
		want      string // in the problems; empty for none
	}{
		{"all direct in time", "linux", "linux", options{}, repeat(20, of("direct", 150, 1)), ""},
		{"too slow", "linux", "linux", options{}, repeat(20, of("direct", 155, 1)), "median 155 ms, want at most 154"},
		{"slow on a lossy path", "linux", "linux", options{Loss: 0.05}, repeat(20, of("direct", 1155, 1)), ""},
		{"slow in two rounds", "linux", "linux", options{}, repeat(20, of("direct", 250, 2)), ""},
		{"one relayed", "linux", "linux", options{}, append(repeat(19, of("direct", 150, 1)), of("relayed", 400, 1)), "direct 19 of 20"},
		{"one relayed, but marked", "linux", "linux", options{}, append(repeat(20, of("direct", 150, 1)), marked), ""},
		{"one broken", "linux", "linux", options{}, append(repeat(19, of("direct", 150, 1)), broken), "1 of 20 without any path: no way"},
		{"a stranger", "linux", "linux", options{}, repeat(20, strange), "40 SYNs to strangers"},
		{"the local network has its own slack", "same-nat", "same-nat", options{}, repeat(20, of("direct", 53, 1)), ""},
		{"one guess missed", "linux", "symmetric-sequential", options{}, append(repeat(19, of("direct", 300, 1)), of("relayed", 400, 1)), ""},
		{"two guesses missed", "linux", "symmetric-sequential", options{}, append(repeat(18, of("direct", 300, 1)), repeat(2, of("relayed", 400, 1))...), "want 96 %"},
		{"4 of 100 guesses missed", "linux", "symmetric-sequential", options{}, append(repeat(96, of("direct", 300, 1)), repeat(4, of("relayed", 400, 1))...), ""},
		{"no search", "linux", "symmetric-random", options{}, repeat(20, of("relayed", 599, 1)), ""},
		{"late", "linux", "symmetric-random", options{}, append(repeat(19, of("relayed", 430, 1)), of("relayed", 601, 1)), "relayed only after 601 ms"},
		{"search", "linux", "symmetric-random", options{Search: true}, append(repeat(94, of("direct", 3000, 1)), repeat(6, of("relayed", 400, 1))...), ""},
		{"poor search", "linux", "symmetric-random", options{Search: true}, append(repeat(92, of("direct", 3000, 1)), repeat(8, of("relayed", 400, 1))...), "want about 98 %"},
		{"a search without the relay", "linux", "symmetric-random", options{Search: true, DirectOnly: true}, append(repeat(98, of("direct", 3000, 1)), repeat(2, broken)...), ""},
		{"slow search", "linux", "symmetric-random", options{Search: true}, repeat(100, of("direct", 6500, 1)), "direct after 6500 ms"},
		{"what cannot be", "symmetric-random", "symmetric-random", options{}, repeat(20, of("direct", 150, 1)), "which theory forbids"},
		{"what must fail without a relay", "symmetric-random", "symmetric-random", options{DirectOnly: true}, repeat(20, broken), ""},
		{"a guess of both", "symmetric-block", "symmetric-block", options{}, append(repeat(10, of("direct", 150, 1)), repeat(10, of("relayed", 430, 1))...), ""},
		{"mapped", "linux", "symmetric-random", options{Mapped: true}, append(repeat(19, of("direct", 150, 1)), of("relayed", 400, 1)), "direct 19 of 20"},
	} {
		c.options.Runs = 20
		got := summarize(pair{boxNamed(t, c.near), boxNamed(t, c.far)}, c.runs, c.options)
		if problems := strings.Join(got.Problems, "; "); (c.want == "") != (problems == "") || !strings.Contains(problems, c.want) {
			t.Errorf("%s: got problems %q, want %q", c.name, problems, c.want)
		}
	}
}

func TestASummaryCountsRunsDuringWhichTheMachineWorked(t *testing.T) {
	o := options{Runs: 4}
	p := pair{boxNamed(t, "linux"), boxNamed(t, "linux")}
	busy := of("direct", 400, 1)
	busy.Marked = true
	quiet := []run{of("direct", 140, 1), of("direct", 150, 2), of("direct", 160, 1), of("direct", 170, 1)}
	got := summarize(p, append(quiet, busy, busy), o)
	if got.Runs != 4 || got.Direct != 4 || got.Marked != 2 || got.MarkedDirect != 2 || got.DirectMS != 155 || got.MostRounds != 2 {
		t.Errorf("got %+v", got)
	}
	if got := summarize(p, []run{busy, busy, busy, quiet[0]}, o); got.Runs != 4 || got.Marked != 0 {
		t.Errorf("a machine that is never quiet: got %d runs, %d marked, want all to count", got.Runs, got.Marked)
	}
}

func TestAClockRemembersTheWorstOfEachWatch(t *testing.T) {
	var c clock
	first := c.start()
	c.woke(5 * tick)
	second := c.start()
	c.woke(2 * tick)
	if got := first.stop(); got != 5*tick {
		t.Errorf("first: got %v, want 5 ms", got)
	}
	c.woke(9 * tick)
	if got := second.stop(); got != 9*tick {
		t.Errorf("second: got %v, want 9 ms", got)
	}
	if len(c.late) != 0 {
		t.Errorf("%d watches are left", len(c.late))
	}
}
