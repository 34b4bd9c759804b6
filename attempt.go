package bodkin

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/bodkin-p2p/bodkin/internal/candidate"
	"github.com/bodkin-p2p/bodkin/internal/identity"
	"github.com/bodkin-p2p/bodkin/internal/natbehavior"
	"github.com/bodkin-p2p/bodkin/internal/punch"
	"github.com/bodkin-p2p/bodkin/internal/record"
	"github.com/bodkin-p2p/bodkin/internal/rendezvous"
	"github.com/bodkin-p2p/bodkin/internal/wire"
)

// An attempt is the work of one introduction: up to three rounds of opening a direct connection to one peer.
type attempt struct {
	id         wire.AttemptID
	peer       NodeID
	role       rendezvous.Role
	introduced time.Time
	behaves    natbehavior.Reports // the peer's networks, as it says
	observed   []netip.AddrPort    // where the server has seen the peer
	mapped     bool                // it has proven that a gateway forwards to it

	session *link // no server has introduced the peer, but itself: what comes is for this session
	beside  bool  // and is to be used in addition to what that has. Of the dialer
	aside   bool  // or to be measured first. Of the dialer
	relayed bool  // only a relayed connection is wanted, to be compared with the one that the two have

	kept      *keptRelay    // for the session that it is for; nil: none
	relayRTT  time.Duration // both round trips to the server together; zero: unknown
	successor bool          // the two have a session, whose carrier is to get a successor; it stays as it is
	peerFresh bool          // the peer leaves from a new port

	rounds chan punch.Round // further rounds; closed when the server starts no more
	seen   int              // the newest round. Guarded by attempts.mu, as is over
	over   bool
	gone   bool               // the peer has left the connection to the server on which it was introduced
	giveUp context.CancelFunc // nil until it runs. Guarded by attempts.mu

	mu       sync.Mutex // guards these three
	spare    *spare     // a second port for the next round
	spares   []*spare   // all
	searched bool       // a round was a search

	done chan struct{} // closed at the end, then one of these is set
	link *link
	err  error
}

func (a *attempt) isOver() bool {
	select {
	case <-a.done:
		return true
	default:
		return false
	}
}

// attempt runs a until it has a link or has failed.
func (n *Node) attempt(a *attempt, peer profile, first punch.Round, way *punch.Relay, timeout time.Duration) {
	accepted, forget := n.acceptor.Expect(a.id)
	defer forget()
	defer a.closeSpares()
	n.attempts.supersede(n.ctx, a)
	if first.Second.Dial == nil && !a.successor {
		n.yield(a.peer, first)
	}
	ctx, cancel := n.attempts.run(n.ctx, a)
	defer cancel()
	if n.config.Relay == RelayAlways || a.relayed {
		accepted = nil
	}
	result, err := punch.Run(ctx, first, punch.Plan{
		Attempt:    a.id,
		Role:       punchRoles[a.role],
		Dial:       n.port.Dial,
		DialApart:  n.dialApart,
		Pace:       n.pace.Wait,
		Verify:     n.verify(a),
		Accepted:   accepted,
		Rounds:     a.rounds,
		Relay:      way,
		Report:     n.reporter(a),
		Background: n.tasks.Go,
		Timeout:    timeout,
	})
	if err != nil {
		n.relays.forget(a.id)
		n.noteSearch(a)
		n.finished(a, first.Number, rendezvous.NoCarrier)
		n.attempts.end(a, nil, n.withWhy(pathError(a.peer, err), a.behaves))
		n.log.Info("no direct path", "peer", peer.name, "err", err)
		return
	}
	carrier := rendezvous.RelayedCarrier
	if result.Remote.Type != candidate.Relayed {
		carrier = rendezvous.DirectCarrier
		n.relays.forget(a.id)
	}
	n.finished(a, result.Round, carrier)
	l, err := n.establish(a, peer, result)
	n.attempts.end(a, l, err)
}

// verify proves that a connection ends at the attempt's peer: mutual TLS, the dialer as client, the peer's key pinned.
func (n *Node) verify(a *attempt) func(context.Context, net.Conn) (net.Conn, error) {
	return func(ctx context.Context, conn net.Conn) (net.Conn, error) {
		config, err := identity.PeerConfig(n.config.Key, n.config.Invite.Room, a.peer)
		if err != nil {
			return nil, err
		}
		secure := record.ServerConn
		if a.role == rendezvous.Dialer {
			secure = record.ClientConn
		}
		secured, err := secure(ctx, conn, config)
		if err != nil {
			if other := (*punch.OtherAttemptError)(nil); errors.As(err, &other) {
				n.metComingBack(a, other.Attempt)
			}
			return nil, err
		}
		return secured, nil
	}
}

// reporter tells the server which candidates failed for good, so that it can start the next round.
func (n *Node) reporter(a *attempt) func(punch.Failure) {
	return func(f punch.Failure) {
		n.log.Debug("candidate failed", "peer", a.peer.Short(), "remote", f.Remote, "kind", f.Kind)
		err := n.client.Report(a.id, f.Round, []rendezvous.Failure{{Remote: f.Remote, Kind: reportedFailures[f.Kind]}})
		if err != nil {
			n.log.Debug("report not sent", "err", err)
		}
	}
}

func (n *Node) finished(a *attempt, round int, with rendezvous.Carrier) {
	if err := n.client.Finished(a.id, round, with); err != nil {
		n.log.Debug("end of attempt not told to the server", "err", err)
	}
}

// noteSearch remembers that a search came to nothing.
func (n *Node) noteSearch(a *attempt) {
	a.mu.Lock()
	searched := a.searched
	a.mu.Unlock()
	if searched && n.ctx.Err() == nil {
		n.searches.fail(a.peer, time.Now())
	}
}
