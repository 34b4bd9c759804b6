package bodkin

import (
	"net/netip"
	"time"

	"github.com/bodkin-p2p/bodkin/internal/punch"
)

// yield makes room for a connection that a peer wants to open between the same two ports as a carrier that this node has with it: the
// peer would not, had it not lost that carrier. It is asked once whether it works, since a server may introduce as it likes.
func (n *Node) yield(peer NodeID, round punch.Round) {
	for _, l := range n.links.with(peer) {
		l.back.cancel()
		l.known.cancel()
		if remote, ok := l.meets(round); ok {
			within := l.provesWithin()
			n.log.Debug("peer dials although there is a session", "peer", l.name, "remote", remote, "prove_within", within)
			l.line.Prove(n.ctx, within)
		}
	}
}

// meets tells whether one of a link's carriers, in use or not, ends where a round is going to dial.
func (l *link) meets(round punch.Round) (netip.AddrPort, bool) {
	for _, c := range l.line.Carriers() {
		path := c.Label.(origin).path
		for _, remote := range round.Remotes {
			if path.Kind == Direct && path.Remote == remote.Addr {
				return remote.Addr, true
			}
		}
	}
	return netip.AddrPort{}, false
}

// How long a carrier may take to show that it works, beside two round trips, and at most. SYNs wait meanwhile.
const (
	proveFirst = 150 * time.Millisecond
	proveLast  = time.Second
)

// provesWithin is how long a link's carrier may take.
func (l *link) provesWithin() time.Duration { return min(proveLast, proveFirst+2*l.line.Stats().RTT) }
