package bodkin

import (
	"context"
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
