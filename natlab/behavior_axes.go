package natlab

import "fmt"

// Dependence is how much of the remote endpoint a mapping or a filter looks at (RFC 4787,
// sections 4.1 and 5; RFC 5382, sections 4.1 and 4.3).
type Dependence uint8

const (
	// EndpointIndependent mapping: an internal endpoint has one external endpoint for everyone
	// ("cone"). EndpointIndependent filtering: anyone may send to it ("full cone").
	EndpointIndependent Dependence = iota
	// AddressDependent mapping: one external endpoint for each remote address. AddressDependent
	// filtering: only addresses that were sent to may answer, from any port ("restricted cone").
	AddressDependent
	// AddressAndPortDependent mapping: one external endpoint for each remote endpoint
	// ("symmetric"). AddressAndPortDependent filtering: only endpoints that were sent to may
	// answer ("port restricted cone").
	AddressAndPortDependent
)

// String is the RFC's word.
func (d Dependence) String() string {
	return word(uint8(d), "endpoint-independent", "address-dependent", "address-and-port-dependent")
}

// Allocation is how the external port of a new mapping is chosen (RFC 4787, section 4.2).
type Allocation uint8

const (
	// PortPreserving keeps the internal port where it is free, otherwise takes a random one of the
	// same class: 1-511, 600-1023 or 1024-65535, as Linux does.
	PortPreserving Allocation = iota
	// PortSequential takes the last port plus Behavior.PortDelta.
	PortSequential
	// PortRandom takes any free port above 1023 (RFC 6056).
	PortRandom
	// PortBlock gives each internal address a block of ports (RFC 6431, RFC 7422), as many
	// carrier-grade NATs do to keep their logs short.
	PortBlock
	// PortUntranslated changes neither address nor port: a stateful firewall, as IPv6 has it
	// (RFC 6092). Mapping, pooling and hairpinning then mean nothing.
	PortUntranslated
)

// String names the allocation: preserving, sequential, random, block or untranslated.
func (a Allocation) String() string {
	return word(uint8(a), "preserving", "sequential", "random", "block", "untranslated")
}

// Pooling is which of several external addresses a new mapping gets (RFC 4787, section 4.1).
type Pooling uint8

const (
	// PoolingPaired keeps an internal address on one external address as long as it has mappings
	// (RFC 4787, REQ-2). Hosts are spread over the addresses in turn.
	PoolingPaired Pooling = iota
	// PoolingArbitrary takes any external address for each mapping.
	PoolingArbitrary
)

// String names the pooling: paired or arbitrary.
func (p Pooling) String() string { return word(uint8(p), "paired", "arbitrary") }

// Unsolicited is the answer to a packet from outside that the filter keeps out.
type Unsolicited uint8

const (
	// UnsolicitedDrop answers nothing.
	UnsolicitedDrop Unsolicited = iota
	// UnsolicitedReset answers TCP with a reset, UDP with ICMP port unreachable, as the default
	// firewall of OpenWrt does (REJECT).
	UnsolicitedReset
	// UnsolicitedUnreachable answers TCP and UDP with ICMP port unreachable at once.
	UnsolicitedUnreachable
	// UnsolicitedHold answers a SYN with ICMP port unreachable 6 s later, unless a SYN to the same
	// remote endpoint goes out before that (RFC 5382, REQ-4). Everything else is dropped.
	UnsolicitedHold
)

// String names the answer: drop, reset, unreachable or hold.
func (u Unsolicited) String() string {
	return word(uint8(u), "drop", "reset", "unreachable", "hold")
}

// Hairpinning is what becomes of a packet from inside to an external address of the same NAT
// (RFC 4787, section 6; RFC 5382, REQ-8).
type Hairpinning uint8

const (
	// HairpinNone drops it.
	HairpinNone Hairpinning = iota
	// HairpinReset answers TCP with a reset, UDP with ICMP port unreachable: on a Linux router with
	// plain masquerading such a packet arrives at the router itself, where nobody listens.
	HairpinReset
	// HairpinExternal delivers it with the sender's external endpoint as its source, as the RFCs
	// demand.
	HairpinExternal
	// HairpinInternal delivers it with the sender's internal endpoint as its source, which the
	// receiver has not sent to, so that most connections fail.
	HairpinInternal
)

// String names the hairpinning: none, reset, external source or internal source.
func (h Hairpinning) String() string {
	return word(uint8(h), "none", "reset", "external source", "internal source")
}

// Checking is how closely TCP segments of a known connection are looked at. Segments that fail are
// treated as unsolicited if they come from outside, and are dropped if they come from inside.
type Checking uint8

const (
	// CheckNothing passes every segment; they only drive the timeouts.
	CheckNothing Checking = iota
	// CheckStates refuses segments that cannot occur in the state of the connection, such as a SYN
	// from outside after a reset. Linux does with nf_conntrack_tcp_be_liberal=1.
	CheckStates
	// CheckWindows refuses segments outside the TCP windows, too, as Linux does by default. A hole
	// is then bound to the initial sequence number of the SYN that opened it: a listener that
	// answers with another one is not heard.
	CheckWindows
)

// String names what is checked: nothing, states or windows.
func (c Checking) String() string { return word(uint8(c), "nothing", "states", "windows") }

// ResetEffect is what a TCP reset does to the entry of its connection.
type ResetEffect uint8

const (
	// ResetCloses leaves the entry for Timeouts.Closed. RFC 7857, section 2.2, asks for 4 minutes,
	// so that a forged reset does no harm.
	ResetCloses ResetEffect = iota
	// ResetRemovesUnanswered removes an entry at once if the reset is its only answer, otherwise
	// leaves it for Timeouts.Closed, as Linux does.
	ResetRemovesUnanswered
	// ResetRemoves removes the entry at once.
	ResetRemoves
	// ResetIgnored passes the reset on and keeps the entry as it is.
	ResetIgnored
)

// String names the effect: closes, removes unanswered, removes or ignored.
func (r ResetEffect) String() string {
	return word(uint8(r), "closes", "removes unanswered", "removes", "ignored")
}

// word is the name of value number i of an enumeration.
func word(i uint8, words ...string) string {
	if int(i) < len(words) {
		return words[i]
	}
	return fmt.Sprintf("invalid (%d)", i)
}
