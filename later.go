package bodkin

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"time"

	"github.com/bodkin-p2p/bodkin/internal/punch"
	"github.com/bodkin-p2p/bodkin/internal/wire"
)

// How a session that waits for a path goes on trying the two ports of the one that it had.
const (
	// laterFirst is how long the server's introduction has before that, which leaves from the same ports.
	laterFirst = time.Second
	// laterTry is how long one SYN has, which a kernel repeats each second at first and then ever more seldom.
	laterTry = 3 * time.Second
	// laterPause is between two that fail at once.
	laterPause = time.Second
	// laterLast is when the mapping of the port, or of the peer's, is not expected to be what it was.
	laterLast = 5 * time.Minute
)

var errIntroduced = errors.New("bodkin: an attempt with the peer is under way")

// comeLater goes on, until stop is called, to connect the two ports between which a link's connection was: when a link that was cut is there again
// the two meet with the first SYN, while the server, if it is reached, is still asked to introduce them. It makes way for whoever introduces them.
func (n *Node) comeLater(l *link, was origin) (stop func()) {
	if home := l.home.Load(); home != nil && !n.hasMoved(*home) {
		was = *home // the one that the peer tries, too, if there were several
	}
	id := wire.AttemptID(was.secret.Attempt())
	l.later.Store(&id)
	ctx, cancel := context.WithTimeout(n.ctx, laterLast)
	ended := make(chan struct{})
	if !n.spawn(func() {
		defer close(ended)
		n.tryLater(ctx, l, was)
	}) {
		close(ended)
	}
	return func() {
		l.later.Store(nil)
		cancel()
		<-ended
	}
}

// tryLater tries until it has led to a connection, or ctx ends.
func (n *Node) tryLater(ctx context.Context, l *link, was origin) {
	met := false // in the last try the peer was busy with another attempt
	for wait := laterFirst; pause(ctx, wait); {
		wait = laterPause
		if !n.mayReturn(l, was) || n.hasMoved(was) {
			continue
		}
		err := n.tryOnce(ctx, l, was)
		n.log.Debug("tried to come back", "peer", l.name, "remote", was.path.Remote, "err", err)
		if err == nil {
			return
		}
		if other := (*punch.OtherAttemptError)(nil); errors.As(err, &other) && !met {
			wait, met = 0, true // it gives that up now; somebody else who is there does not
		} else {
			met = false
		}
		if running := n.attempts.with(l.peer); running != nil {
			wait = 0
			select {
			case <-running.done:
			case <-ctx.Done():
			}
		}
	}
}

// tryOnce tries until somebody introduces the two.
func (n *Node) tryOnce(ctx context.Context, l *link, was origin) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer l.back.begin(cancel)()
	if n.attempts.with(l.peer) != nil { // before it ended this try, or it will
		return errIntroduced
	}
	dial := dialLater
	if n.isOpen(l) {
		dial = dialNever
	}
	return n.meetAgain(ctx, l, was, dial, true)
}

// dialLater dials until ctx ends, and has a SYN on the way nearly all the time: a peer's that found none would meet the listener, whose answer a NAT that
// knows the SYN before does not let through.
func dialLater(ctx context.Context, port localPort, remote netip.AddrPort, _ time.Duration) (net.Conn, error) {
	for {
		trying, cancel := context.WithTimeout(ctx, laterTry)
		conn, err := port.Dial(trying, remote)
		unanswered := trying.Err() != nil
		cancel()
		if err == nil || !unanswered && !pause(ctx, laterPause) || ctx.Err() != nil {
			return conn, err
		}
	}
}

// dialNever waits for the peer's dial.
func dialNever(ctx context.Context, _ localPort, _ netip.AddrPort, _ time.Duration) (net.Conn, error) {
	<-ctx.Done()
	return nil, context.Cause(ctx)
}

// dialsLater tells whether the two ports of a link that waits for a path are being dialled to come back.
func (n *Node) dialsLater(l *link) bool {
	home := l.home.Load()
	return home != nil && n.mayReturn(l, *home) && !n.hasMoved(*home) && !n.isOpen(l)
}

// metComingBack notes that a connection which an attempt opened met a peer that is coming back, between the same two ports: the attempt makes way for
// that. The server may have introduced the two while the peer was cut off.
func (n *Node) metComingBack(a *attempt, other wire.AttemptID) {
	for _, l := range n.links.with(a.peer) {
		if id := l.later.Load(); id != nil && *id == other {
			n.log.Debug("the peer is coming back", "peer", l.name)
			n.attempts.leave(a)
		}
	}
}

// isOpen tells whether the network of this node lets everybody in who comes where the peer of a link is: then the peer dials, and what leaves from here
// would meet its dial, which may be for another attempt.
func (n *Node) isOpen(l *link) bool {
	own, _ := n.sides(l)
	return own.IsOpen()
}

// pause waits, and tells whether ctx has not ended meanwhile.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
