package bodkin

import (
	"net/netip"
	"runtime/debug"

	"github.com/bodkin-p2p/bodkin/internal/candidate"
	"github.com/bodkin-p2p/bodkin/internal/gather"
)

// interfaces is this machine's interfaces now; none if the system does not tell, which costs only the local candidates.
func (n *Node) interfaces() []gather.Interface {
	all, err := n.config.system.Interfaces()
	if err != nil {
		n.log.Warn("no host candidates", "err", err)
	}
	return all
}

// rules is what this node knows when it decides which of a peer's addresses to dial.
func (n *Node) rules(observed []netip.AddrPort) candidate.Rules {
	state := n.client.State()
	var reflexive []netip.AddrPort
	if !state.Proxied {
		reflexive = append(reflexive, state.Observed)
	}
	for _, hole := range state.Holes {
		reflexive = append(reflexive, hole.Seen)
	}
	return candidate.Rules{
		Port:      n.port.Number(),
		Links:     gather.Links(n.interfaces()),
		Reflexive: reflexive,
		Observed:  observed,
		Server:    state.Remote.Addr(),
	}
}

// software names this program to the server's operator.
func software() string {
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" {
		return "bodkin"
	}
	return "bodkin " + info.Main.Version
}
