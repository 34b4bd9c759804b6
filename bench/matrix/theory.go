package main

import (
	"time"

	"github.com/bodkin-p2p/bodkin/natlab"
)

// One-way delays of every pair: dialer to server, callee to server, dialer to callee.
const (
	delayDialer = 20 * time.Millisecond
	delayCallee = 30 * time.Millisecond
	delayPair   = 25 * time.Millisecond
)

// A prospect is what theory says about a pair of boxes.
type prospect string

const (
	certain   prospect = "certain"   // direct without guessing
	predicted prospect = "predicted" // direct if one side's next port is guessed, among few
	mutual    prospect = "mutual"    // both sides' ports have to be guessed: no bound is promised
	search    prospect = "search"    // direct by a birthday search, if both nodes allow it
	forbidden prospect = "forbidden" // relayed
)

// A theory is what a pair of boxes lets happen, and why.
type theory struct {
	Prospect prospect      `json:"prospect"`
	Why      string        `json:"why"`
	Floor    time.Duration `json:"floor_ns,omitempty"` // from the dial to the first protected byte, if nothing has to be guessed
}

// With a, b and c the delays above. The dialer is introduced at 2a, the callee at a+b, and each sends its SYN at once.
const (
	// Where the dialer's SYN gets in, or both cross, its TCP is up at 2a + 2c, and its half of TLS 1.3 takes 2c more.
	floorOut = 2*delayDialer + 4*delayPair
	// Where only the callee's gets in, it comes to the dialer at a+b+c, whose TCP is up when the ACK is there, at a+b+3c.
	floorIn = delayDialer + delayCallee + 5*delayPair
	// On one local network only the introduction takes time.
	floorLocal = 2 * delayDialer
)

// theorise tells what is possible between two nodes that are each behind a box, without port mapping. A NAT lets a SYN in if its filter
// does: everybody's (public, endpoint-independent), one from an address that was sent to, or from an endpoint that was. The sender
// must know where to send it, so the receiver's mapping has to be endpoint-independent or its port guessed.
func theorise(near, far side) theory {
	if near.ipv6 && far.ipv6 {
		return theory{certain, "IPv6 on both sides: firewalls let simultaneous open through (RFC 6092, REC-31)", floorOut}
	}
	out, in := near.reaches(far), far.reaches(near)
	switch {
	case out:
		return theory{certain, "the dialer's SYN gets in where the callee was seen, after the callee's own has left", floorOut}
	case in:
		return theory{certain, "only the callee's SYN gets in, where the dialer was seen", floorIn}
	case near.oneWay && far.oneWay:
		return theory{Prospect: forbidden, Why: "neither NAT lets a SYN in that meets one of its own"}
	case near.isEIM() || far.isEIM():
		symmetric := near
		if near.isEIM() {
			symmetric = far
		}
		return symmetric.guess()
	case near.allocated == natlab.PortRandom || far.allocated == natlab.PortRandom:
		return theory{Prospect: forbidden, Why: "both mappings are endpoint-dependent, and one takes random ports"}
	}
	return theory{Prospect: mutual, Why: "both mappings are endpoint-dependent: both ports have to be guessed at once"}
}

// guess is what is left where s has an endpoint-dependent mapping, and the other side an independent one and a strict filter.
func (s side) guess() theory {
	if s.allocated == natlab.PortRandom {
		return theory{Prospect: search, Why: "one mapping takes a random port for each endpoint, and the other side's filter wants to know it"}
	}
	return theory{Prospect: predicted, Why: "one mapping depends on the endpoint, but its next port can be told (" + s.allocated.String() + ")"}
}

func (s side) isEIM() bool { return s.mapping == natlab.EndpointIndependent }

// reaches tells whether a SYN of s gets in at to without guessing, while to sends SYNs to where s is seen.
func (s side) reaches(to side) bool {
	switch {
	case !to.isEIM():
		return false // nobody knows its port
	case to.public || to.filtering == natlab.EndpointIndependent:
		return true
	case to.filtering == natlab.AddressDependent:
		return !to.oneWay // from whatever port: to has sent to that address
	}
	return s.isEIM() && !to.oneWay
}

// theory is what a pair of boxes lets happen.
func (p pair) theory() theory {
	switch p.near.shared {
	case oneNetwork:
		return theory{certain, "the local network joins them", floorLocal}
	case oneCarrier:
		if p.near.layers[0].Hairpinning == natlab.HairpinExternal {
			return theory{certain, "the carrier's NAT turns their SYNs round (RFC 5382, REQ-8)", floorLocal}
		}
		return theory{Prospect: forbidden, Why: "the carrier's NAT turns no packet round, and neither knows the other's address behind it"}
	}
	return theorise(p.near.side(), p.far.side())
}
