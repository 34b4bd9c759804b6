// Package candidate knows addresses at which a node may be reached: their types,
// their order, and which of them another node may dial. It is pure: it opens no
// socket and reads no clock.
//
// Whoever names an address for others to dial can make them send SYNs to it, so what
// is dialled is decided by the node that dials ([Rules.Select]), from what it knows
// itself and what the rendezvous server observed, never from what the peer claims.
package candidate

import (
	"cmp"
	"fmt"
	"net/netip"
)

// Type says how a node came to an address, in the words of RFC 8445, section 4.
// The zero value is no type.
type Type uint8

const (
	Host            Type = iota + 1 // an address of an interface of the node
	Mapped                          // a port that a gateway was asked to forward (PCP, NAT-PMP, UPnP)
	ServerReflexive                 // where the rendezvous server saw the node come from
	Relayed                         // an address of a relay
)

// String returns the name as it stands in logs and reports.
func (t Type) String() string {
	switch t {
	case Host:
		return "host"
	case Mapped:
		return "mapped"
	case ServerReflexive:
		return "server-reflexive"
	case Relayed:
		return "relayed"
	}
	return fmt.Sprintf("type %d", uint8(t))
}

// preference is the type preference of RFC 8445, section 5.1.2.2. A mapped port lies
// between a host and a reflexive address: it costs a translation but needs no punch.
func (t Type) preference() uint32 {
	switch t {
	case Host:
		return 126
	case Mapped:
		return 105
	case ServerReflexive:
		return 100
	}
	return 0
}

// A Candidate is an address and port at which a node may be reached.
type Candidate struct {
	Type Type
	Addr netip.AddrPort
}

// String returns the candidate as "host 192.168.1.5:4001".
func (c Candidate) String() string { return c.Type.String() + " " + c.Addr.String() }

// Priority returns the priority of RFC 8445, section 5.1.2.1, of component 1: higher
// is better. Between two of a type IPv6 is better (RFC 8421).
func (c Candidate) Priority() uint32 {
	local := uint32(65534)
	if addr := c.Addr.Addr(); addr.Is6() && !addr.Is4In6() {
		local = 65535
	}
	const component = 1
	return c.Type.preference()<<24 | local<<8 | (256 - component)
}

// compare orders candidates best first. Equal priorities go by address, so that the
// order does not depend on that of the input.
func compare(a, b Candidate) int {
	return cmp.Or(cmp.Compare(b.Priority(), a.Priority()), a.Addr.Compare(b.Addr))
}

// unmapped returns c with an IPv4 address in its own form instead of IPv6's
// (::ffff:192.0.2.1), which would slip through rules about IPv4.
func (c Candidate) unmapped() Candidate {
	return Candidate{c.Type, netip.AddrPortFrom(c.Addr.Addr().Unmap(), c.Addr.Port())}
}
