package rounds

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/bodkin-p2p/bodkin/internal/natbehavior"
)

// networks are how a side's network may treat TCP, by the names of the table.
var networks = map[string]Side{
	"open": {Report: natbehavior.Report{Mapping: natbehavior.None, Filtering: natbehavior.None}},
	"full": {Report: natbehavior.Report{Mapping: natbehavior.EndpointIndependent, Filtering: natbehavior.EndpointIndependent}},
	"addr": cone(natbehavior.AddressDependent, natbehavior.Dropped),
	"port": cone(natbehavior.AddressAndPortDependent, natbehavior.Dropped),
	"rst":  cone(natbehavior.AddressAndPortDependent, natbehavior.Reset),
	"icmp": cone(natbehavior.AddressAndPortDependent, natbehavior.ICMP),
	"fire": {Report: natbehavior.Report{Mapping: natbehavior.None, Filtering: natbehavior.AddressAndPortDependent}},
	"none": {}, // nothing is known
	"fwd":  {Report: symmetric(natbehavior.Random), Mapped: true},
	"seq":  {Report: counter(1, 0)},
	"busy": {Report: counter(2, 20)},
	"blk":  {Report: block(512)},
	"rnd":  {Report: symmetric(natbehavior.Random)},
	"pool": {Report: pooled()},
}

func cone(filtering natbehavior.Dependence, answer natbehavior.Answer) Side {
	return Side{Report: natbehavior.Report{Mapping: natbehavior.EndpointIndependent, Filtering: filtering, Unsolicited: answer}}
}

func symmetric(allocation natbehavior.Allocation) natbehavior.Report {
	return natbehavior.Report{Mapping: natbehavior.AddressAndPortDependent, Filtering: natbehavior.AddressAndPortDependent,
		Unsolicited: natbehavior.Dropped, Allocation: allocation}
}

func counter(delta, rate int) natbehavior.Report {
	r := symmetric(natbehavior.Delta)
	r.Delta, r.Rate = delta, rate
	return r
}

func block(size int) natbehavior.Report {
	r := symmetric(natbehavior.Block)
	r.BlockFirst, r.BlockLast = 2048, uint16(2048+size-1)
	return r
}

func pooled() natbehavior.Report {
	r := counter(1, 0)
	r.Pooling = natbehavior.Arbitrary
	return r
}

// TestEveryPairOfNetworksHasItsPlan is the theory: x a connection opens in round 1 without guessing, p by prediction in round 1, s only by a search that both
// allow, - by the relay.
func TestEveryPairOfNetworksHasItsPlan(t *testing.T) {
	table := strings.Split(strings.TrimSpace(`
	      open full addr port rst icmp fire none fwd seq busy blk rnd pool
	open   x    x    x    x    x    x    x    x    x   x   x   x   x   x
	full   x    x    x    x    x    x    x    x    x   x   x   x   x   x
	addr   x    x    x    x    x    x    x    x    x   x   x   x   x   x
	port   x    x    x    x    x    x    x    x    x   p   p   p   s   s
	rst    x    x    x    x    x    x    x    x    x   p   p   p   s   s
	icmp   x    x    x    x    x    x    x    x    x   p   p   p   s   s
	fire   x    x    x    x    x    x    x    x    x   p   p   p   s   s
	none   x    x    x    x    x    x    x    x    x   p   p   p   s   s
	fwd    x    x    x    x    x    x    x    x    x   x   x   x   x   x
	seq    x    x    x    p    p    p    p    p    x   p   p   -   -   -
	busy   x    x    x    p    p    p    p    p    x   p   p   -   -   -
	blk    x    x    x    p    p    p    p    p    x   -   -   -   -   -
	rnd    x    x    x    s    s    s    s    s    x   -   -   -   -   -
	pool   x    x    x    s    s    s    s    s    x   -   -   -   -   -
	`), "\n")
	columns, seen := strings.Fields(table[0]), 0
	for _, line := range table[1:] {
		cells := strings.Fields(line)
		for i, want := range cells[1:] {
			seen++
			dialer, callee := networks[cells[0]], networks[columns[i]]
			without := letter(Expected(dialer, callee))
			dialer.Search, callee.Search = true, true
			with := letter(Expected(dialer, callee))
			if with != want || want == "s" && without != "-" || want != "s" && without != want {
				t.Errorf("%s to %s: %s, without search %s; want %s", cells[0], columns[i], with, without, want)
			}
		}
	}
	if seen != len(networks)*len(networks) {
		t.Errorf("%d cells of %d", seen, len(networks)*len(networks))
	}
}

func letter(w Way) string {
	return map[Way]string{0: "-", Crossing: "x", Prediction: "p", Search: "s"}[w]
}

// TestPlansInWords shows the whole plan of a pair of each kind.
func TestPlansInWords(t *testing.T) {
	searching := func(s Side) Side { s.Search = true; return s }
	unknownCounter := networks["seq"]
	unknownCounter.Mapping = natbehavior.Unknown
	for _, test := range []struct {
		name           string
		dialer, callee Side
		want           string
	}{
		{"two cones", networks["port"], networks["port"],
			"crossing; staggered, callee first, new ports; staggered, dialer first, new ports"},
		{"nothing known", Side{}, Side{},
			"crossing; staggered, callee first, new ports; staggered, dialer first, new ports"},
		{"a counter dials", networks["seq"], networks["port"],
			"prediction, dialer sampled, opens 1, callee guesses 8 next; prediction, dialer sampled, opens 1, callee guesses 8 next; prediction, dialer sampled, opens 1, callee guesses 8 next"},
		{"a counter is dialled, and counts for others", networks["port"], networks["busy"],
			"prediction, dialer guesses 18 next, callee sampled, opens 1; prediction, dialer guesses 18 next, callee sampled, opens 1; prediction, dialer guesses 18 next, callee sampled, opens 1"},
		{"two counters", networks["seq"], networks["seq"],
			"prediction, dialer sampled, guesses 8 next, callee sampled, guesses 8 next; prediction, dialer sampled, guesses 8 next, callee sampled, guesses 8 next; prediction, dialer sampled, guesses 8 next, callee sampled, guesses 8 next"},
		{"perhaps a counter", unknownCounter, networks["port"],
			"crossing; prediction, dialer sampled, opens 1, callee guesses 8 next; prediction, dialer sampled, opens 1, callee guesses 8 next"},
		{"a block dials", networks["blk"], networks["port"], "prediction, dialer opens 64, callee guesses 64 in the block"},
		{"a small block", Side{Report: block(64)}, networks["port"], "prediction, dialer opens 16, callee guesses 64 in the block"},
		{"a tiny block", Side{Report: block(8)}, networks["port"], "prediction, dialer opens 2, callee guesses 8 in the block"},
		{"two blocks", networks["blk"], networks["blk"], "crossing"},
		{"a search", searching(networks["rnd"]), searching(networks["port"]), "search, dialer opens 512, callee guesses 512 anywhere"},
		{"a search that meets a rejecting callee", searching(networks["rnd"]), searching(networks["rst"]),
			"search, dialer opens 512 after 2.048s, callee guesses 512 anywhere"},
		{"a search that only one allows", searching(networks["rnd"]), networks["port"], "crossing"},
	} {
		if got := inWords(Plan(test.dialer, test.callee)); got != test.want {
			t.Errorf("%s:\ngot  %s\nwant %s", test.name, got, test.want)
		}
	}
}

func inWords(plan []Round) string {
	var all []string
	for _, r := range plan {
		words := []string{r.Way.String()}
		if r.First != Together {
			words = append(words, map[Turn]string{DialerFirst: "dialer first", CalleeFirst: "callee first"}[r.First])
		}
		if r.Fresh {
			words = append(words, "new ports")
		}
		words = append(words, partInWords("dialer", r.Dialer)...)
		words = append(words, partInWords("callee", r.Callee)...)
		all = append(all, strings.Join(words, ", "))
	}
	return strings.Join(all, "; ")
}

func partInWords(who string, p Part) []string {
	var words []string
	if p.Sample {
		words = append(words, "sampled")
	}
	after := ""
	if p.After > 0 {
		after = " after " + p.After.String()
	}
	if p.Ports > 0 {
		words = append(words, fmt.Sprint("opens ", p.Ports, after))
	}
	if p.Guess.Kind != Nowhere {
		where := map[GuessKind]string{Next: "next", InBlock: "in the block", Anywhere: "anywhere"}[p.Guess.Kind]
		words = append(words, fmt.Sprint("guesses ", p.Guess.Count, " ", where, after))
	}
	if len(words) > 0 {
		words[0] = who + " " + words[0]
	}
	return words
}

// TestNoReportBreaksABudget plans for 20,000 pairs of reports, likely and unlikely ones.
func TestNoReportBreaksABudget(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	side := func() Side {
		first := random.IntN(1 << 16)
		return Side{Mapped: random.IntN(8) == 0, RTT: time.Duration(random.IntN(1000)) * time.Millisecond, Report: natbehavior.Report{
			Mapping: natbehavior.Dependence(random.IntN(6)), Filtering: natbehavior.Dependence(random.IntN(6)),
			Unsolicited: natbehavior.Answer(random.IntN(6)), Allocation: natbehavior.Allocation(random.IntN(6)),
			Delta: random.IntN(9) - 4, Rate: random.IntN(1000), Pooling: natbehavior.Pooling(random.IntN(3)),
			BlockFirst: uint16(first), BlockLast: uint16(first + random.IntN(1<<16-first)), Search: random.IntN(2) == 0,
		}}
	}
	for range 20_000 {
		dialer, callee := side(), side()
		plan := Plan(dialer, callee)
		if len(plan) == 0 || len(plan) > Max {
			t.Fatalf("%+v to %+v: %s", dialer, callee, inWords(plan))
		}
		guesses, ports := [2]int{}, [2]int{}
		for n, r := range plan {
			d, c := r.Delays(n+1, dialer, callee)
			if d < 0 || c < 0 || max(d, c) > maxWait+lead {
				t.Fatalf("%+v to %+v: delays %v and %v", dialer, callee, d, c)
			}
			for i, p := range []Part{r.Dialer, r.Callee} {
				guesses[i] += p.Guess.Count
				ports[i] += p.Ports
				own := []Side{dialer, callee}[i]
				if p.Ports > MaxSearched || own.allocation() == inBlock && p.Ports > own.blockSize()/blockShare {
					t.Fatalf("%+v to %+v: %s", dialer, callee, inWords(plan))
				}
			}
			if r.Way == Search && !(dialer.Search && callee.Search) {
				t.Fatalf("%+v to %+v: %s", dialer, callee, inWords(plan))
			}
		}
		most := MaxPredicted
		if plan[len(plan)-1].Way == Search {
			most = MaxSearched
		}
		for i := range guesses {
			if guesses[i] > most || ports[i] > most {
				t.Fatalf("%+v to %+v: %s", dialer, callee, inWords(plan))
			}
		}
	}
}

// TestBothSidesPlanAlike: who of the two dials changes nothing but the names.
func TestBothSidesPlanAlike(t *testing.T) {
	for a, near := range networks {
		for b, far := range networks {
			there, back := Plan(near, far), Plan(far, near)
			if len(there) != len(back) {
				t.Errorf("%s to %s: %s; back: %s", a, b, inWords(there), inWords(back))
			}
			for i := range min(len(there), len(back)) {
				if there[i].Dialer != back[i].Callee || there[i].Callee != back[i].Dialer || there[i].Way != back[i].Way {
					t.Errorf("%s to %s: %s; back: %s", a, b, inWords(there), inWords(back))
				}
			}
		}
	}
}
