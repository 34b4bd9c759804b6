package bodkin

import (
	"context"
	"net"
	"net/netip"

	"github.com/bodkin-p2p/bodkin/internal/reuseport"
	"github.com/bodkin-p2p/bodkin/internal/wire"
)

// Another makes one more connection for the session with a peer, without a server.
func (n *Node) Another(ctx context.Context, peer string, beside bool) error {
	l, _, err := n.link(ctx, target{name: peer})
	if err != nil {
		return err
	}
	return n.another(ctx, l, beside)
}

// Ask puts a question to a peer.
func (n *Node) Ask(ctx context.Context, peer string, ask *wire.Ask) (*wire.Reply, error) {
	l, _, err := n.link(ctx, target{name: peer})
	if err != nil {
		return nil, err
	}
	return n.ask(ctx, l, ask)
}

// OpenControl opens a control stream to a peer.
func (n *Node) OpenControl(ctx context.Context, peer string) (net.Conn, error) {
	l, _, err := n.link(ctx, target{name: peer})
	if err != nil {
		return nil, err
	}
	return l.session.Open(ctx, wire.ControlService)
}

// RunningAttempts is how many attempts are under way.
func (n *Node) RunningAttempts() int {
	n.attempts.mu.Lock()
	defer n.attempts.mu.Unlock()
	return n.attempts.running
}

// Sighted is where a peer was seen.
func (n *Node) Sighted(peer string) []netip.AddrPort {
	return n.links.to(target{name: peer}).control.seen.places()
}

// Carriers is how many connections the session with a peer has, those that are being put down as well.
func (n *Node) Carriers(peer string) int { return len(n.links.to(target{name: peer}).line.Carriers()) }

// ResetCarriers resets the connections under the session with a peer.
func (n *Node) ResetCarriers(peer string) {
	for _, c := range n.links.to(target{name: peer}).line.Carriers() {
		reuseport.Abort(c.Label.(origin).socket)
	}
}
