package rounds

import (
	"math"
	"net/netip"
	"time"

	"github.com/bodkin-p2p/bodkin/internal/natbehavior"
)

// Budgets of one side of one attempt. A node keeps to them whatever a server says: reports of peers come through it.
const (
	// MaxPredicted is how many SYNs may go to predicted ports, or from ports of their own for a peer that predicts.
	MaxPredicted = 64
	// MaxSearched is the same for a search among all ports: 512 on each side meet with 98 %.
	MaxSearched = 512
	// SearchRate is how many of these leave in a second.
	SearchRate = 250
	// SearchPause is how long a pair that searched in vain does not search again.
	SearchPause = time.Hour
	// blockShare is which part of a known block of ports may be used, one in so many: the subscriber needs the rest.
	blockShare = 4
)

// The ports that NATs give out to new mappings.
const (
	lowest  = 1024
	dynamic = 65536 - lowest
)

// GuessKind is where the peer's external port is looked for.
type GuessKind uint8

// The kinds.
const (
	Nowhere  GuessKind = iota
	Next               // at the next places of a counter, from the newest sample on
	InBlock            // anywhere in the peer's block of ports
	Anywhere           // anywhere
)

// A Guess is how many ports of the peer are dialled beyond the known ones, and which.
type Guess struct {
	Kind  GuessKind
	Count int
}

// Endpoints lists what to dial: at most Count endpoints, most likely ones first. The peer's network is as peer says; seen is where the
// server saw it last, for Next the sample of this round. draw returns a random number in [0,n).
func (g Guess) Endpoints(peer natbehavior.Report, seen netip.AddrPort, draw func(n int) int) []netip.AddrPort {
	if !seen.IsValid() {
		return nil
	}
	var ports []int
	switch g.Kind {
	case Next:
		last := int(seen.Port()) - lowest
		for i := range g.Count {
			ports = append(ports, lowest+modulo(last+(i+1)*peer.Delta, dynamic))
		}
	case InBlock:
		first := max(int(peer.BlockFirst), lowest)
		ports = someOf(first, int(peer.BlockLast)-first+1, g.Count, draw)
	case Anywhere:
		ports = someOf(lowest, dynamic, g.Count, draw)
	}
	endpoints := make([]netip.AddrPort, len(ports))
	for i, port := range ports {
		endpoints[i] = netip.AddrPortFrom(seen.Addr(), uint16(port))
	}
	return endpoints
}

// someOf is count different ports out of size from first, in random order.
func someOf(first, size, count int, draw func(n int) int) []int {
	moved := map[int]int{} // a shuffle of which only the beginning is done
	at := func(i int) int {
		if port, ok := moved[i]; ok {
			return port
		}
		return first + i
	}
	var ports []int
	for i := range max(0, min(count, size)) {
		j := i + draw(size-i)
		ports = append(ports, at(j))
		moved[j] = at(i)
	}
	return ports
}

// modulo is n mod size, never negative.
func modulo(n, size int) int { return (n%size + size) % size }

// allocation is what a report lets a peer do about a network's ports.
type allocation uint8

const (
	unpredictable allocation = iota
	counted
	inBlock
)

func (s Side) allocation() allocation {
	switch {
	case s.Pooling == natbehavior.Arbitrary: // the address cannot be told
		return unpredictable
	case s.Allocation == natbehavior.Delta && s.Delta != 0:
		return counted
	case s.Allocation == natbehavior.Block && s.blockSize() >= blockShare:
		return inBlock
	}
	return unpredictable
}

// blockSize is how many ports the known block has; zero if it is not known.
func (s Side) blockSize() int {
	first := max(int(s.BlockFirst), lowest)
	return max(0, int(s.BlockLast)-first+1)
}

// sampleAge is how old a sample is when the mapping for the peer is made: a round trip to the server and the work of both.
const sampleAge = 150 * time.Millisecond

// window is how many places after a sample cover the next mapping, if others make rate mappings a second: these arrive by chance
// (Poisson), so their mean and four times their deviation, and some more, since the rate is a guess itself.
func window(rate int) int {
	const spare = 8
	mean := float64(rate) * sampleAge.Seconds()
	return min(spare+int(math.Ceil(mean+4*math.Sqrt(mean))), MaxPredicted)
}
