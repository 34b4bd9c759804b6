package candidate

import (
	"fmt"
	"net/netip"
	"slices"
)

// MaxRound is the largest number of candidates dialled in one round of a punch. It
// bounds what a peer can make a node send.
const MaxRound = 6

// firstPort is the lowest port that is dialled: below are the system's services,
// which no node listens on.
const firstPort = 1024

// Rules are what a node knows when it decides which candidates of a peer to dial.
// With the zero value it dials none.
type Rules struct {
	// Port is this node's own port: its own addresses are not dialled there.
	Port uint16

	// Links are the prefixes of this node's interfaces, each with the node's own
	// address: 192.168.1.5/24.
	Links []netip.Prefix

	// Reflexive is where the rendezvous server saw this node come from.
	Reflexive []netip.AddrPort

	// Observed is where the rendezvous server saw the peer come from. It has to come
	// from the server itself.
	Observed []netip.AddrPort

	// Server is the address at which this node reaches the rendezvous server. A
	// server in a private network, or on this machine, may have seen the peer there
	// too. The zero value means a public one.
	Server netip.Addr
}

// A Refusal is a candidate that is not dialled.
type Refusal struct {
	Candidate Candidate
	Reason    string // for people: "private address of another network"
}

// String returns candidate and reason.
func (r Refusal) String() string { return r.Candidate.String() + ": " + r.Reason }

// Select returns which of a peer's candidates to dial, best first and at most
// [MaxRound], and why not the others, in their order.
//
//   - A public address is dialled if the server observed the peer at that address (on
//     whatever port). That holds for IPv6 too: a neighbour in the same /64 may be
//     anybody.
//   - A private one (RFC 1918, RFC 6598, ULA) is dialled if both nodes share the
//     address at which the server sees them, if it lies on a link of this node, or if
//     this node reaches the server in a private network and the server observed the
//     peer there.
//   - Loopback only counts when the server is on this machine, and saw the peer there.
//   - Never dialled: unspecified, link-local, multicast, broadcast and reserved
//     addresses, metadata services of clouds, ports below 1024, this node itself.
//
// An IPv4 address in IPv6 form is judged as what it is. Of candidates with the same
// address and port one remains, of the best type. If more than MaxRound may be
// dialled, each type of each family keeps its best before any gets a second.
func (r Rules) Select(peer []Candidate) (dial []Candidate, refused []Refusal) {
	for _, c := range peer {
		c = c.unmapped()
		if reason := r.refuse(c); reason != "" {
			refused = append(refused, Refusal{c, reason})
		} else {
			dial = append(dial, c)
		}
	}
	slices.SortFunc(dial, compare)
	dial = distinct(dial)
	if len(dial) <= MaxRound {
		return dial, refused
	}
	dial, rest := fairly(dial)
	for _, c := range rest {
		refused = append(refused, Refusal{c, fmt.Sprintf("more than %d candidates", MaxRound)})
	}
	return dial, refused
}

// refuse returns why c is not dialled, or "".
func (r Rules) refuse(c Candidate) string {
	addr := c.Addr.Addr()
	switch {
	case c.Type == Relayed:
		return "a relay is not dialled as a peer"
	case c.Type.preference() == 0:
		return "unknown type"
	case c.Addr.Port() < firstPort:
		return fmt.Sprintf("port below %d", firstPort)
	case r.isSelf(c.Addr):
		return "this node itself"
	case addr.IsLoopback() && r.Server.Unmap().IsLoopback() && r.observed(addr):
		return ""
	case forbidden(addr) != "":
		return forbidden(addr)
	case slices.ContainsFunc(r.Links, func(l netip.Prefix) bool { return isEdgeOf(l, addr) }):
		return "the broadcast address of a link"
	case isPrivate(addr):
		return r.refusePrivate(c)
	case !r.observed(addr):
		return "a public address at which the server did not see the peer"
	}
	return ""
}

func (r Rules) refusePrivate(c Candidate) string {
	addr := c.Addr.Addr()
	if c.Type != Host && !isPrivate(r.Server.Unmap()) && !r.sharesReflexive() {
		return "a private address that only the server names" // it could have us try every machine of our own network
	}
	onLink := slices.ContainsFunc(r.Links, func(l netip.Prefix) bool { return l.Contains(addr) })
	serverInside := isPrivate(r.Server.Unmap()) && r.observed(addr)
	if onLink || serverInside || r.sharesReflexive() {
		return ""
	}
	return "a private address of another network"
}

// isSelf reports whether remote is an endpoint of this node.
func (r Rules) isSelf(remote netip.AddrPort) bool {
	own := func(l netip.Prefix) bool { return l.Addr() == remote.Addr() }
	seen := func(a netip.AddrPort) bool { return a.Addr().Unmap() == remote.Addr() && a.Port() == remote.Port() }
	return slices.ContainsFunc(r.Reflexive, seen) ||
		remote.Port() == r.Port && (remote.Addr().IsLoopback() || slices.ContainsFunc(r.Links, own))
}

// observed reports whether the server saw the peer at addr.
func (r Rules) observed(addr netip.Addr) bool {
	return slices.ContainsFunc(r.Observed, func(o netip.AddrPort) bool { return o.Addr().Unmap() == addr })
}

// sharesReflexive reports whether the server sees both nodes at one address: they are
// behind the same NAT.
func (r Rules) sharesReflexive() bool {
	return slices.ContainsFunc(r.Reflexive, func(a netip.AddrPort) bool { return r.observed(a.Addr().Unmap()) })
}

// distinct keeps the first candidate of every address and port. Sorted by priority,
// that is the one of the best type.
func distinct(sorted []Candidate) []Candidate {
	var kept []Candidate
	for _, c := range sorted {
		if !slices.ContainsFunc(kept, func(k Candidate) bool { return k.Addr == c.Addr }) {
			kept = append(kept, c)
		}
	}
	return kept
}

// fairly splits candidates into MaxRound to dial and the rest. A peer with many
// interfaces must not crowd out the one address that works from outside, so the
// candidates are taken in turns: the best of each type and family, then the second.
func fairly(sorted []Candidate) (dial, rest []Candidate) {
	type kind struct {
		t   Type
		is4 bool
	}
	turn := map[kind]int{} // how many of the kind came before
	type ranked struct {
		Candidate
		turn int
	}
	var order []ranked
	for _, c := range sorted {
		k := kind{c.Type, c.Addr.Addr().Is4()}
		order = append(order, ranked{c, turn[k]})
		turn[k]++
	}
	slices.SortStableFunc(order, func(a, b ranked) int { return a.turn - b.turn })
	for i, c := range order {
		if i < MaxRound {
			dial = append(dial, c.Candidate)
		} else {
			rest = append(rest, c.Candidate)
		}
	}
	slices.SortFunc(dial, compare)
	return dial, rest
}
