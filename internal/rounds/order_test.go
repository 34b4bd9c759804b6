package rounds

import (
	"testing"
	"time"

	"github.com/bodkin-p2p/bodkin/internal/natbehavior"
)

const ms = time.Millisecond

func TestStartsOfARound(t *testing.T) {
	far := func(rtt time.Duration) Side { return Side{RTT: rtt} }
	rejecting := func(rtt time.Duration) Side {
		return Side{RTT: rtt, Report: natbehavior.Report{Unsolicited: natbehavior.Reset}}
	}
	crossing := Round{Way: Crossing}
	for _, test := range []struct {
		name           string
		round          Round
		number         int
		dialer, callee Side
		wantDialer     time.Duration
		wantCallee     time.Duration
	}{
		{"the first waits for nothing", crossing, 1, far(40 * ms), far(60 * ms), 0, 0},
		{"nor where the nearer one's network rejects", crossing, 1, rejecting(40 * ms), far(60 * ms), 0, 0},
		{"the farther one's rejects: it has half of the difference", crossing, 1, far(40 * ms), rejecting(60 * ms), 5 * ms, 0},
		{"whichever it is", crossing, 1, rejecting(60 * ms), far(40 * ms), 0, 5 * ms},
		{"both reject", crossing, 1, rejecting(60 * ms), rejecting(40 * ms), 0, 5 * ms},
		{"later the nearer side waits half of the round trips' difference", crossing, 2, far(40 * ms), far(60 * ms), 10 * ms, 0},
		{"whichever it is", crossing, 2, far(60 * ms), far(40 * ms), 0, 10 * ms},
		{"nobody waits when both are as near", crossing, 3, far(40 * ms), far(40 * ms), 0, 0},
		{"an unknown round trip equalises nothing", crossing, 2, far(0), far(60 * ms), 0, 0},
		{"a silly round trip is bounded", crossing, 2, far(ms), far(time.Hour), maxWait, 0},
		{"the callee's network rejects: it goes first", crossing, 2, far(40 * ms), rejecting(60 * ms), 20 * ms, 0},
		{"the dialer's rejects: it goes first", crossing, 2, rejecting(40 * ms), far(60 * ms), 10 * ms, 10 * ms},
		{"both reject: together", crossing, 3, rejecting(40 * ms), rejecting(60 * ms), 10 * ms, 0},
		{"staggered: the callee's SYN has died", Round{Way: Staggered, First: CalleeFirst}, 2, far(40 * ms), far(60 * ms), 60 * ms, 0},
		{"staggered: the dialer's SYN has died", Round{Way: Staggered, First: DialerFirst}, 3, far(40 * ms), far(60 * ms), 0, 40 * ms},
		{"staggered, nothing known", Round{Way: Staggered, First: DialerFirst}, 3, far(0), far(0), 0, unknownRTT},
		{"staggered, silly", Round{Way: Staggered, First: DialerFirst}, 3, far(time.Hour), far(0), 0, maxWait},
	} {
		dialer, callee := test.round.Delays(test.number, test.dialer, test.callee)
		if dialer != test.wantDialer || callee != test.wantCallee {
			t.Errorf("%s: %v and %v, want %v and %v", test.name, dialer, callee, test.wantDialer, test.wantCallee)
		}
	}
}

// TestAStaggeredSYNMeetsNoOther plays the delays in the model of three points on a line and off it: the first side's SYN has to arrive
// before the second one leaves, and the second one's after the first has left.
func TestAStaggeredSYNMeetsNoOther(t *testing.T) {
	for a := time.Duration(1); a < 100; a += 7 {
		for b := time.Duration(1); b < 100; b += 7 {
			for c := max(a-b, b-a); c <= a+b; c += 5 { // the triangle inequality
				dialer, callee := Side{RTT: 2 * a * ms}, Side{RTT: 2 * b * ms}
				d, e := Round{Way: Staggered, First: CalleeFirst}.Delays(2, dialer, callee)
				if leaves, arrives := a*ms+d, b*ms+e+c*ms; arrives > leaves {
					t.Fatalf("a=%d b=%d c=%d: the callee's SYN arrives at %v, the dialer's leaves at %v", a, b, c, arrives, leaves)
				}
			}
		}
	}
}

func TestRoundsAfterAFailureStartTogether(t *testing.T) {
	cones := Plan(networks["port"], networks["port"])
	counter := Plan(networks["seq"], networks["port"])
	block := Plan(networks["blk"], networks["port"])
	for _, test := range []struct {
		name         string
		plan         []Round
		number       int
		failed, busy bool
		want         string
	}{
		{"the first", cones, 1, false, false, "crossing"},
		{"silence", cones, 2, false, false, "staggered, callee first, new ports"},
		{"failure", cones, 2, true, false, "crossing"},
		{"a busy tuple", cones, 2, true, true, "crossing, new ports"},
		{"prediction goes on", counter, 2, true, false, "prediction, dialer sampled, opens 1, callee guesses 8 next"},
		{"a plan that is over", block, 2, true, false, "crossing"},
	} {
		if got := inWords([]Round{At(test.plan, test.number, test.failed, test.busy)}); got != test.want {
			t.Errorf("%s: %s, want %s", test.name, got, test.want)
		}
	}
}
