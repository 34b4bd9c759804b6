package rounds

import (
	"time"

	"github.com/bodkin-p2p/bodkin/internal/natbehavior"
)

// Max is how many rounds an attempt has at most.
const Max = 3

// A Side is what is known of one end of an attempt.
type Side struct {
	natbehavior.Report
	Mapped bool          // a gateway was proven to forward to it: everybody can connect
	RTT    time.Duration // to the server; zero: unknown
}

// Way is how a round is to open a connection.
type Way uint8

// The ways.
const (
	Crossing   Way = iota + 1 // both send at the same time; the SYNs cross, or find an open door
	Staggered                 // the SYN of the side that goes first dies at the other's NAT; then an ordinary handshake the other way
	Prediction                // one side's next external port is guessed from samples of its allocation
	Search                    // ports are tried at random until two meet
)

// String is one word.
func (w Way) String() string {
	switch w {
	case Crossing:
		return "crossing"
	case Staggered:
		return "staggered"
	case Prediction:
		return "prediction"
	case Search:
		return "search"
	}
	return "no way"
}

// Turn is who sends first.
type Turn uint8

// The turns.
const (
	Together Turn = iota
	DialerFirst
	CalleeFirst
)

// A Round is one start of an attempt.
type Round struct {
	Way    Way
	First  Turn
	Fresh  bool // both sides leave from new ports, of which the server tells the mappings
	Dialer Part
	Callee Part
}

// A Part is what one side does in a round, beside dialling the candidates that it knows.
type Part struct {
	Sample bool // before the round, it has the server see one new mapping of its network
	Ports  int  // connections to the peer's observed endpoint, each from a port of its own: as many mappings for the peer to find
	Guess  Guess
	After  time.Duration // Ports and Guess begin so long after the rest
}

// Plan lists the rounds of an attempt, at least one and at most Max. Each begins when the one before has had its time without a word of
// failure or success. Failures begin rounds too: see [At].
func Plan(dialer, callee Side) []Round {
	switch {
	case dialer.IsOpen() || callee.IsOpen() || !dialer.mayDepend() && !callee.mayDepend():
		return ordinary()
	case dialer.mayDepend() && callee.mayDepend():
		return bothDepend(dialer, callee)
	case callee.mayDepend():
		return mirrored(oneDepends(callee, dialer))
	}
	return oneDepends(dialer, callee)
}

// IsOpen tells whether anybody can connect to the side where the server sees it.
func (s Side) IsOpen() bool {
	return s.Mapped || s.Filtering == natbehavior.None || s.Filtering == natbehavior.EndpointIndependent
}

// mayDepend tells whether a peer may meet another external endpoint than the server. Of what is not known at all it is not assumed:
// most networks do not.
func (s Side) mayDepend() bool {
	return s.Mapping.IsEndpointDependent() || s.Mapping == natbehavior.Unknown && s.allocation() != unpredictable
}

// rejects tells whether the side's network answers a SYN that comes too early, which ends the connection attempt of its sender.
func (s Side) rejects() bool {
	return s.Unsolicited == natbehavior.Reset || s.Unsolicited == natbehavior.ICMP
}

// ordinary is the plan where the server's view of each side is the peer's, too. Silence then means a lost SYN, or a network that does
// not let SYNs cross. A socket that is silent is not touched; new ports are tried beside it, one side first, then the other, since
// nobody knows which network it is.
func ordinary() []Round {
	return []Round{
		{Way: Crossing},
		{Way: Staggered, First: CalleeFirst, Fresh: true},
		{Way: Staggered, First: DialerFirst, Fresh: true},
	}
}

// oneDepends is the plan where only the dialer's mappings depend on the remote endpoint.
func oneDepends(dialer, callee Side) []Round {
	var guesses []Round
	allocation := dialer.allocation()
	switch {
	case callee.Filtering == natbehavior.AddressDependent: // its SYN to any port of the dialer's address lets the dialer in
		return ordinary()[:1]
	case allocation == counted:
		guesses = fromSamples(func(count int) Round {
			// Ports, because the mapping for the peer that an earlier round made stays where it is.
			return Round{Dialer: Part{Sample: true, Ports: 1}, Callee: Part{Guess: Guess{Next, count}}}
		}, dialer.Rate)
	case allocation == inBlock:
		size := dialer.blockSize()
		guesses = []Round{{Way: Prediction,
			Dialer: Part{Ports: min(MaxPredicted, size/blockShare)},
			Callee: Part{Guess: Guess{InBlock, min(MaxPredicted, size)}}}}
	case dialer.Search && callee.Search && !(dialer.rejects() && callee.rejects()):
		guesses = []Round{search(dialer, callee)}
	}
	if dialer.Mapping.IsEndpointDependent() && len(guesses) > 0 {
		return guesses
	}
	return append(ordinary()[:1], guesses[:min(len(guesses), Max-1)]...)
}

// bothDepend is the plan where neither side's mapping is what the server sees. Two counters can be told, as long as nobody else
// counts: the n-th SYN of each goes to the other's n-th next port. In blocks each SYN is one of the block's ports, of which a quarter may be used:
// two such sets meet in (1/4)^2 of all attempts at best, which is not worth them.
func bothDepend(dialer, callee Side) []Round {
	if dialer.allocation() != counted || callee.allocation() != counted {
		return ordinary()[:1]
	}
	guesses := fromSamples(func(count int) Round {
		both := Part{Sample: true, Guess: Guess{Next, count}}
		return Round{Dialer: both, Callee: both}
	}, 0)
	if dialer.Mapping == natbehavior.Unknown || callee.Mapping == natbehavior.Unknown {
		return append(ordinary()[:1], guesses[:Max-1]...)
	}
	return guesses
}

// fromSamples is up to Max rounds of prediction, each from a new sample, that guess no more than allowed together.
func fromSamples(round func(count int) Round, rate int) []Round {
	var all []Round
	for left := MaxPredicted; left > 0 && len(all) < Max; {
		count := min(window(rate), left)
		r := round(count)
		r.Way = Prediction
		all = append(all, r)
		left -= count
	}
	return all
}

// search is the round in which the dialer opens mappings and the callee tries ports. Where one side's network rejects, its SYNs have
// all left before the other's begin to arrive.
func search(dialer, callee Side) Round {
	r := Round{Way: Search, Dialer: Part{Ports: MaxSearched}, Callee: Part{Guess: Guess{Anywhere, MaxSearched}}}
	whole := time.Duration(MaxSearched) * time.Second / SearchRate
	switch {
	case dialer.rejects():
		r.Callee.After = whole
	case callee.rejects():
		r.Dialer.After = whole
	}
	return r
}

// mirrored is a plan with the two sides changed over.
func mirrored(plan []Round) []Round {
	for i := range plan {
		r := &plan[i]
		r.Dialer, r.Callee = r.Callee, r.Dialer
		switch r.First {
		case DialerFirst:
			r.First = CalleeFirst
		case CalleeFirst:
			r.First = DialerFirst
		}
	}
	return plan
}

// Expected is the way by which theory has a connection open in round 1 of the plan, zero if it knows none. What a Report does not say
// is taken for the usual: a mapping for everybody.
func Expected(dialer, callee Side) Way {
	first := Plan(dialer, callee)[0]
	hopeful := func(depends, other Side) bool {
		return !depends.mayDepend() || other.Filtering == natbehavior.AddressDependent
	}
	switch {
	case first.Way != Crossing:
		return first.Way
	case dialer.IsOpen() || callee.IsOpen():
		return Crossing
	case dialer.mayDepend() && callee.mayDepend():
		return 0
	case hopeful(dialer, callee) && hopeful(callee, dialer):
		return Crossing
	}
	return 0
}
