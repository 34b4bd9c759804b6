package bodkin

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/bodkin-p2p/bodkin/internal/candidate"
	"github.com/bodkin-p2p/bodkin/internal/gather"
	"github.com/bodkin-p2p/bodkin/internal/natbehavior"
	"github.com/bodkin-p2p/bodkin/internal/rendezvous"
	"github.com/bodkin-p2p/bodkin/internal/rounds"
	"github.com/bodkin-p2p/bodkin/internal/wire"
	"google.golang.org/protobuf/proto"
)

// half is what this node tells a peer of the port that it leaves from.
func (n *Node) half(port uint16, outside []netip.AddrPort) *wire.Half {
	state, now := n.client.State(), time.Now()
	h := &wire.Half{
		Mapped:    port == n.port.Number() && state.Proof == rendezvous.Proven,
		Behavior:  rendezvous.BehaviorMessage(state.Behavior.IPv4, now),
		Behavior6: rendezvous.BehaviorMessage(state.Behavior.IPv6, now),
	}
	hosts := gather.Hosts(n.interfaces(), port)
	for _, c := range hosts[:min(len(hosts), wire.MaxCandidates)] {
		h.Candidates = append(h.Candidates, &wire.Candidate{Type: wireTypes[c.Type], Endpoint: wire.NewEndpoint(c.Addr)})
	}
	for _, o := range outside[:min(len(outside), wire.MaxObserved)] {
		h.Outside = append(h.Outside, wire.NewEndpoint(o))
	}
	return h
}

// outside is where this node's port is seen from outside: on its connections to the server, and by the gateway's word that was proven.
func (n *Node) outside() []netip.AddrPort {
	state := n.client.State()
	if state.Proxied {
		return nil
	}
	all := []netip.AddrPort{state.Observed}
	for _, hole := range state.Holes {
		all = append(all, hole.Seen)
	}
	if state.Proof == rendezvous.Proven {
		all = append(all, state.Mapped)
	}
	var valid []netip.AddrPort
	for _, a := range all {
		if a.IsValid() && !slices.Contains(valid, a) {
			valid = append(valid, a)
		}
	}
	return valid
}

// heard takes in what a peer tells of its networks, and returns where it may be dialled.
func (n *Node) heard(seen *sightings, h *wire.Half) []candidate.Candidate {
	now := time.Now()
	seen.told(natbehavior.Reports{
		IPv4: rendezvous.BehaviorReport(h.GetBehavior(), now), IPv6: rendezvous.BehaviorReport(h.GetBehavior6(), now),
	}, h.GetMapped())
	return n.allowed(seen, h)
}

// allowed is which addresses of a half this node dials: public ones only where the peer itself was seen, whatever port it names there.
func (n *Node) allowed(seen *sightings, h *wire.Half) []candidate.Candidate {
	var hosts []candidate.Candidate
	for _, c := range h.GetCandidates() {
		hosts = append(hosts, candidate.Candidate{Type: candidate.Host, Addr: c.Endpoint.AddrPort()})
	}
	dial, refused := n.rules(seen.places()).Select(gather.WithServer(hosts, wire.AddrPorts(h.GetOutside()), nil))
	for _, r := range refused {
		n.log.Debug("candidate not dialled", "addr", r.Candidate.Addr, "why", r.Reason)
	}
	return dial
}

// sides are the two ends of a further connection to a peer, in the address family that its session runs in.
func (n *Node) sides(l *link) (own, peer rounds.Side) {
	state := n.client.State()
	addr := state.Observed.Addr()
	if path := l.path(); path.Kind == Direct {
		addr = path.Remote.Addr()
	}
	behaves, mapped := l.control.seen.networks()
	return rounds.Side{Report: state.Behavior.For(addr), Mapped: state.Proof == rendezvous.Proven},
		rounds.Side{Report: behaves.For(addr), Mapped: mapped}
}

// freshPort takes a new port for an attempt, and tells where that is mapped: as the server sees it if it is to be shown and the server is
// there, or else where it is if the network keeps port numbers.
func (n *Node) freshPort(ctx context.Context, show bool) (*spare, []netip.AddrPort, error) {
	s, err := n.newSpare(ctx)
	if err != nil {
		return nil, nil, err
	}
	if show {
		hole, seen, err := n.client.Observe(ctx, s.port.Dial)
		if err == nil {
			s.hold(hole)
			return s, []netip.AddrPort{seen}, nil
		}
		n.log.Debug("the server does not show the mapping of a new port", "err", err)
	}
	var outside []netip.AddrPort
	for _, o := range n.outside() {
		if at := netip.AddrPortFrom(o.Addr(), s.port.Number()); !slices.Contains(outside, at) {
			outside = append(outside, at)
		}
	}
	return s, outside, nil
}

// leaving is the port that a side of an attempt leaves from: the node's own, or a new one that is kept with the attempt.
func (n *Node) leaving(ctx context.Context, a *attempt, fresh, show bool) (localPort, []netip.AddrPort, error) {
	if !fresh {
		return n.port, n.outside(), nil
	}
	s, outside, err := n.freshPort(ctx, show)
	if err != nil {
		return nil, nil, err
	}
	a.keep(s)
	return s.port, outside, nil
}

// sealHalf is what this node tells a peer that it reaches by another.
func (n *Node) sealHalf(id wire.AttemptID) ([]byte, error) {
	plain, err := proto.Marshal(&wire.Further{Attempt: id[:], Half: n.half(n.port.Number(), n.outside())})
	if err != nil {
		return nil, err
	}
	return n.config.Invite.Room.Seal(n.id, plain), nil
}

// openHalf reads what a peer tells by another.
func (n *Node) openHalf(peer NodeID, sealed []byte) (*wire.Further, error) {
	plain, err := n.config.Invite.Room.Open(peer, sealed)
	if err != nil {
		return nil, err
	}
	var f wire.Further
	if err := proto.Unmarshal(plain, &f); err != nil {
		return nil, fmt.Errorf("%w: %v", wire.ErrMalformed, err)
	}
	return &f, wire.Validate(&f)
}
