package rounds

import (
	"math"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"

	"github.com/bodkin-p2p/bodkin/internal/natbehavior"
)

func TestGuessesAreTheLikelyEndpoints(t *testing.T) {
	seen := netip.MustParseAddrPort("192.0.2.1:40000")
	at := func(port uint16) netip.AddrPort { return netip.AddrPortFrom(seen.Addr(), port) }
	first := func(int) int { return 0 }
	for name, test := range map[string]struct {
		guess Guess
		peer  natbehavior.Report
		seen  netip.AddrPort
		want  []netip.AddrPort
	}{
		"nothing to guess":        {Guess{}, counter(1, 0), seen, nil},
		"no sample":               {Guess{Next, 3}, counter(1, 0), netip.AddrPort{}, nil},
		"a counter":               {Guess{Next, 3}, counter(1, 0), seen, []netip.AddrPort{at(40001), at(40002), at(40003)}},
		"in steps, downwards":     {Guess{Next, 2}, counter(-2, 0), seen, []netip.AddrPort{at(39998), at(39996)}},
		"past the highest port":   {Guess{Next, 2}, counter(1, 0), at(65535), []netip.AddrPort{at(1024), at(1025)}},
		"below the lowest":        {Guess{Next, 2}, counter(-1, 0), at(1025), []netip.AddrPort{at(1024), at(65535)}},
		"a block":                 {Guess{InBlock, 2}, block(512), seen, []netip.AddrPort{at(2048), at(2049)}},
		"more than the block has": {Guess{InBlock, 9}, block(2), seen, []netip.AddrPort{at(2048), at(2049)}},
		"a block below 1024":      {Guess{InBlock, 9}, natbehavior.Report{BlockFirst: 1, BlockLast: 1025}, seen, []netip.AddrPort{at(1024), at(1025)}},
		"no block":                {Guess{InBlock, 9}, natbehavior.Report{}, seen, []netip.AddrPort{}},
		"anywhere":                {Guess{Anywhere, 2}, symmetric(natbehavior.Random), seen, []netip.AddrPort{at(1024), at(1025)}},
	} {
		if got := test.guess.Endpoints(test.peer, test.seen, first); !slices.Equal(got, test.want) {
			t.Errorf("%s: got %v, want %v", name, got, test.want)
		}
	}
}

func TestGuessesAreDifferentAndSpread(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	seen := netip.MustParseAddrPort("192.0.2.1:40000")
	hits := map[netip.AddrPort]int{}
	for range 1000 {
		in := map[netip.AddrPort]bool{}
		for _, e := range (Guess{InBlock, 16}).Endpoints(block(64), seen, random.IntN) {
			if in[e] || e.Port() < 2048 || e.Port() > 2111 {
				t.Fatalf("%v: again, or outside the block", e)
			}
			in[e] = true
			hits[e]++
		}
		if len(in) != 16 {
			t.Fatalf("%d guesses, want 16", len(in))
		}
	}
	for e, n := range hits {
		if n < 150 || n > 350 { // 250 is the mean, and 14 the deviation
			t.Errorf("%v was guessed %d times of 1000, want some 250", e, n)
		}
	}
	if len(hits) != 64 {
		t.Errorf("%d ports of the block were guessed, want 64", len(hits))
	}
}

// TestChances compares with numbers that others have published: Tailscale's for 256 mappings, and the birthday problem's.
func TestChances(t *testing.T) {
	for _, test := range []struct {
		n, k, space int
		want        float64
	}{
		{256, 174, dynamic, 0.50}, {256, 256, dynamic, 0.64}, {256, 1024, dynamic, 0.98}, {256, 2048, dynamic, 0.999},
		{512, 512, dynamic, 0.983}, {64, 64, 512, 0.9998}, {16, 64, 64, 1}, {0, 64, 512, 0}, {64, 0, 512, 0}, {1, 1, 4, 0.25},
	} {
		if got := meet(test.n, test.k, test.space); math.Abs(got-test.want) > 0.005 {
			t.Errorf("%d and %d of %d meet with %.4f, want %.3f", test.n, test.k, test.space, got, test.want)
		}
	}
	cone := networks["port"]
	for name, test := range map[string]struct {
		depends Side
		want    float64
	}{
		"counter": {networks["seq"], 1}, "block of 512": {networks["blk"], 0.9998}, "block of 64": {Side{Report: block(64)}, 1},
		"block of 4096": {Side{Report: block(4096)}, 0.635},
	} {
		if got := chance(Plan(test.depends, cone)[0], test.depends, cone); math.Abs(got-test.want) > 0.005 {
			t.Errorf("%s: %.4f, want %.3f", name, got, test.want)
		}
		if got := chance(Plan(cone, test.depends)[0], cone, test.depends); math.Abs(got-test.want) > 0.005 {
			t.Errorf("%s, called: %.4f, want %.3f", name, got, test.want)
		}
	}
}

// meet is the probability that one of k different ports, drawn out of space, is one of n others.
func meet(n, k, space int) float64 {
	miss := 1.0
	for i := range k {
		miss *= max(0, float64(space-n-i)) / float64(space-i)
	}
	return 1 - miss
}

// chance is the probability that a round finds a mapping, if nothing is lost; 1 if it need not guess. dialer and callee are those of
// the plan.
func chance(r Round, dialer, callee Side) float64 {
	guess, ports, target := r.Callee.Guess, r.Dialer.Ports, dialer
	if r.Dialer.Guess.Kind != Nowhere {
		guess, ports, target = r.Dialer.Guess, r.Callee.Ports, callee
	}
	switch guess.Kind {
	case InBlock:
		return meet(ports, guess.Count, target.blockSize())
	case Anywhere:
		return meet(ports, guess.Count, dynamic)
	}
	return 1
}
