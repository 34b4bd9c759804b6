package bodkin

import (
	"context"
	"time"

	"github.com/bodkin-p2p/bodkin/internal/rendezvous"
	"github.com/bodkin-p2p/bodkin/internal/session/line"
)

// When a carrier gets a successor, in parts of the age at which its mapping ends. The side that began the session is first; the other
// comes in where that does not know, or has failed. At first it is made by the server, from new ports on both sides. By talking through the
// session one side leaves from its usual port, whose mapping may be about to end, too: the connection to the server may have just failed of that.
const (
	renewFirst  = 0.70
	renewSecond = 0.77
	renewAlone  = 0.83
	renewAgain  = 0.05 // until the next try
)

// renewAt is when a link is to have the next carrier; zero: there is no need.
func (n *Node) renewAt(l *link, w origin) time.Time {
	limit, _ := n.aging.limit()
	if limit == 0 || w.path.Kind == 0 || w.born.IsZero() || l.dialOnly {
		return time.Time{}
	}
	share := renewFirst
	if !l.dialer {
		share = renewSecond
	}
	return w.born.Add(time.Duration(share * float64(limit)))
}

// renewsAlone tells whether the carrier in use is so old that its successor is made in whatever way.
func (n *Node) renewsAlone(l *link, now time.Time) bool {
	limit, _ := n.aging.limit()
	return now.Sub(l.origin().born) > time.Duration(renewAlone*float64(limit))
}

// renewPause is how long after a try the next one is, if there is a need by then.
func (n *Node) renewPause() time.Duration {
	limit, _ := n.aging.limit()
	return max(time.Duration(renewAgain*float64(limit)), time.Second/4)
}

// renew makes the next carrier of a link in the background, before the one in use breaks: from new ports, by the server's introduction, or
// by talking through the session. The session moves to it.
func (n *Node) renew(l *link) {
	if !l.seeks.CompareAndSwap(seeksNothing, seeksSuccessor) {
		return
	}
	began := n.spawn(func() {
		defer l.seeks.CompareAndSwap(seeksSuccessor, seeksNothing)
		ctx, cancel := context.WithTimeout(n.ctx, dialTimeout)
		defer cancel()
		err := n.succeed(ctx, l)
		n.log.Debug("made a successor for a carrier that ages", "peer", l.name, "err", err)
	})
	if !began {
		l.seeks.Store(seeksNothing)
	}
}

// succeed makes the next carrier of a link, of the kind that it has.
func (n *Node) succeed(ctx context.Context, l *link) error {
	peer := rendezvous.ByNode(l.peer)
	if l.path().Kind != Direct {
		return n.beside(ctx, l, peer)
	}
	err := n.beside(ctx, l, peer.DirectOnly())
	if err != nil && l.path().Kind == Direct && n.renewsAlone(l, time.Now()) {
		err = n.another(ctx, l, false)
	}
	return err
}

// shed puts down the carriers beside the one in use whose mappings are going to end. They get no successors: the line asks for others if
// those that are left are too few.
func (n *Node) shed(l *link, now time.Time) {
	limit, _ := n.aging.limit()
	if limit == 0 {
		return
	}
	l.line.Shed(func(c line.Carrier) bool {
		born := c.Label.(origin).born
		return !born.IsZero() && now.Sub(born) > time.Duration(renewFirst*float64(limit))
	})
}
