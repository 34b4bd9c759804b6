package bodkin

import "net/netip"

// PathKind says how the bytes of a session travel.
type PathKind uint8

const (
	// Direct is one TCP connection between the two nodes, with nobody but NATs and routers between.
	Direct PathKind = iota + 1
	// Relayed is two TCP connections that meet at a relay, which sees no content.
	Relayed
)

// String is "direct" or "relayed".
func (k PathKind) String() string {
	switch k {
	case Direct:
		return "direct"
	case Relayed:
		return "relayed"
	}
	return "none"
}

// Path is the way from this node to a peer.
type Path struct {
	Kind      PathKind
	Local     netip.AddrPort // this node's end, as this node sees it
	Remote    netip.AddrPort // the other end, as this node sees it: the peer's reflexive address where a NAT is between; the relay's, or that of the proxy on the way there, if relayed
	Candidate string         // the kind of address the peer was found at: "host", "mapped", "server-reflexive", "relayed"; "peer-reflexive" if it came by itself

	// Why tells for what the relay is used although there is, or was, a direct path: "direct path loses 6 %". Empty otherwise.
	Why string
}
