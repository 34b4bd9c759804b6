package bodkin

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/bodkin-p2p/bodkin/internal/candidate"
	"github.com/bodkin-p2p/bodkin/internal/punch"
	"github.com/bodkin-p2p/bodkin/internal/rendezvous"
	"github.com/bodkin-p2p/bodkin/internal/rounds"
	"github.com/bodkin-p2p/bodkin/internal/session/line"
	"github.com/bodkin-p2p/bodkin/internal/wire"
)

// furtherTimeout is what an attempt has that no server introduces: a lost SYN is sent again after one second, and once more after three.
const furtherTimeout = 4500 * time.Millisecond

// errNoFurther tells that no two ports of a pair of networks are known to be able to meet without the server.
var errNoFurther = errors.New("bodkin: the peer's network and this one allow no further connection")

// another makes one more direct connection for a session, by talking through the session itself: no server is needed. With beside it is
// for use in addition to those that the session has, or else instead of them. It returns when the session has it, or no way has led to
// one; it fails at once if another is being made already, or four are beside the one in use. The session must have a path.
func (n *Node) another(ctx context.Context, l *link, beside bool) error {
	return n.anotherAs(ctx, l, line.Carrier{Beside: beside})
}

// anotherAs is another for a connection that the session takes as is said.
func (n *Node) anotherAs(ctx context.Context, l *link, as line.Carrier) error {
	if n.config.Relay == RelayAlways {
		return errAskRefused
	}
	slots := l.control.asking
	if as.Beside {
		slots = l.control.beside
	}
	select {
	case slots <- struct{}{}:
		defer func() { <-slots }()
	default:
		return errAsking
	}
	err := errNoFurther
	for _, way := range n.furtherWays(l) {
		began := time.Now()
		err = n.furtherOnce(ctx, l, way, as)
		n.log.Debug("asked the peer for another connection", "peer", l.name, "fresh", way.fresh, "took", time.Since(began), "err", err)
		if err == nil || ctx.Err() != nil || errors.Is(err, errAskRefused) || errors.Is(err, errAskLimited) {
			break
		}
	}
	return err
}

// A furtherWay is how two nodes try to meet once more.
type furtherWay struct {
	fresh wire.Further_Fresh
	show  bool // the server is to be shown the new port, since nobody can tell where that is mapped
}

// furtherWays lists the ways for a session, the surest first. A port number that looks free may be in use by a neighbour, so a way that
// counts on it is tried from two ports. The usual ports of both come last, and only if no connection holds them: the server's introduction
// has tried them, and NATs may remember.
func (n *Node) furtherWays(l *link) []furtherWay {
	var ways []furtherWay
	path := l.path()
	asker, asked := furtherWay{fresh: wire.Further_FRESH_ASKER}, furtherWay{fresh: wire.Further_FRESH_ASKED}
	if path.Kind == Direct && candidate.Private(path.Remote.Addr()) { // no NAT is between, or one that is in front of both
		return append(ways, asker, asked)
	}
	own, peer := n.sides(l)
	for want := rounds.Sure; want > rounds.Hopeless; want-- {
		for _, w := range []struct {
			furtherWay
			certainty rounds.Certainty
		}{{asker, rounds.Fresh(own, peer)}, {asked, rounds.Fresh(peer, own)}} {
			w.show = want == rounds.Blind
			if w.certainty == want {
				ways = append(ways, w.furtherWay)
			}
			if w.certainty == want && want == rounds.Foretold {
				ways = append(ways, w.furtherWay)
			}
		}
	}
	if path.Kind != Direct {
		ways = append(ways, furtherWay{})
	}
	return ways
}

// furtherOnce asks the peer for one attempt, and makes it.
func (n *Node) furtherOnce(ctx context.Context, l *link, way furtherWay, as line.Carrier) error {
	var id wire.AttemptID
	rand.Read(id[:]) // never fails
	a, isNew := n.attempts.begin(rendezvous.Introduction{Attempt: id, Peer: l.peer, Role: rendezvous.Dialer, Round: 1, Received: time.Now()})
	if !isNew {
		return errTooManyAttempts
	}
	a.session, a.beside, a.aside, a.peerFresh = l, as.Beside, as.Aside, way.fresh == wire.Further_FRESH_ASKED
	accepted, forget := n.acceptor.Expect(id)
	defer forget()
	defer a.closeSpares()
	port, remotes, err := n.furtherAsk(ctx, l, a, way)
	if err != nil {
		n.attempts.end(a, nil, err)
		return err
	}
	n.runFurther(ctx, a, port, accepted, punch.Round{Number: 1, Remotes: remotes}, furtherTimeout)
	return a.err
}

// furtherAsk comes to an understanding with the peer: from which port this node leaves, and what it dials.
func (n *Node) furtherAsk(ctx context.Context, l *link, a *attempt, way furtherWay) (localPort, []candidate.Candidate, error) {
	port, outside, err := n.leaving(ctx, a, way.fresh == wire.Further_FRESH_ASKER, way.show)
	if err != nil {
		return nil, nil, err
	}
	reply, err := n.ask(ctx, l, &wire.Ask{Body: &wire.Ask_Further{Further: &wire.Further{
		Attempt: a.id[:], Fresh: way.fresh, Half: n.half(port.Number(), outside), RttUs: micros(l.line.Stats().RTT),
	}}})
	if err != nil {
		return nil, nil, err
	}
	if reply.Half == nil {
		return nil, nil, fmt.Errorf("%w: a reply without a half", wire.ErrMalformed)
	}
	return port, n.heard(&l.control.seen, reply.Half), nil
}

// furtherAsked begins, as the callee, the attempt that a peer asks for.
func (n *Node) furtherAsked(l *link, f *wire.Further) (*wire.Reply, <-chan struct{}) {
	if n.config.Relay == RelayAlways {
		return &wire.Reply{Code: wire.Reply_CODE_REFUSED}, nil
	}
	id := wire.AttemptID(f.Attempt)
	a, isNew := n.attempts.begin(rendezvous.Introduction{Attempt: id, Peer: l.peer, Role: rendezvous.Callee, Round: 1, Received: time.Now()})
	if !isNew {
		return &wire.Reply{Code: wire.Reply_CODE_LIMITED}, nil
	}
	a.session, a.peerFresh = l, f.Fresh == wire.Further_FRESH_ASKER
	remotes := n.heard(&l.control.seen, f.Half)
	own, peer := n.sides(l)
	ctx, cancel := context.WithTimeout(n.ctx, sampleTimeout)
	defer cancel()
	port, outside, err := n.leaving(ctx, a, f.Fresh == wire.Further_FRESH_ASKED, rounds.Fresh(own, peer) == rounds.Blind)
	if err != nil {
		n.log.Debug("no port for another connection", "peer", l.name, "err", err)
		a.closeSpares()
		n.attempts.end(a, nil, err)
		return &wire.Reply{Code: wire.Reply_CODE_REFUSED}, nil
	}
	rtt := l.line.Stats().RTT
	if rtt == 0 {
		rtt = time.Duration(f.RttUs) * time.Microsecond
	}
	round := punch.Round{Number: 1, Remotes: remotes, Delay: rounds.AskedDelay(rtt, peer, own)}
	accepted, forget := n.acceptor.Expect(id)
	began := n.spawn(func() {
		defer a.closeSpares()
		defer forget()
		n.runFurther(n.ctx, a, port, accepted, round, furtherTimeout)
	})
	if !began {
		forget()
		a.closeSpares()
		n.attempts.end(a, nil, n.Err())
	}
	return &wire.Reply{Code: wire.Reply_CODE_BEGUN, Half: n.half(port.Number(), outside)}, a.done
}

// furtherAgain is how long after a dial has failed it is repeated in an attempt that no server introduces.
const furtherAgain = 50 * time.Millisecond

// runFurther makes an attempt that no server introduces, and gives the session what comes of it. Nobody tells what has become of the other
// side's dials, so each repeats what failed of its own: it may have met what an attempt before has left behind.
func (n *Node) runFurther(ctx context.Context, a *attempt, port localPort, accepted <-chan net.Conn, round punch.Round, timeout time.Duration) {
	further, next := make(chan punch.Round, wire.MaxRounds), round
	again := func(punch.Failure) {
		if next.Number < wire.MaxRounds {
			next.Number, next.Delay = next.Number+1, furtherAgain
			further <- next
		}
	}
	result, err := punch.Run(ctx, round, punch.Plan{
		Attempt:    a.id,
		Role:       punchRoles[a.role],
		Dial:       port.Dial,
		Verify:     n.verify(a),
		Accepted:   accepted,
		Rounds:     further,
		Report:     again,
		Background: n.tasks.Go,
		Timeout:    timeout,
	})
	if err != nil {
		n.attempts.end(a, nil, pathError(a.peer, err))
		return
	}
	l, err := n.establish(a, profile{name: a.session.name, dialOnly: a.session.dialOnly}, result)
	n.attempts.end(a, l, err)
}

// micros is a round trip as it is told.
func micros(d time.Duration) uint32 { return uint32(min(max(d.Microseconds(), 0), wire.MaxRTTMicros)) }
