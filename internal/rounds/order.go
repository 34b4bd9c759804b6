package rounds

import "time"

const (
	// lead is by how much the side whose network rejects goes first in a later round, if only one does.
	lead = 10 * time.Millisecond
	// maxWait bounds every delay: a node cannot hold up its peer by naming a silly round trip.
	maxWait = 300 * time.Millisecond
	// unknownRTT stands for a round trip that was not measured.
	unknownRTT = 150 * time.Millisecond
)

// At is round number of an attempt with that plan. After a failure, rather than silence, sockets are dead: the next round has both sides
// start again together, even where the plan has no such round. If a four-tuple was busy they leave from new ports.
func At(plan []Round, number int, failed, busy bool) Round {
	r := Round{Way: Crossing}
	if number <= len(plan) && (!failed || plan[number-1].Way == Prediction) {
		r = plan[number-1]
	}
	r.Fresh = r.Fresh || busy
	return r
}

// Delays tells how long each side waits after it got the introduction of round number, before its first SYN. The introductions leave the
// server in the same tick.
//
// In round 1 nobody waits: by the triangle inequality each SYN arrives after the other side's has left, by a margin of
// c-|a-b| at least, with one-way delays a and b to the server and c between the nodes. If the network of the farther side rejects SYNs
// that are too early, the nearer side waits half of |a-b|, which is how much is left if the server lies on the way between the two.
//
// In a later round both start at the same time, for which the nearer side waits |a-b|; if one network rejects, its side is 10 ms
// ahead. A staggered start has the second side wait until the first one's SYN has come to its end: c is at most a+b.
func (r Round) Delays(number int, dialer, callee Side) (dialerWaits, calleeWaits time.Duration) {
	difference := (callee.RTT - dialer.RTT) / 2 // b-a
	if dialer.RTT == 0 || callee.RTT == 0 {
		difference = 0
	}
	switch {
	case r.Way == Staggered && r.First == CalleeFirst:
		return orUnknown(callee.RTT), 0
	case r.Way == Staggered && r.First == DialerFirst:
		return 0, orUnknown(dialer.RTT)
	case number > 1:
	case difference > 0 && callee.rejects(), difference < 0 && dialer.rejects():
		difference /= 2
	default:
		return 0, 0
	}
	if difference > 0 {
		dialerWaits = min(difference, maxWait)
	} else {
		calleeWaits = min(-difference, maxWait)
	}
	switch {
	case number == 1:
	case callee.rejects() && !dialer.rejects():
		dialerWaits += lead
	case dialer.rejects() && !callee.rejects():
		calleeWaits += lead
	}
	return dialerWaits, calleeWaits
}

func orUnknown(rtt time.Duration) time.Duration {
	if rtt == 0 {
		return unknownRTT
	}
	return min(rtt, maxWait)
}
