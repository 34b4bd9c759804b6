package bodkin

import (
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"time"

	"github.com/bodkin-p2p/bodkin/internal/candidate"
	"github.com/bodkin-p2p/bodkin/internal/portmap"
	"github.com/bodkin-p2p/bodkin/internal/rendezvous"
)

// PortMapping is how a node stands with the gateway of its network, which it asks to forward its port. A node with a
// mapping that is proven can be dialled by any other, whatever NAT that one is behind.
type PortMapping struct {
	Gateway  netip.Addr     // zero: not known
	Protocol string         // "PCP", "NAT-PMP" or "UPnP"; empty without a mapping
	External netip.AddrPort // where the gateway forwards from, as it says itself; zero without a mapping
	Lifetime time.Duration  // of the mapping, before which it is renewed; zero: without an end, or no mapping
	Proven   bool           // the server has reached the node there, and peers are told
	Problem  string         // for people: why there is no mapping, or why it is of no use; empty while that is being found out
}

// mapping is what is known of the port mapping of a node.
type mapping struct {
	wake chan struct{} // holds one; the gateway is looked at again

	mu    sync.Mutex
	state portmap.State
	seen  netip.AddrPort // where the server saw the node when it was last asked to look
}

// mapPort keeps the node's port mapped until the node ends.
func (n *Node) mapPort() {
	portmap.Run(n.ctx, portmap.Config{
		Port:    n.port.Number(),
		Within:  n.config.Within,
		Changed: n.portMapped,
		Wake:    n.mapping.wake,
		Log:     n.log,
	})
}

// portMapped hears from the gateway.
func (n *Node) portMapped(state portmap.State) {
	n.mapping.mu.Lock()
	n.mapping.state = state
	n.mapping.mu.Unlock()
	if n.hostsChanged() {
		n.client.Update()
	}
	n.offerMapping(n.client.State())
}

// innerMapping is the endpoint at which a gateway forwards that is behind another NAT: its address is private. Others behind the
// same outer NAT can reach it, even where that one does not hairpin, so it is told to the room as a host candidate: by candidate.Rules
// nobody dials it who is elsewhere.
func (n *Node) innerMapping() (candidate.Candidate, bool) {
	n.mapping.mu.Lock()
	defer n.mapping.mu.Unlock()
	m := n.mapping.state.Mapping
	if m == nil || !candidate.Private(m.External.Addr()) || !candidate.Dialable(m.External.Addr()) {
		return candidate.Candidate{}, false
	}
	return candidate.Candidate{Type: candidate.Host, Addr: m.External}, true
}

// mappingSeen hears from the server. A node that is seen somewhere else may be in another network.
func (n *Node) mappingSeen(state rendezvous.State) {
	n.mapping.mu.Lock()
	moved := n.mapping.seen.IsValid() && n.mapping.seen != state.Observed
	n.mapping.seen = state.Observed
	n.mapping.mu.Unlock()
	if moved {
		n.wakeMapping()
	}
	n.offerMapping(state)
	if state.Proof == rendezvous.Proven {
		n.log.Info("mapped port proven", "external", state.Mapped)
	}
}

// wakeMapping has the gateway asked anew.
func (n *Node) wakeMapping() {
	nudge(n.mapping.wake)
}

// offerMapping has the server prove the mapping, if it can be of use.
func (n *Node) offerMapping(server rendezvous.State) {
	n.mapping.mu.Lock()
	state := n.mapping.state
	n.mapping.mu.Unlock()
	offer, problem := judgeMapping(state, server)
	n.client.SetMapped(offer)
	if problem != "" {
		n.log.Debug("port mapping not offered", "why", problem)
	}
}

// judgeMapping decides at which endpoint, if at any, the gateway's mapping makes the node reachable, and says why at none.
func judgeMapping(state portmap.State, server rendezvous.State) (offer netip.AddrPort, problem string) {
	if state.Mapping == nil {
		return netip.AddrPort{}, mappingProblem(state.Err)
	}
	external := state.Mapping.External
	seen := []netip.Addr{server.Observed.Addr()}
	for _, hole := range server.Holes {
		seen = append(seen, hole.Seen.Addr())
	}
	if !external.Addr().IsValid() || external.Addr().IsUnspecified() {
		if server.Observed.IsValid() { // the proof will tell
			return netip.AddrPortFrom(server.Observed.Addr(), external.Port()), ""
		}
		return netip.AddrPort{}, ""
	}
	for _, addr := range seen {
		if addr == external.Addr() {
			return external, ""
		}
	}
	switch {
	case !server.Observed.IsValid():
		return netip.AddrPort{}, ""
	case candidate.Private(external.Addr()):
		return netip.AddrPort{}, fmt.Sprintf("the gateway's own address, %v, is private: another NAT, the provider's perhaps, is in front of it; only peers behind the same one are told", external.Addr())
	}
	return netip.AddrPort{}, fmt.Sprintf("the gateway says %v, but the server sees this node at %v: another NAT or a tunnel is between them",
		external.Addr(), server.Observed.Addr())
}

// mappingProblem tells people why there is no mapping.
func mappingProblem(err error) string {
	refused := (*portmap.RefusedError)(nil)
	switch {
	case err == nil:
		return ""
	case errors.As(err, &refused):
		return fmt.Sprintf("the gateway refuses by %v: %s", refused.Protocol, refused.Text)
	case errors.Is(err, portmap.ErrNoGateway):
		return "no gateway is known"
	case errors.Is(err, portmap.ErrNotOffered):
		return "the gateway offers none of PCP, NAT-PMP and UPnP"
	}
	return err.Error()
}

// switchedOff is the problem of a node that leaves its gateway alone.
const switchedOff = "switched off"

// portMapping is the part of Status that tells of the mapping.
func (n *Node) portMapping(server rendezvous.State) PortMapping {
	if n.config.NoPortMapping {
		return PortMapping{Problem: switchedOff}
	}
	n.mapping.mu.Lock()
	state := n.mapping.state
	n.mapping.mu.Unlock()
	p := PortMapping{Gateway: state.Gateway}
	if m := state.Mapping; m != nil {
		p.Protocol, p.External, p.Lifetime = m.Protocol.String(), m.External, m.Lifetime
	}
	_, p.Problem = judgeMapping(state, server)
	switch {
	case state.Mapping == nil || p.Problem != "":
	case server.Proof == rendezvous.Proven:
		p.Proven = true
	case server.Proof == rendezvous.Unproven:
		p.Problem = "the server could not reach this node there: something in between stops it"
	case server.Proof == rendezvous.ProofElsewhere:
		p.Problem = "the server does not see this node at that address"
	}
	return p
}
