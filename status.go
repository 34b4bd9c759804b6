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
	Mapping   string         // "endpoint-independent", "endpoint-dependent" or "unknown" (RFC 4787, section 4.1), for TCP
	PortReuse bool           // several sockets share the node's port; false means no punch can succeed
	RTT       time.Duration  // to the server, by the last ping; zero: none yet

	PortMapping PortMapping
}

// Status returns how the node stands now.
func (n *Node) Status() Status {
	state := n.client.State()
	status := Status{
		Connected: state.Connected,
		Server:    state.Server,
		Reflexive: state.Observed,
		Mapping:   "unknown",
		PortReuse: n.portReuse == rendezvous.PortReuseWorks,
		RTT:       state.RTT,

		PortMapping: n.portMapping(state),
	}
	switch state.Mapping {
	case rendezvous.MappingEndpointIndependent:
		status.Mapping = "endpoint-independent"
	case rendezvous.MappingEndpointDependent:
		status.Mapping = "endpoint-dependent"
	}
	return status
}
