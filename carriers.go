package bodkin

import (
	"context"
	"errors"
	"time"

	"github.com/bodkin-p2p/bodkin/internal/punch"
	"github.com/bodkin-p2p/bodkin/internal/rendezvous"
	"github.com/bodkin-p2p/bodkin/internal/reuseport"
	"github.com/bodkin-p2p/bodkin/internal/session"
	"github.com/bodkin-p2p/bodkin/internal/session/line"
)

// helloTimeout bounds what two nodes say on a new carrier about which session it is for.
const helloTimeout = 10 * time.Second

// Ranks of carriers: a line uses the highest that it has.
const (
	rankRelayed uint8 = 1
	rankDirect  uint8 = 2
)

// establish gives the connection that an attempt made to a session: one that waits for a path or has a worse one, or else a new one.
func (n *Node) establish(a *attempt, peer profile, result *punch.Result) (*link, error) {
	dialer := a.role == rendezvous.Dialer
	w := origin{path: pathOf(result), socket: result.Socket, attempt: a.id, marks: marksOf(a, result), born: n.born(a, result.Socket), rtt: result.Verified.Sub(result.Connected), secret: secretOf(result.Conn)}
	carrier := line.Carrier{Conn: result.Conn, Rank: rankRelayed, Label: w}
	if w.path.Kind == Direct { // with the relay TCP opens, and ends, as usual
		if dialer {
			resetAtEnd(result.Socket)
		}
		n.distrustRoundTrip(result)
		carrier.Rank, carrier.Beside, carrier.Aside = rankDirect, a.beside, a.aside
	}
	carrier.Abort = func() { reuseport.Abort(result.Socket) }
	n.tuneCarrier(result.Socket)
	ctx, cancel := context.WithTimeout(n.ctx, helloTimeout)
	defer cancel()
	join := n.takeCarrier
	if dialer {
		join = n.giveCarrier
	}
	l, err := join(ctx, a, peer, carrier)
	if err == nil {
		l.sighted(a, w.path)
		if w.path.Kind == Direct && !a.peerFresh && w.path.Local.Port() == n.port.Number() {
			l.home.Store(&w)
		}
		l.keep(a.kept)
		if a.relayRTT > 0 {
			l.compares.relayRTT.Store(int64(a.relayRTT))
		}
	}
	return l, err
}

// sighted notes what an attempt has shown of the peer.
func (l *link) sighted(a *attempt, path Path) {
	seen := &l.control.seen
	if a.session == nil {
		seen.note(a.observed...)
		seen.told(a.behaves, a.mapped)
	}
	switch {
	case path.Kind != Direct:
	case a.peerFresh:
		seen.note(path.Remote)
	default:
		seen.noteHome(path.Remote)
	}
}

// giveCarrier says, as the dialer, which session a carrier is for.
func (n *Node) giveCarrier(ctx context.Context, a *attempt, peer profile, carrier line.Carrier) (*link, error) {
	l := a.session
	if a.relayed {
		if l, carrier.Aside = n.links.comparable(a.peer), true; l == nil {
			carrier.Conn.Close()
			return nil, errNotCompared
		}
	}
	if l != nil {
		carrier = l.asideOf(carrier)
		if err := l.line.Attach(ctx, carrier); err != nil {
			carrier.Conn.Close() // still open if the peer has lost the session
			return nil, err
		}
		n.resumed(l, carrier)
		return l, nil
	}
	if l := n.links.wanting(a.peer, carrier.Rank, a.successor); l != nil {
		if l.letsGo() || carrier.Rank == rankRelayed && l.isRelayed() {
			n.log.Debug("carrier in use works again", "peer", l.name)
			carrier.Conn.Close()
			return l, nil
		}
		carrier = l.asideOf(carrier)
		err := l.line.Attach(ctx, carrier)
		if err == nil {
			n.resumed(l, carrier)
			return l, nil
		}
		if !errors.Is(err, line.ErrUnknown) {
			return nil, err
		}
		if other := n.links.to(target{id: a.peer}); other != nil { // the peer was restarted, and has come to us meanwhile
			carrier.Conn.Close()
			return other, nil
		}
	}
	var fresh *line.Line
	fresh = line.New(n.lineConfig(func() *line.Line { return fresh }))
	if err := fresh.Attach(ctx, carrier); err != nil {
		fresh.Close()
		return nil, err
	}
	return n.linked(a, peer, fresh, carrier)
}

// takeCarrier hears, as the callee, which session a carrier is for.
func (n *Node) takeCarrier(ctx context.Context, a *attempt, peer profile, carrier line.Carrier) (*link, error) {
	for {
		request, err := line.Receive(ctx, carrier.Conn)
		if err != nil {
			return nil, err
		}
		if l := n.links.of(a.peer, request.ID); l != nil {
			carrier.Aside = request.Aside
			if err := l.line.Take(ctx, request, carrier); err != nil {
				return nil, err
			}
			n.resumed(l, carrier)
			return l, nil
		}
		if request.New {
			var fresh *line.Line
			fresh, err = request.Begin(n.lineConfig(func() *line.Line { return fresh }))
			if err == nil {
				err = fresh.Take(ctx, request, carrier)
			}
			if err != nil {
				fresh.Close()
				return nil, err
			}
			return n.linked(a, peer, fresh, carrier)
		}
		if err := request.Refuse(ctx); err != nil { // then it may ask for a new one, until ctx ends
			carrier.Conn.Close()
			return nil, err
		}
	}
}

// lineConfig has the way to the server checked when a session becomes silent: if this node's NAT or network is the reason it is gone,
// too, and is made anew by the time the session needs it. The line that gets the configuration asks for further carriers.
func (n *Node) lineConfig(of func() *line.Line) line.Config {
	return line.Config{
		Wait: n.config.PathWait, KeepAlive: n.aging.keepAlive(), Quiet: n.client.Check, Died: n.carrierDied,
		Spread: n.config.Connections, More: func() { n.more(of()) },
	}
}

// linked makes a session of a line that has its first carrier, and serves it until it ends.
func (n *Node) linked(a *attempt, peer profile, fresh *line.Line, carrier line.Carrier) (*link, error) {
	dialer := a.role == rendezvous.Dialer
	s := session.New(fresh, dialer, session.Config{})
	if err := n.meet(peer.name, a.peer); err != nil {
		n.log.Warn("peer turned away", "err", err)
		if !n.spawn(func() { n.turnAway(s, err) }) {
			s.Close()
		}
		return nil, err
	}
	ctx, leave := context.WithCancel(n.ctx)
	l := &link{
		leave:    leave,
		peer:     a.peer,
		name:     peer.name,
		dialOnly: peer.dialOnly,
		dialer:   dialer,
		session:  s,
		line:     fresh,
		local:    Addr{Node: n.id, Name: n.config.Name},
		opened:   time.Now(),
		control:  newControl(),
	}
	crowded, open := n.links.add(l)
	if !open {
		leave()
		s.Close()
		return nil, n.Err()
	}
	if crowded != nil {
		n.log.Warn("session ends for a newer one", "peer", crowded.name, "err", errCrowded)
		crowded.line.Fail(errCrowded)
	}
	w := carrier.Label.(origin)
	timing := w.marks.since(a.introduced)
	n.log.Info("linked", "peer", l.name, "path", w.path.Kind, "remote", w.path.Remote, "secured", timing.Secured,
		"rounds", timing.Rounds, "syns", timing.SYNs)
	n.roster.linked(l)
	n.dials.fulfil(l)
	n.tasks.Go(func() {
		defer leave()
		n.serve(ctx, l)
	})
	n.tasks.Go(func() { n.tend(l, w) })
	return l, nil
}

// resumed notes that a link has got a further carrier.
func (n *Node) resumed(l *link, carrier line.Carrier) {
	w := carrier.Label.(origin)
	if carrier.Aside {
		n.log.Info("session has another path to compare", "peer", l.name, "path", w.path.Kind, "remote", w.path.Remote)
		return
	}
	n.log.Info("session goes on", "peer", l.name, "path", w.path.Kind, "remote", w.path.Remote)
	n.dials.fulfil(l)
	n.links.isBack()
}
