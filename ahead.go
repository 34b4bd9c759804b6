package bodkin

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/bodkin-p2p/bodkin/internal/rendezvous"
)

// For what a link looks for a carrier beside the one that it has.
const (
	seeksNothing   uint32 = iota
	seeksAhead            // the one in use is late, and may be dead
	seeksSuccessor        // the mapping of the one in use is going to end
)

// Waits of a link whose carrier is late. The side that began the session dials at once, the other a moment later, so that one attempt
// is enough; then each backs off.
const (
	aheadSecond = 250 * time.Millisecond
	aheadFirst  = 150 * time.Millisecond
	aheadLast   = 5 * time.Second
)

// ahead looks for another carrier while the one in use is late, which stays as it is. Whichever works first is used. It returns
// when the carrier in use speaks again, is given up or has a successor, or the link ends.
func (n *Node) ahead(l *link) {
	if l.dialOnly { // the peer must come
		return
	}
	defer l.line.Poke()
	defer l.seeks.Store(seeksNothing)
	l.seeks.Store(seeksAhead)
	began := time.Now()
	n.log.Info("session's path is late", "peer", l.name)
	wait := time.Duration(0)
	if !l.dialer && n.client.State().Connected { // without the server each asks whom it reaches
		wait = aheadSecond
	}
	relay, leave := context.WithCancel(n.ctx)
	defer leave()
	n.byKept(relay, l)
	relayed := false
	other := n.links.anyBack()
	for next := aheadFirst; n.stillLate(l, wait, other); next = min(2*next, aheadLast) {
		other = n.links.anyBack()
		ctx, cancel := context.WithTimeout(n.ctx, dialTimeout)
		ended := make(chan error, 1)
		if !relayed {
			relayed = n.byRelay(relay, l)
		}
		if !n.spawn(func() { ended <- n.aided(ctx, l) }) {
			cancel()
			return
		}
		err := n.lateUntil(l, ended, nil)
		cancel()
		n.log.Debug("dialled beside a late path", "peer", l.name, "err", err)
		if errors.Is(err, rendezvous.ErrOffline) {
			next = aheadFirst / 2 // the connection to the server has just ended, too: what comes next waits for another
		}
		wait = next/2 + rand.N(next)
	}
	n.log.Info("session's path was late", "peer", l.name, "for", time.Since(began))
}

// stillLate waits for a while, or until another session has got a carrier, whose peer may help then, and tells whether the carrier in use of a
// link is late all that time.
func (n *Node) stillLate(l *link, wait time.Duration, other <-chan struct{}) bool {
	over := make(chan error, 1)
	timer := time.AfterFunc(wait, func() { over <- nil })
	defer timer.Stop()
	return n.lateUntil(l, over, other) == nil && l.line.Late()
}

// errNotLate is that a carrier works again, or that there is another, or none.
var errNotLate = errors.New("bodkin: the path is not late any more")

// lateUntil returns what comes first: an answer, another event, or that the carrier in use of a link is not late any more.
func (n *Node) lateUntil(l *link, answer <-chan error, other <-chan struct{}) error {
	for {
		select {
		case <-other:
			return nil
		case err := <-answer:
			return err
		case <-l.line.Changed():
			if !l.line.Late() {
				return errNotLate
			}
		case <-l.line.Done():
			return errNotLate
		case <-n.ctx.Done():
			return errNotLate
		}
	}
}

// letsGo tells whether a carrier that was looked for is needed no more.
func (l *link) letsGo() bool {
	return l.seeks.Load() == seeksAhead && !l.line.Late() && l.path().Kind != 0
}

// aided makes one more carrier for a link whose own is late, by the server's introduction, and while that is away by a peer of both, too.
func (n *Node) aided(ctx context.Context, l *link) error {
	if n.client.State().Connected {
		return n.beside(ctx, l, rendezvous.ByNode(l.peer))
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var server error
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		server = n.beside(ctx, l, rendezvous.ByNode(l.peer))
	}()
	err := n.byCommonPeer(ctx, l)
	if err == nil {
		cancel()
	}
	<-ended
	if err == nil {
		return nil
	}
	return server
}

// beside makes one more carrier for a link, by the server's introduction. It returns once the carrier is in use, or there is none.
func (n *Node) beside(ctx context.Context, l *link, peer rendezvous.Target) error {
	n.client.Hurry()
	if _, err := n.client.Registered(ctx); err != nil {
		return publicError(err)
	}
	_, err := n.introduceTo(ctx, target{id: l.peer}, peer.Beside())
	return err
}
