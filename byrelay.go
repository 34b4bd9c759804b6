package bodkin

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"time"

	"github.com/bodkin-p2p/bodkin/internal/candidate"
	"github.com/bodkin-p2p/bodkin/internal/punch"
	"github.com/bodkin-p2p/bodkin/internal/record"
	"github.com/bodkin-p2p/bodkin/internal/rendezvous"
	"github.com/bodkin-p2p/bodkin/internal/reuseport"
	"github.com/bodkin-p2p/bodkin/internal/session/line"
)

// byRelayTimeout is what an attempt by the relay alone has: the server holds a relayed connection no longer for one that comes later.
const byRelayTimeout = 6 * time.Second

var (
	errNotLateHere = errors.New("bodkin: no session that could come by the relay")
	errNoRelay     = errors.New("bodkin: no relay")
)

// canComeByRelay tells whether a link that has a direct carrier may go to the relay with what its ends share of that.
func (n *Node) canComeByRelay(l *link) bool {
	w := l.origin()
	return w.path.Kind == Direct && !w.secret.IsZero() && l.line.CanReturn() && n.config.Relay == RelayAuto
}

// isRelayed tells whether a link has a relayed carrier that works, and needs no other.
func (l *link) isRelayed() bool {
	return l.path().Kind == Relayed && !l.line.Late() && l.seeks.Load() != seeksSuccessor
}

// attemptByRelay makes the attempt of an introduction by the relay alone. The two have a session with a direct carrier, of which at least one
// of them hears nothing. Both go to the relay at once, and show themselves there by what that carrier has left to both.
func (n *Node) attemptByRelay(a *attempt, way *punch.Relay) {
	ctx, cancel := context.WithTimeout(n.ctx, byRelayTimeout)
	defer cancel()
	l, err := n.comeByRelay(ctx, a, way)
	with := rendezvous.RelayedCarrier
	if err != nil {
		n.relays.forget(a.id)
		with = rendezvous.NoCarrier
	} else {
		l.keep(a.kept)
	}
	n.log.Debug("came by the relay", "peer", a.peer.Short(), "err", err)
	n.finished(a, 1, with)
	n.attempts.end(a, l, err)
}

func (n *Node) comeByRelay(ctx context.Context, a *attempt, way *punch.Relay) (*link, error) {
	if way == nil {
		return nil, errNoRelay
	}
	l, was := n.toComeByRelay(a.peer)
	if l == nil {
		return nil, errNotLateHere
	}
	return l, n.comeTo(ctx, a, way, l, was)
}

// comeTo gives a link a relayed carrier by an attempt, with what its direct carrier has left to both ends.
func (n *Node) comeTo(ctx context.Context, a *attempt, way *punch.Relay, l *link, was origin) error {
	began := time.Now()
	conn, err := way.Dial(ctx)
	if err != nil {
		return err
	}
	greeted, keep, err := punch.Greet(conn, a.id, false)
	if err != nil {
		return err
	}
	// In the session's roles, not the attempt's: who runs the server and the relay could give a node its own words as the peer's.
	secured, err := was.secret.Return(greeted, [record.AttemptLen]byte(a.id), l.dialer)
	if err != nil {
		greeted.Close()
		return err
	}
	if a.role == rendezvous.Dialer && (l.letsGo() || l.isRelayed()) {
		greeted.Close()
		return errNotLate
	}
	n.tuneCarrier(conn)
	w := origin{path: relayedPath(conn, way.Remote), socket: conn, attempt: a.id, born: a.introduced, secret: secured.Secret()}
	w.marks = marks{introduced: a.introduced, connected: began, secured: time.Now(), rounds: 1}
	carrier := line.Carrier{Conn: secured, Rank: rankRelayed, Label: w, Abort: func() { reuseport.Abort(conn) }}
	keep() // with the relay TCP ends as usual
	if err := l.line.Return(ctx, carrier, returnName(a.id)); err != nil {
		return err
	}
	n.resumed(l, carrier)
	return nil
}

// relayedPath is the path of a relayed connection.
func relayedPath(conn net.Conn, relay netip.AddrPort) Path {
	return pathOf(&punch.Result{Socket: conn, Remote: candidate.Candidate{Type: candidate.Relayed, Addr: relay}})
}

// toComeByRelay is the link with a peer that is to come by the relay: one whose path is late here, or else the newest that may.
func (n *Node) toComeByRelay(peer NodeID) (best *link, was origin) {
	for _, l := range n.links.with(peer) {
		if n.canComeByRelay(l) && (best == nil || l.line.Late() || !best.line.Late()) {
			best = l
		}
	}
	if best != nil {
		was = best.origin()
	}
	return best, was
}

// byRelay goes to the relay in the background for a link whose direct carrier is late: it takes less than two round trips by that, while a way
// around is looked for. What has made it late may have ended the connection to the server, too: then it asks on the next. It tells whether
// there may be a server to ask.
func (n *Node) byRelay(ctx context.Context, l *link) bool {
	if !n.client.State().Connected || !n.canComeByRelay(l) {
		return false
	}
	return n.spawn(func() {
		ctx, cancel := context.WithTimeout(ctx, dialTimeout)
		defer cancel()
		err := error(rendezvous.ErrOffline)
		for errors.Is(err, rendezvous.ErrOffline) && l.line.Late() {
			if _, err = n.client.Registered(ctx); err == nil {
				_, err = n.client.Introduce(ctx, rendezvous.ByNode(l.peer).Returning())
			}
			n.log.Debug("asked for the relay beside a late path", "peer", l.name, "err", err)
		}
	})
}
