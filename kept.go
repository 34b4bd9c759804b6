package bodkin

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/bodkin-p2p/bodkin/internal/rendezvous"
	"github.com/bodkin-p2p/bodkin/internal/wire"
)

// A keptRelay is a way to the relay that both nodes of an introduction got with it. When the path of their session is late at both ends, they meet there
// with nobody's word: what makes it late has often ended their connections to the server, too.
type keptRelay struct {
	attempt wire.AttemptID
	token   []byte
	used    atomic.Bool
}

// keep has a link use a way to the relay, in the place of an older one, when its path is late. Both ends get the same one, in the same order.
func (l *link) keep(k *keptRelay) {
	if k != nil {
		l.kept.Store(k)
	}
}

// byKept goes to the relay in the background for a link whose direct carrier is late, if its ends have kept a way there. Where the other end misses no
// answer nobody comes, and the one who waits leaves when ctx ends. From there the end that began the session looks for a direct path at once: nothing
// else does while a path is not late.
func (n *Node) byKept(ctx context.Context, l *link) {
	k, was := l.kept.Load(), l.origin()
	if k == nil || !n.canComeByRelay(l) || !k.used.CompareAndSwap(false, true) {
		return
	}
	n.spawn(func() {
		ctx, cancel := context.WithTimeout(ctx, byRelayTimeout)
		defer cancel()
		a := &attempt{id: k.attempt, peer: l.peer, role: rendezvous.Callee, introduced: time.Now()}
		if l.dialer {
			a.role = rendezvous.Dialer
		}
		err := n.comeTo(ctx, a, n.wayByRelay(a, k.token, 0), l, was)
		n.log.Debug("came to the kept relay", "peer", l.name, "err", err)
		if err != nil {
			n.relays.forget(a.id)
		} else if l.dialer && !l.dialOnly {
			n.backToDirect(l)
		}
	})
}

// How long a node that is back from a late path waits for a peer that the server does not have at the moment: at first, doubling, and at most.
const (
	backFirst = 250 * time.Millisecond
	backLast  = 2 * time.Second
)

// backToDirect looks for a direct path for a link that has gone to the relay, as soon as both ends have a server to ask.
func (n *Node) backToDirect(l *link) {
	ctx, cancel := context.WithTimeout(n.ctx, dialTimeout)
	defer cancel()
	for pause := backFirst; l.path().Kind == Relayed && pause <= backLast; {
		err := n.beside(ctx, l, rendezvous.ByNode(l.peer).DirectOnly())
		n.log.Debug("looked for a direct path from the kept relay", "peer", l.name, "err", err)
		switch {
		case errors.Is(err, rendezvous.ErrOffline): // on a connection that has just ended: the next is waited for
			continue
		case !errors.Is(err, ErrPeerUnavailable):
			return
		}
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-ctx.Done():
		}
		timer.Stop()
		pause *= 2
	}
}
