package bodkin

import (
	"net/netip"
	"time"

	"github.com/bodkin-p2p/bodkin/internal/rendezvous"
)

// Status is how a node stands towards its server and its NAT.
type Status struct {
	Connected bool           // to the server. Sessions do not need it
	Server    string         // as the invite names it
	Reflexive netip.AddrPort // where the server sees this node; the last known one while not connected
	Mapping   string         // of the address family of Reflexive: IPv4.Mapping or IPv6.Mapping
	PortReuse bool           // several sockets share the node's port; false means no punch can succeed
	RTT       time.Duration  // to the server, by the last ping; zero: none yet

	PortMapping PortMapping

	Measured   bool     // all that follows is complete, but for lifetimes
	IPv4, IPv6 Behavior // how the networks in front of this node treat TCP
}

// Status returns how the node stands now.
func (n *Node) Status() Status {
	state := n.client.State()
	status := Status{
		Connected: state.Connected,
		Server:    state.Server,
		Reflexive: state.Observed,
		Mapping:   state.Behavior.For(state.Observed.Addr()).Mapping.String(),
		PortReuse: n.portReuse == rendezvous.PortReuseWorks,
		RTT:       state.RTT,

		PortMapping: n.portMapping(state),
		Measured:    state.Measured,
		IPv4:        behaviorOf(state.Behavior.IPv4),
		IPv6:        behaviorOf(state.Behavior.IPv6),
	}
	return status
}
