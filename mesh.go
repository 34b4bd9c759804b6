package bodkin

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"
)

// Waits between tries to link with a peer that is there but cannot be linked with, or whose link broke.
const (
	meshFirstWait = time.Second
	meshLastWait  = 5 * time.Minute // a failed pair of networks seldom gets better by itself
	// meshLasting is how long a session must have been for the next one to be made without delay.
	meshLasting = time.Minute
)

// mesh links this node with every other of the room, and again when a link breaks, for as long as the node runs. Of the
// article: "S tells everyone of a new login, and each client connects to the newcomer by itself".
func (n *Node) mesh() {
	keepers := map[NodeID]context.CancelFunc{}
	for n.ctx.Err() == nil && n.Err() == nil {
		n.meshOnce(keepers)
	}
	for _, stop := range keepers {
		stop()
	}
}

// meshOnce follows the room until it cannot: the node ends, or so much happened at once that some of it was missed. A new
// beginning then tells of everyone again.
func (n *Node) meshOnce(keepers map[NodeID]context.CancelFunc) {
	for event, err := range n.Watch(n.ctx) {
		if err != nil {
			n.log.Debug("mesh begins anew", "err", err)
			return
		}
		switch event.Kind {
		case Joined:
			if stop := keepers[event.Peer.ID]; stop != nil {
				stop() // it came anew: begin again without waiting
			}
			ctx, stop := context.WithCancel(n.ctx)
			keepers[event.Peer.ID] = stop
			n.tasks.Go(func() { n.keepLinked(ctx, event.Peer) })
		case Left:
			if stop := keepers[event.Peer.ID]; stop != nil {
				stop()
				delete(keepers, event.Peer.ID)
			}
		}
	}
}

// keepLinked makes a session with a peer, and a new one whenever it ends, until ctx ends. Ending it leaves the session.
func (n *Node) keepLinked(ctx context.Context, peer Peer) {
	wait := meshFirstWait
	for ctx.Err() == nil {
		l, _, err := n.link(ctx, target{id: peer.ID})
		if err == nil {
			began := time.Now()
			select {
			case <-l.session.Done():
			case <-ctx.Done():
				return
			}
			if time.Since(began) > meshLasting { // and was not a peer that turns this node away
				wait = meshFirstWait
			}
		} else if !errors.Is(err, context.Canceled) {
			n.log.Info("no link", "peer", peer.Name, "err", err, "again_in", wait)
		}
		select {
		case <-time.After(wait/2 + rand.N(wait)): // apart from the peer, who may be trying too
		case <-ctx.Done():
			return
		}
		wait = min(2*wait, meshLastWait)
	}
}
