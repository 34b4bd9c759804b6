package server

import (
	"slices"
	"time"

	"github.com/bodkin-p2p/bodkin/internal/wire"
)

const (
	// attemptTimeout is how long an attempt may last in all. The kernel has repeated an unanswered SYN at least twice by then.
	attemptTimeout = 6 * time.Second

	// headStartMargin is what a direct connection has beyond the time that distance demands: for scheduling, jitter, and a path that
	// is longer than the one by the server.
	headStartMargin = 100 * time.Millisecond
	// unknownRTT stands for a round trip that was not measured.
	unknownRTT = 150 * time.Millisecond

	// gatherMin is how long round 2 waits after the first report for the other side's, which tells whether its peer's NAT rejects too.
	gatherMin = 10 * time.Millisecond
	gatherMax = 50 * time.Millisecond
	// gatherLocal is that time when only addresses failed that the server did not see, as those of a local network do at once. A
	// new round is then worth little, and must not use up the rounds while the first SYNs are under way.
	gatherLocal = 700 * time.Millisecond
	// lateSide is how long after round 2 began a side that has reported nothing is waited for before round 3. Its introduction may
	// have been lost and sent again (200-1000 ms), while the other side, refused within a round trip, would use up all rounds.
	lateSide = time.Second
)

// A side is what the plan of the next round knows of one end of an attempt.
type side struct {
	rtt      time.Duration // to the server; zero: unknown
	failed   failure       // what it reported in this round
	late     bool          // it reported an earlier round in this one
	rejected bool          // its SYNs were answered with RST or ICMP in some round: the other side's NAT rejects
	busy     bool          // a four-tuple was held by an earlier connection
}

// A failure says how much a report weighs.
type failure uint8

const (
	failedNot       failure = iota // nothing reported that a new round would mend
	failedLocal                    // only addresses that the other side told
	failedReflexive                // an address at which the server sees the other side
)

// weigh judges the failures of a report by a node whose peer is seen at observed.
func weigh(failures []*wire.PairFailure, observed []*wire.Endpoint) (weight failure, rejected bool) {
	for _, f := range failures {
		switch f.GetKind() {
		case wire.FailureKind_FAILURE_KIND_REFUSED, wire.FailureKind_FAILURE_KIND_UNREACHABLE, wire.FailureKind_FAILURE_KIND_TUPLE_BUSY:
		default:
			continue // another SYN would meet the same
		}
		weight = max(weight, failedLocal)
		for _, o := range observed {
			if o.AddrPort() == f.GetRemote().AddrPort() {
				weight = failedReflexive
				rejected = rejected || f.GetKind() != wire.FailureKind_FAILURE_KIND_TUPLE_BUSY
			}
		}
	}
	return weight, rejected
}

// nextRound tells, after a report, when the round that runs is to be followed by the next one, or by the end after the last: so long
// from now, and false while nothing calls for it. The round runs for the time running.
//
// Round 2 starts as soon as the failure of one side is known. A NAT that answers with RST does so within one round trip; if
// round 3 started as quickly, a side whose introduction is late would find all rounds over. So that waits for both sides.
func nextRound(round int, running time.Duration, dialer, callee side) (wait time.Duration, due bool) {
	both := dialer.hasReported() && callee.hasReported()
	weight := max(dialer.failed, callee.failed)
	switch {
	case weight == failedNot:
		return 0, false
	case weight == failedReflexive && both:
		return 0, true
	case round == 1 && weight == failedReflexive:
		// The two SYNs leave at most |a-b| apart, with a and b the one-way delays to the server, and the reports take
		// a and b: so the second is at most 2|a-b| behind the first, the difference of the round trips.
		return min(gatherMin+difference(dialer, callee), gatherMax), true
	case round == 1:
		return gatherLocal, true
	case round == 2:
		return max(0, lateSide-running), true
	}
	return 0, false // the last round may still succeed until the attempt's time is over
}

// isBusy tells whether one of the failures is a four-tuple that was held by an earlier connection.
func isBusy(failures []*wire.PairFailure) bool {
	return slices.ContainsFunc(failures, func(f *wire.PairFailure) bool {
		return f.GetKind() == wire.FailureKind_FAILURE_KIND_TUPLE_BUSY
	})
}

func (s side) hasReported() bool { return s.failed == failedReflexive || s.late }

// headStart is how long after its introduction a node goes to the relay too, if no direct connection is open by then. With one-way
// delays a and b to the server and c between the nodes, TCP is up on both sides 2c after the introduction, in round 1 (techniques of
// simultaneous open, protocol.md section 4), and c is at most a+b. So a punch that works in round 1 never touches the relay, and
// a pair that cannot punch has its first byte at 2a + headStart + 3b + (a+b) + b or so: at 20 and 30 ms after 0.5 s.
func headStart(dialer, callee time.Duration) time.Duration {
	sum := headStartMargin
	for _, rtt := range []time.Duration{dialer, callee} {
		if rtt == 0 {
			rtt = unknownRTT
		}
		sum += rtt
	}
	return min(sum, wire.MaxHeadStartMicros*time.Microsecond)
}

// patience is how long a round has before silence begins the next, if the plan has one: until the dialer's word that it has a connection would be here.
// The introduction goes out for a or b, TCP and TLS take 4c, the word comes back for a; and c is at most a+b.
func patience(dialer, callee time.Duration) time.Duration {
	const margin, most = 50 * time.Millisecond, 1200 * time.Millisecond
	if dialer == 0 {
		dialer = unknownRTT
	}
	if callee == 0 {
		callee = unknownRTT
	}
	return min(max(dialer, callee)+2*(dialer+callee)+margin, most)
}

// difference is that of the round trips, zero while one is unknown.
func difference(dialer, callee side) time.Duration {
	if dialer.rtt == 0 || callee.rtt == 0 {
		return 0
	}
	return (dialer.rtt - callee.rtt).Abs()
}
