package bodkin

import (
	"context"
	"errors"
	"time"

	"github.com/bodkin-p2p/bodkin/internal/candidate"
	"github.com/bodkin-p2p/bodkin/internal/gather"
)

const (
	// localHeadStart is what a dial on the link has before the server is asked. A link answers within milliseconds.
	localHeadStart = 300 * time.Millisecond
	// localTimeout is what it has where the server is away, with room for a lost packet (1 s).
	localTimeout = 3 * time.Second
)

var errNotNear = errors.New("bodkin: not heard on the link")

// near connects to a node that was heard on the link, or is within a moment, without the server.
func (n *Node) near(ctx context.Context, who target) (*link, error) {
	if !n.listensLocally() {
		return nil, errNotNear
	}
	connected, timeout := n.client.State().Connected, localHeadStart
	who, err := n.known(who)
	if err != nil {
		return nil, err
	}
	id, peer, ok := n.locals.find(who)
	if !connected && !ok {
		id, peer, ok = n.listenFor(ctx, who)
	}
	if !connected {
		timeout = localTimeout
	}
	if !ok || who.id.IsZero() && !n.roster.agrees(id, peer.name, connected) {
		return nil, errNotNear
	}
	return n.dialNear(ctx, id, peer, timeout)
}

// listenFor asks the link for a node, until a scan has ended that began after this.
func (n *Node) listenFor(ctx context.Context, who target) (id NodeID, peer profile, ok bool) {
	for scans := 0; scans < 2; { // the first to end may have begun before
		heard, scanned := n.locals.events()
		if id, peer, ok = n.locals.find(who); ok {
			return id, peer, true
		}
		nudge(n.locals.ask)
		select {
		case <-heard:
		case <-scanned:
			scans++
		case <-ctx.Done():
			return NodeID{}, profile{}, false
		}
	}
	return n.locals.find(who)
}

// dialNear dials a peer on the link. It knows by the attempt's id that a member of the room wants it.
func (n *Node) dialNear(ctx context.Context, id NodeID, peer profile, timeout time.Duration) (*link, error) {
	rules := candidate.Rules{Port: n.port.Number(), Links: gather.Links(n.interfaces())} // so private addresses on a link, and no others
	remotes, _ := rules.Select(peer.candidates)
	if len(remotes) == 0 {
		return nil, errNotNear
	}
	return n.dialUnasked(ctx, id, peer, remotes, timeout)
}
