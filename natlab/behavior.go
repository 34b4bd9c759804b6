package natlab

import (
	"fmt"
	"strings"
)

// A Behavior describes how a NAT, or a stateful firewall, treats connections: one field for each
// axis of RFC 4787 (UDP), RFC 5382 (TCP) and RFC 5508 (ICMP). Fields are independent of each other.
// The functions FullCone, Linux, CarrierGrade and so on return usual combinations, which a test may
// vary:
//
//	b := natlab.HoldsSYNs()
//	b.Hairpinning = natlab.HairpinNone
//
// Fragments, and protocols other than TCP, UDP and ICMP, do not pass.
//
// The zero value is a NAT with endpoint-independent mapping and filtering that preserves ports,
// has the timeouts of the RFCs, does not hairpin and drops what it does not let in.
type Behavior struct {
	// Mapping tells for which destinations an internal endpoint keeps its external one.
	Mapping Dependence
	// Filtering tells who may send to an external endpoint.
	Filtering Dependence
	// Overloading lets several internal endpoints share an external one as long as they talk to
	// different remote endpoints. RFC 5382, REQ-7, forbids it; Linux does it. A mapping then moves
	// to another port where keeping it would make two connections look the same from outside, and
	// connections opened later follow it.
	Overloading bool

	// Allocation tells how the external port of a new mapping is chosen.
	Allocation Allocation
	// PortDelta is the step of PortSequential; zero means 1. It may be negative.
	PortDelta int
	// BlockSize is how many ports a host gets under PortBlock, from one block; zero means 512.
	// A host that has used them up gets no new mapping until an old one ends.
	BlockSize int
	// RandomInBlock makes ports random inside the block of PortBlock, rather than rising.
	RandomInBlock bool
	// Pooling tells which external address a new mapping gets where there are several.
	// PortBlock pools paired whatever it says, because a block belongs to one address.
	Pooling Pooling

	// Unsolicited is the answer to what Filtering keeps out.
	Unsolicited Unsolicited
	// Hairpinning tells what becomes of a packet from the inside to an external address of the NAT.
	Hairpinning Hairpinning

	// Checking tells how closely TCP segments of a known connection are looked at.
	Checking Checking
	// PickUp makes a mapping for an outbound TCP segment without SYN, too, so that a connection may
	// outlive its entry: what Linux calls tcp_loose. It does not open the way for inbound ones.
	PickUp bool
	// RefuseSimultaneousOpen drops an inbound SYN that meets an outbound SYN for the same
	// connection, against RFC 5382, REQ-2. Cisco ASA does ("TCP dual open denied").
	RefuseSimultaneousOpen bool
	// Reset is what a TCP reset does to the entry of its connection.
	Reset ResetEffect

	// Timeouts are the lifetimes of entries; those that are zero mean the RFC's.
	Timeouts Timeouts
	// SessionsPerHost limits the connections of one internal address; zero means no limit.
	SessionsPerHost int
	// BlockUDP drops all UDP in both directions.
	BlockUDP bool
}

// String lists the axes in RFC words, such as "mapping endpoint-independent, filtering
// address-dependent, port preserving, unsolicited drop".
func (b Behavior) String() string {
	parts := []string{
		fmt.Sprintf("mapping %v", b.Mapping),
		fmt.Sprintf("filtering %v", b.Filtering),
		fmt.Sprintf("port %v", b.Allocation),
		fmt.Sprintf("unsolicited %v", b.Unsolicited),
	}
	if b.Allocation == PortUntranslated {
		parts = append([]string{"no translation"}, parts[1], parts[3])
	}
	if b.Overloading {
		parts = append(parts, "overloading")
	}
	if b.Hairpinning != HairpinNone {
		parts = append(parts, fmt.Sprintf("hairpinning %v", b.Hairpinning))
	}
	if b.Checking != CheckNothing {
		parts = append(parts, fmt.Sprintf("checking %v", b.Checking))
	}
	if b.RefuseSimultaneousOpen {
		parts = append(parts, "no simultaneous open")
	}
	if b.BlockUDP {
		parts = append(parts, "no UDP")
	}
	return strings.Join(parts, ", ")
}
