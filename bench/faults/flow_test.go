package main

import (
	"strings"
	"testing"
	"time"

	"github.com/bodkin-p2p/bodkin"
)

func TestTheLongestGapBeginsWithTheFault(t *testing.T) {
	start := time.Now()
	var g gaps
	for _, ms := range []int{0, 1, 40, 41, 100, 101, 121} {
		g.came(start.Add(time.Duration(ms) * time.Millisecond))
	}
	for from, want := range map[int]int{0: 59, 1: 59, 41: 59, 90: 20, 95: 20, 102: 19, 121: 0, 200: 0} {
		if got := g.longest(start.Add(time.Duration(from) * time.Millisecond)); got != time.Duration(want)*time.Millisecond {
			t.Errorf("longest gap from %d ms on is %v, want %d ms", from, got, want)
		}
	}
	g.forget()
	if got := g.longest(start); got != 0 {
		t.Errorf("longest forgotten gap is %v", got)
	}
}

func TestAFlowThatCameOtherwiseIsToldApart(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*flow)
		want   string
	}{
		"as sent":        {func(*flow) {}, ""},
		"a byte missing": {func(f *flow) { f.read.Add(-1) }, "came"},
		"another byte":   {func(f *flow) { f.came[0]++ }, "hash"},
		"an end too soon": {func(f *flow) {
			f.readErr = bodkin.ErrServerUnreachable
		}, "unreachable"},
	} {
		f := newFlow(100)
		f.read.Store(100)
		c.change(f)
		if err := f.verdict(); (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestTheReportHasMediansAndTheBound(t *testing.T) {
	ms := func(n int) time.Duration { return time.Duration(n) * time.Millisecond }
	reset := func(pause int) line {
		return line{name: "reset", before: bodkin.Direct, after: bodkin.Direct, wasDetected: true, detected: ms(10), found: ms(pause / 2), pauses: [2]time.Duration{0, ms(pause)}, rtt: ms(50)}
	}
	r := report{lines: []line{
		reset(110), reset(500), reset(210),
		{name: "cut", planned: true, before: bodkin.Direct, after: bodkin.Direct, wasDetected: true, detected: ms(10), pauses: [2]time.Duration{ms(9000)}, rtt: ms(50)},
		{name: "better", before: bodkin.Relayed, after: bodkin.Direct, wasDetected: true, detected: ms(9000), pauses: [2]time.Duration{ms(30)}, rtt: ms(50)},
		{name: "unnoticed", before: bodkin.Direct, after: bodkin.Direct, pauses: [2]time.Duration{ms(20)}, rtt: ms(50)},
	}}
	for _, want := range []string{
		"| reset | direct to direct | 3 | 10 | 105 | 210 | 500 | 50 | 4.0 |",
		"| cut | direct to direct | 1 | 10 | 0 | 9000 | 9000 | 50 | – |",
		"| better | relayed to direct | 1 | 9000 | 0 | 30 | 30 | 50 | 0.6 |",
		"| unnoticed | direct to direct | 1 | – | 0 | 20 | 20 | 50 | 0.4 |",
		"median of the faults with a working server: 0.6 RTT",
	} {
		if !strings.Contains(r.String(), want) {
			t.Errorf("no %q in\n%s", want, r.String())
		}
	}
}
