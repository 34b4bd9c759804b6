// Package natbehavior tells how the NATs and firewalls in front of a node treat TCP: mapping, filtering, port allocation, pooling,
// hairpinning and the answer to unsolicited SYNs, in the words of RFC 4787 and RFC 5382. What was seen goes in as [Evidence], and a
// [Report] comes out, which travels with the node's registration to its peers. It is pure: who measures is elsewhere.
//
// Everything here is measured for TCP alone. Many NATs treat UDP otherwise, so a STUN result says nothing about it.
package natbehavior

import (
	"net/netip"
	"time"
)

// Dependence is on how much of the remote endpoint a mapping or a filter depends (RFC 4787, sections 4.1 and 5; RFC 5382, sections
// 4.1 and 4.3).
type Dependence uint8

// The dependences, from the most open to the most closed.
const (
	Unknown                 Dependence = iota // not measured, or not to be told
	None                                      // there is no mapping: no NAT. There is no filter
	EndpointIndependent                       // the same for everybody
	AddressDependent                          // by remote address
	AddressAndPortDependent                   // by remote address and port
)

// String is the RFC's word.
func (d Dependence) String() string {
	return word(uint8(d), "unknown", "none", "endpoint-independent", "address-dependent", "address-and-port-dependent")
}

// IsEndpointDependent reports whether another remote endpoint may meet something else.
func (d Dependence) IsEndpointDependent() bool {
	return d == AddressDependent || d == AddressAndPortDependent
}

// Answer is what comes back for a SYN that nobody asked for (RFC 5382, section 4.3).
type Answer uint8

// The answers.
const (
	AnswerUnknown Answer = iota
	Accepted             // it reached the node, which accepted the connection
	Dropped              // nothing; or, as RFC 5382 has it, nothing for 6 s
	Reset                // RST, as the default firewall of OpenWrt does
	ICMP                 // unreachable
)

// String is one word.
func (a Answer) String() string {
	return word(uint8(a), "unknown", "accepted", "dropped", "reset", "icmp")
}

// Allocation is how the external port of a new mapping is chosen (RFC 4787, section 4.2).
type Allocation uint8

// The allocations.
const (
	AllocationUnknown Allocation = iota
	Preserving                   // the internal port, but where that is taken
	Delta                        // the last one and Report.Delta, whoever in the network made that
	Block                        // anywhere in a block of ports, which the subscriber has for a while (RFC 6431, RFC 7422)
	Random                       // anywhere
)

// String is one word.
func (a Allocation) String() string {
	return word(uint8(a), "unknown", "preserving", "delta", "block", "random")
}

// Pooling is which of several external addresses a new mapping gets (RFC 4787, section 4.1).
type Pooling uint8

// The kinds of pooling.
const (
	PoolingUnknown Pooling = iota
	Paired                 // always the same one; or there is just one
	Arbitrary              // one or another: the next address cannot be told
)

// String is one word.
func (p Pooling) String() string { return word(uint8(p), "unknown", "paired", "arbitrary") }

// Ternary is an answer that may be missing.
type Ternary uint8

// The answers.
const (
	Untested Ternary = iota
	Yes
	No
)

// String is one word.
func (t Ternary) String() string { return word(uint8(t), "unknown", "yes", "no") }

// A Report is how the way between a node and the internet treats TCP, in one address family, as far as it was measured. The zero
// value says nothing, and whoever plans with it must provide for everything.
type Report struct {
	Mapping     Dependence
	Filtering   Dependence // with one server address the difference of the middle two cannot be seen; the closer one is told
	Unsolicited Answer

	Allocation Allocation
	Delta      int    // with Delta: the step from one new mapping to the next; may be negative
	Rate       int    // with Delta: new mappings of others a second while it was measured, rounded up
	BlockFirst uint16 // with Block: the ports that are in it, as far as that is known; zero: unknown
	BlockLast  uint16

	Last   netip.AddrPort // the newest mapping that was seen; zero: none. Delta counts from here
	LastAt time.Time      // when it was made, on this host's clock

	Pooling  Pooling
	Hairpin  Ternary       // a connection from inside to the own external endpoint arrives (RFC 5382, REQ-8)
	Lifetime time.Duration // how long a connection has stayed open without a byte; zero: not measured
	Proxied  bool          // something between node and server answers TCP in their place: no SYN of a peer can arrive
	Search   bool          // the node takes part in a search among random ports, if its peer does too
}

// Reports are those of a node, one for each address family.
type Reports struct{ IPv4, IPv6 Report }

// For is the report that tells of connections to or from addr.
func (r Reports) For(addr netip.Addr) Report {
	if addr.Unmap().Is4() {
		return r.IPv4
	}
	return r.IPv6
}

// Classic is the name of the network by the four types of RFC 3489, which people know. They mix mapping and filtering, and miss
// most of what a Report tells.
func (r Report) Classic() string {
	switch {
	case r.Proxied:
		return "Proxied"
	case r.Mapping.IsEndpointDependent():
		return "Symmetric"
	case r.Mapping == Unknown:
		return "Unknown"
	case r.Mapping == None && r.Filtering == Unknown:
		return "No NAT"
	case r.Mapping == None && r.Filtering == None:
		return "Open"
	case r.Mapping == None:
		return "Firewall"
	}
	switch r.Filtering {
	case None, EndpointIndependent:
		return "Full cone"
	case AddressDependent:
		return "Restricted cone"
	case AddressAndPortDependent:
		return "Port restricted cone"
	}
	return "Cone"
}

// word is the name of value number i of an axis.
func word(i uint8, words ...string) string {
	if int(i) < len(words) {
		return words[i]
	}
	return "invalid"
}
