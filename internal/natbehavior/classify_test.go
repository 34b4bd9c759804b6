package natbehavior

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"
)

var (
	began   = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	inside  = netip.MustParseAddr("192.168.1.2")
	outside = netip.MustParseAddr("198.51.100.1")
	second  = netip.MustParseAddr("198.51.100.2")
	server  = netip.MustParseAddr("203.0.113.10")
	other   = netip.MustParseAddr("203.0.113.11")
)

// at is the endpoint of an address.
func at(addr netip.Addr, port int) netip.AddrPort { return netip.AddrPortFrom(addr, uint16(port)) }

// ports is samples of the port 40000 and of fresh ones after it, each seen on another port of the NAT, 10 ms apart.
func ports(seen ...int) []Sample {
	samples := []Sample{{Local: at(inside, 40000), Server: at(server, 4000), Seen: at(outside, seen[0]), At: began}}
	for i, port := range seen[1:] {
		samples = append(samples, Sample{Local: at(inside, 50001+7*i), Server: at(server, 8000), Seen: at(outside, port),
			At: began.Add(time.Duration(i+1) * 10 * time.Millisecond)})
	}
	return samples
}

// views is samples of the one port 40000, as several endpoints of the server saw it.
func views(from map[netip.AddrPort]netip.AddrPort) []Sample {
	var samples []Sample
	for endpoint, seen := range from {
		samples = append(samples, Sample{Local: at(inside, 40000), Server: endpoint, Seen: seen, At: began})
	}
	return samples
}

func TestMappingIsWhatTheServersEndpointsSee(t *testing.T) {
	for name, c := range map[string]struct {
		seen map[netip.AddrPort]netip.AddrPort
		want Dependence
	}{
		"nothing seen": {nil, Unknown},
		"one view":     {map[netip.AddrPort]netip.AddrPort{at(server, 4000): at(outside, 40000)}, Unknown},
		"no NAT":       {map[netip.AddrPort]netip.AddrPort{at(server, 4000): at(inside, 40000)}, None},
		"another port, the same": {map[netip.AddrPort]netip.AddrPort{
			at(server, 4000): at(outside, 9), at(server, 8000): at(outside, 9)}, EndpointIndependent},
		"another address, the same": {map[netip.AddrPort]netip.AddrPort{
			at(server, 4000): at(outside, 9), at(other, 4000): at(outside, 9)}, EndpointIndependent},
		"another address, another mapping": {map[netip.AddrPort]netip.AddrPort{
			at(server, 4000): at(outside, 9), at(server, 8000): at(outside, 9), at(other, 8000): at(outside, 10)}, AddressDependent},
		"another port, another mapping": {map[netip.AddrPort]netip.AddrPort{
			at(server, 4000): at(outside, 9), at(server, 8000): at(outside, 10), at(other, 8000): at(outside, 11)}, AddressAndPortDependent},
		"another external address": {map[netip.AddrPort]netip.AddrPort{
			at(server, 4000): at(outside, 9), at(server, 8000): at(second, 9)}, AddressAndPortDependent},
		"a clash on one endpoint only": {map[netip.AddrPort]netip.AddrPort{
			at(server, 4000): at(outside, 40000), at(server, 8000): at(outside, 7128), at(other, 8000): at(outside, 7128)}, AddressAndPortDependent},
	} {
		if got := Classify(Evidence{Samples: views(c.seen)}).Mapping; got != c.want {
			t.Errorf("%s: got %v, want %v", name, got, c.want)
		}
	}
}

func TestAllocationIsReadOffTheMappings(t *testing.T) {
	for name, c := range map[string]struct {
		ports      []int
		want       Allocation
		delta      int
		blockFirst uint16
		blockLast  uint16
	}{
		"preserved":                 {ports: []int{40000, 50001, 50008, 50015}, want: Preserving},
		"preserved, one taken":      {ports: []int{40000, 2001, 50008, 50015}, want: Preserving},
		"one mapping, preserved":    {ports: []int{40000}, want: Preserving},
		"one mapping, translated":   {ports: []int{1025}, want: AllocationUnknown},
		"too few to tell":           {ports: []int{1025, 1026, 1027}, want: AllocationUnknown},
		"by one":                    {ports: []int{1025, 1026, 1027, 1028, 1029}, want: Delta, delta: 1},
		"by two":                    {ports: []int{1026, 1028, 1030, 1032}, want: Delta, delta: 2},
		"down by one":               {ports: []int{5000, 4999, 4998, 4997}, want: Delta, delta: -1},
		"by one, others between":    {ports: []int{2000, 2003, 2004, 2009, 2011, 2012}, want: Delta, delta: 1},
		"by two, others between":    {ports: []int{2000, 2006, 2008, 2018, 2022, 2024}, want: Delta, delta: 2},
		"two in the wrong order":    {ports: []int{2000, 2001, 2003, 2002, 2004, 2005, 2007, 2006}, want: Delta, delta: 1},
		"down, two changed over":    {ports: []int{2016, 2014, 2010, 2012, 2008, 2006, 2004, 2002}, want: Delta, delta: -2},
		"out of order, but few":     {ports: []int{2000, 2002, 2001, 2003, 2004}, want: Block, blockFirst: 1984, blockLast: 2047},
		"by eight":                  {ports: []int{2000, 2008, 2016, 2024}, want: Delta, delta: 8},
		"past the highest port":     {ports: []int{65533, 65534, 65535, 1024, 1025}, want: Delta, delta: 1},
		"below the lowest port":     {ports: []int{1025, 1024, 65535, 65534}, want: Delta, delta: -1},
		"random":                    {ports: []int{2000, 61000, 30123, 45000, 12345, 9000}, want: Random},
		"rising at random":          {ports: []int{2000, 11000, 30123, 45000, 52345, 59000}, want: Random},
		"in a block of 512":         {ports: []int{2060, 2500, 2100, 2444, 2333}, want: Block, blockFirst: 2048, blockLast: 2559},
		"in the middle of a block":  {ports: []int{2250, 2330, 2260, 2310, 2280, 2325}, want: Block, blockFirst: 2048, blockLast: 2559},
		"in a block of 4096, 4 of":  {ports: []int{8200, 12200, 9000, 11000}, want: Random}, // chance has that once in 4000 times
		"in a block of 4096, 6 of":  {ports: []int{8200, 12200, 9000, 11000, 10000, 8900}, want: Block, blockFirst: 8192, blockLast: 12287},
		"in a small block":          {ports: []int{6420, 6460, 6405, 6463, 6411}, want: Block, blockFirst: 6400, blockLast: 6463},
		"in order, but far between": {ports: []int{6400, 6500, 6600, 6800}, want: Block, blockFirst: 6144, blockLast: 7167},
	} {
		r := Classify(Evidence{Samples: ports(c.ports...)})
		if r.Allocation != c.want || r.Delta != c.delta || r.BlockFirst != c.blockFirst || r.BlockLast != c.blockLast {
			t.Errorf("%s: got %v delta %d block %d-%d, want %v delta %d block %d-%d", name,
				r.Allocation, r.Delta, r.BlockFirst, r.BlockLast, c.want, c.delta, c.blockFirst, c.blockLast)
		}
	}
}

func TestOthersMappingsAreCounted(t *testing.T) {
	// 5 steps in 50 ms, of which 4 are others'.
	r := Classify(Evidence{Samples: ports(2000, 2001, 2004, 2005, 2007, 2009)})
	if r.Allocation != Delta || r.Delta != 1 || r.Rate != 80 {
		t.Errorf("got %v by %d, others %d a second; want delta by 1, 80 a second", r.Allocation, r.Delta, r.Rate)
	}
	if quiet := Classify(Evidence{Samples: ports(2000, 2001, 2002, 2003)}); quiet.Rate != 0 {
		t.Errorf("nobody else is there, and others make %d a second", quiet.Rate)
	}
}

func TestAStepOverALongTimeTellsNothing(t *testing.T) {
	samples := ports(2000, 2900, 2901, 2902, 2904)
	samples[0].At = began.Add(-time.Minute) // the main connection; since then others have made 900 mappings
	if r := Classify(Evidence{Samples: samples}); r.Allocation != Delta || r.Delta != 1 || r.Rate > 100 {
		t.Errorf("got %v by %d, others %d a second; want delta by 1", r.Allocation, r.Delta, r.Rate)
	}
}

// TestChanceIsSeldomTakenForOrder draws ports at random, from everywhere and from blocks, and counts mistakes.
func TestChanceIsSeldomTakenForOrder(t *testing.T) {
	const draws, samples = 20_000, 8
	dice := rand.New(rand.NewPCG(1, 2))
	for _, c := range []struct {
		size int // of the block; all ports
		want Allocation
		most int // mistakes in all draws
	}{
		{dynamic, Random, 3},
		{4096, Block, 200},
		{512, Block, 3},
		{64, Block, 60}, // 35 of 40320 orders are that of a counter, up or down, with at most two changed over
	} {
		wrong, missed := 0, 0
		for range draws {
			first := lowest + dice.IntN(dynamic/c.size)*c.size
			drawn := make([]int, samples)
			for i := range drawn {
				drawn[i] = first + dice.IntN(c.size)
			}
			r := Classify(Evidence{Samples: ports(drawn...)})
			if r.Allocation != c.want {
				wrong++
			}
			if r.Allocation == Block && int(r.BlockLast-r.BlockFirst)+1 < c.size {
				missed++
			}
		}
		if wrong > c.most {
			t.Errorf("ports of %d: %d of %d taken for something else than %v", c.size, wrong, draws, c.want)
		}
		if missed > draws/20 {
			t.Errorf("ports of %d: the block told was smaller in %d of %d", c.size, missed, draws)
		}
	}
}

func TestPoolingShowsInTheAddresses(t *testing.T) {
	samples := ports(2000, 3000, 4000)
	if got := Classify(Evidence{Samples: samples}).Pooling; got != Paired {
		t.Errorf("one address: %v, want paired", got)
	}
	if got := Classify(Evidence{Samples: samples[:2]}).Pooling; got != PoolingUnknown {
		t.Errorf("two samples: %v, want unknown", got)
	}
	samples[1].Seen = at(second, 3000)
	if got := Classify(Evidence{Samples: samples}).Pooling; got != Arbitrary {
		t.Errorf("two addresses: %v, want arbitrary", got)
	}
}

func TestEachExternalAddressHasItsOwnCounter(t *testing.T) {
	samples := ports(2000, 7000, 2001, 7001, 2002, 7002, 2003)
	for i := 1; i < len(samples); i += 2 {
		samples[i].Seen = at(second, int(samples[i].Seen.Port()))
	}
	if r := Classify(Evidence{Samples: samples}); r.Allocation != Delta || r.Delta != 1 || r.Pooling != Arbitrary {
		t.Errorf("got %v by %d, pooling %v; want delta by 1, arbitrary", r.Allocation, r.Delta, r.Pooling)
	}
}

func TestTheNewestMappingIsTold(t *testing.T) {
	samples := ports(2000, 2001, 2002)
	samples[0], samples[2] = samples[2], samples[0] // as they came back
	r := Classify(Evidence{Samples: samples})
	if r.Last != at(outside, 2002) || !r.LastAt.Equal(began.Add(20*time.Millisecond)) {
		t.Errorf("got %v of %v, want that of port 2002", r.Last, r.LastAt)
	}
	if samples[0].Seen.Port() != 2002 {
		t.Error("the caller's samples were sorted")
	}
}

func TestFilteringIsReadOffTheDialBacks(t *testing.T) {
	near := func(a Answer) DialBack { return DialBack{From: server, To: at(outside, 40000), Answer: a} }
	far := func(a Answer) DialBack {
		return DialBack{From: other, To: at(outside, 40000), Answer: a, Fresh: true}
	}
	nat, public := at(outside, 40000), at(inside, 40000)
	for name, c := range map[string]struct {
		seen      netip.AddrPort
		tried     []DialBack
		want      Dependence
		unasked   Answer
		classical string
	}{
		"not tried":                    {nat, nil, Unknown, AnswerUnknown, "Cone"},
		"no answer to the question":    {nat, []DialBack{near(AnswerUnknown)}, Unknown, AnswerUnknown, "Cone"},
		"nothing comes in":             {nat, []DialBack{near(Dropped)}, AddressAndPortDependent, Dropped, "Port restricted cone"},
		"a reset":                      {nat, []DialBack{near(Reset)}, AddressAndPortDependent, Reset, "Port restricted cone"},
		"icmp":                         {nat, []DialBack{near(ICMP), far(Dropped)}, AddressAndPortDependent, ICMP, "Port restricted cone"},
		"one address, open":            {nat, []DialBack{near(Accepted)}, AddressDependent, Accepted, "Restricted cone"},
		"open from the same address":   {nat, []DialBack{near(Accepted), far(Dropped)}, AddressDependent, Dropped, "Restricted cone"},
		"open from everywhere":         {nat, []DialBack{near(Accepted), far(Accepted)}, EndpointIndependent, Accepted, "Full cone"},
		"open from afar, nothing else": {nat, []DialBack{far(Accepted)}, EndpointIndependent, Accepted, "Full cone"},
		"closed from afar only":        {nat, []DialBack{far(Reset)}, AddressAndPortDependent, Reset, "Port restricted cone"},
		"public and open":              {public, []DialBack{near(Accepted)}, None, Accepted, "Open"},
		"public behind a firewall":     {public, []DialBack{near(Dropped)}, AddressAndPortDependent, Dropped, "Firewall"},
		"public, not tried":            {public, nil, Unknown, AnswerUnknown, "No NAT"},
	} {
		samples := views(map[netip.AddrPort]netip.AddrPort{at(server, 4000): c.seen, at(server, 8000): c.seen})
		r := Classify(Evidence{Samples: samples, DialBacks: c.tried})
		if r.Filtering != c.want || r.Unsolicited != c.unasked || r.Classic() != c.classical {
			t.Errorf("%s: filtering %v, unsolicited %v, %s; want %v, %v, %s", name,
				r.Filtering, r.Unsolicited, r.Classic(), c.want, c.unasked, c.classical)
		}
	}
}

func TestClassicNames(t *testing.T) {
	for want, r := range map[string]Report{
		"Unknown":   {},
		"Symmetric": {Mapping: AddressDependent, Filtering: EndpointIndependent},
		"Proxied":   {Mapping: EndpointIndependent, Proxied: true},
		"Full cone": {Mapping: EndpointIndependent, Filtering: EndpointIndependent},
	} {
		if got := r.Classic(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestNothingSeenIsNothingKnown(t *testing.T) {
	if r := Classify(Evidence{}); r != (Report{}) {
		t.Errorf("got %+v, want the zero report", r)
	}
	broken := []Sample{{Seen: at(outside, 1)}, {Local: at(inside, 1)}}
	if r := Classify(Evidence{Samples: broken}); r != (Report{}) {
		t.Errorf("samples without an end: got %+v, want the zero report", r)
	}
}

func TestReportsAreByAddressFamily(t *testing.T) {
	r := Reports{IPv4: Report{Mapping: EndpointIndependent}, IPv6: Report{Mapping: None}}
	for addr, want := range map[string]Dependence{"192.0.2.1": EndpointIndependent, "::ffff:192.0.2.1": EndpointIndependent, "2001:db8::1": None} {
		if got := r.For(netip.MustParseAddr(addr)).Mapping; got != want {
			t.Errorf("%s: got %v, want %v", addr, got, want)
		}
	}
}

func TestEachValueHasItsWord(t *testing.T) {
	got := fmt.Sprint(AddressAndPortDependent, ICMP, Random, Arbitrary, No, Dependence(9))
	if want := "address-and-port-dependent icmp random arbitrary no invalid"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
