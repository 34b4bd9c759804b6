package bodkin

import (
	"context"
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/bodkin-p2p/bodkin/internal/punch"
	"github.com/bodkin-p2p/bodkin/internal/record"
	"github.com/bodkin-p2p/bodkin/internal/reuseport"
	"github.com/bodkin-p2p/bodkin/internal/session/line"
	"github.com/bodkin-p2p/bodkin/internal/wire"
)

// How long a session tries to come back between the two ports of the connection that it has lost, beside four round trips, and at most.
// Then it asks for an introduction.
const (
	comeBackFirst = 100 * time.Millisecond
	comeBackLast  = time.Second
	// comeBackAlone is what it has at most while there is no server to ask.
	comeBackAlone = 3 * time.Second
	// comeBackPause is how long a connection that came back must have lasted for the next to, if there is a server to ask.
	comeBackPause = time.Second
	// tupleBusyPause is how long a dial waits that finds the lost connection still there.
	tupleBusyPause = 20 * time.Millisecond
	// unknownRTT stands for a round trip that was not measured.
	unknownRTT = 150 * time.Millisecond
)

var errNoWayBack = errors.New("bodkin: the ends of the lost connection cannot meet again by themselves")

// A comeback is a link's try to find the peer without an introduction. It ends early when somebody introduces the two, who are to have the same
// ports.
type comeback struct {
	mu   sync.Mutex
	stop context.CancelFunc // nil while none is under way
	done chan struct{}
}

// begin notes that a try is under way, until end.
func (b *comeback) begin(stop context.CancelFunc) (end func()) {
	done := make(chan struct{})
	b.mu.Lock()
	defer b.mu.Unlock()
	b.stop, b.done = stop, done
	return func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.stop = nil
		close(done)
	}
}

// cancel ends the try that is under way, if there is one, and waits for it.
func (b *comeback) cancel() {
	b.mu.Lock()
	stop, done := b.stop, b.done
	b.mu.Unlock()
	if stop != nil {
		stop()
		<-done
	}
}

// canComeBack tells whether the ends of a lost connection may find each other between the same two ports: it did not fall silent, and this
// machine still has its address.
func (n *Node) canComeBack(l *link, was origin) bool {
	if was.back && time.Since(was.marks.secured) < comeBackPause && n.client.State().Connected {
		return false // something between the two resets what it sees, and there are other ways
	}
	return n.mayReturn(l, was) && !n.hasMoved(was) && !errors.Is(l.line.Lost(), line.ErrSilent)
}

// mayReturn tells whether the ends of a link's lost connection have what it takes to know each other again without an introduction.
func (n *Node) mayReturn(l *link, was origin) bool {
	for _, c := range l.line.Carriers() {
		if c.Label.(origin).attempt == was.attempt {
			return false // it has to prove that it works
		}
	}
	return was.path.Kind == Direct && !was.secret.IsZero() && l.line.CanReturn() && n.config.Relay != RelayAlways
}

// hasMoved tells whether this machine would not dial the other end of a lost connection from the address that it had.
func (n *Node) hasMoved(was origin) bool {
	source, err := n.config.system.Source(was.path.Remote)
	return err != nil || source != was.path.Local.Addr()
}

// comeBack connects the two ports again between which a connection of a link was, without asking anybody. Both ends do so when they see that it
// is lost, at about the same time, and know by what they shared on it who comes: bytes flow with the first segment of each.
func (n *Node) comeBack(l *link, was origin) error {
	if !n.canComeBack(l, was) {
		return errNoWayBack
	}
	within := min(comeBackLast, comeBackFirst+4*l.roundTrip(was))
	ctx, cancel := context.WithTimeout(n.ctx, comeBackAlone)
	defer cancel()
	defer l.back.begin(cancel)()
	if !n.spawn(func() { // which is over with ctx
		if n.serverAgain(ctx, target{id: l.peer}) == nil {
			pause(ctx, within)
			cancel()
		}
	}) {
		return n.Err()
	}
	return n.meetAgain(ctx, l, was, redialOften, false)
}

// meetAgain waits for the other end of a lost connection between the same two ports, and dials it once by dial, until ctx ends; if it is to be brief, until
// what it has dialled has failed, so that it can be called again.
func (n *Node) meetAgain(ctx context.Context, l *link, was origin, dial redialing, brief bool) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	id := wire.AttemptID(was.secret.Attempt())
	accepted, forget := n.acceptor.Expect(id)
	defer forget()
	began := time.Now()
	port, leave, err := n.portOf(ctx, was)
	if err != nil {
		return err
	}
	defer leave()
	dialled, settle := n.dialAgain(ctx, was, func() (net.Conn, error) { return dial(ctx, port, was.path.Remote, l.roundTrip(was)) })
	defer settle()
	defer cancel()
	for {
		var conn net.Conn
		isAccepted := false
		select {
		case conn = <-dialled:
		case conn = <-accepted:
			isAccepted = true
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		if addrPort(conn.RemoteAddr().String()) != was.path.Remote {
			_ = reuseport.Abort(conn)
			continue
		}
		err := n.returned(ctx, l, was, id, conn, isAccepted, marks{introduced: began, firstSYN: began, connected: time.Now(), rounds: 1, syns: 1})
		if err == nil {
			return nil
		}
		n.log.Debug("a returning connection failed", "peer", l.name, "accepted", isAccepted, "err", err)
		if other := (*punch.OtherAttemptError)(nil); errors.As(err, &other) || brief && !isAccepted {
			return err // in the first case the peer does not try to come back at the moment
		}
	}
}

// A redialing dials the other end of a connection that is lost, from the same port, over a path of some round trip.
type redialing func(ctx context.Context, port localPort, remote netip.AddrPort, rtt time.Duration) (net.Conn, error)

// dialAgain dials the other end of a lost connection. The connection is received if it opens before settle, which waits until the dial has ended.
func (n *Node) dialAgain(ctx context.Context, was origin, dial func() (net.Conn, error)) (dialled <-chan net.Conn, settle func()) {
	opened := make(chan net.Conn)
	var work sync.WaitGroup
	work.Go(func() {
		conn, err := dial()
		if err != nil {
			n.log.Debug("dialled the lost connection's end", "remote", was.path.Remote, "err", err)
			return
		}
		select {
		case opened <- conn:
		case <-ctx.Done():
			_ = reuseport.Abort(conn)
		}
	})
	return opened, work.Wait
}

// portOf is the port at this end of a lost connection, on which this node listens: its own, or the second one of an attempt that is over.
func (n *Node) portOf(ctx context.Context, was origin) (port localPort, leave func(), err error) {
	number := was.path.Local.Port()
	if number == n.port.Number() {
		return n.port, func() {}, nil
	}
	port, err = n.config.system.Open(ctx, number)
	if err != nil {
		return nil, nil, err
	}
	if !n.spawn(func() { n.acceptor.Serve(n.ctx, port) }) {
		port.Close()
		return nil, nil, n.Err()
	}
	return port, func() { port.Close() }, nil
}

// redialOften is the port's Redial, repeated while the lost connection holds the ports, as it is about to be closed. A port in memory has none, and needs
// none.
func redialOften(ctx context.Context, port localPort, remote netip.AddrPort, rtt time.Duration) (net.Conn, error) {
	dial := func() (net.Conn, error) { return port.Dial(ctx, remote) }
	if system, ok := port.(interface {
		Redial(context.Context, netip.AddrPort, time.Duration) (net.Conn, error)
	}); ok {
		dial = func() (net.Conn, error) { return system.Redial(ctx, remote, rtt) }
	}
	for {
		conn, err := dial()
		if reuseport.Classify(err) != reuseport.TupleBusy || !pause(ctx, tupleBusyPause) {
			return conn, err
		}
	}
}

// returned gives a link the connection by which it comes back, once the peer has shown itself on it.
func (n *Node) returned(ctx context.Context, l *link, was origin, id wire.AttemptID, conn net.Conn, accepted bool, m marks) error {
	greeted, keep, err := punch.Greet(conn, id, accepted)
	if err != nil {
		return err
	}
	secured, err := was.secret.Return(greeted, id, l.dialer)
	if err != nil {
		_ = reuseport.Abort(conn)
		return err
	}
	if _, err := reuseport.DistrustRoundTrip(conn, l.roundTrip(was)); err != nil {
		n.log.Debug("false first round trip", "err", err)
	}
	n.tuneCarrier(conn)
	w := origin{path: was.path, socket: conn, attempt: id, marks: m, born: was.born, rtt: was.rtt, back: true, secret: secured.Secret()}
	w.marks.secured = time.Now()
	carrier := line.Carrier{Conn: secured, Rank: rankDirect, Label: w, Abort: func() { reuseport.Abort(conn) }}
	if err := l.line.Return(ctx, carrier, returnName(id)); err != nil {
		return err
	}
	keep()
	if l.dialer {
		resetAtEnd(conn)
	}
	if home := l.home.Load(); home != nil && home.attempt == was.attempt {
		l.home.Store(&w)
	}
	n.resumed(l, carrier)
	return nil
}

// roundTrip is that of a link's last carrier.
func (l *link) roundTrip(was origin) time.Duration {
	if rtt := l.line.Stats().RTT; rtt > 0 {
		return rtt
	}
	if was.rtt > 0 {
		return was.rtt
	}
	return unknownRTT
}

// returnName is how both ends call a carrier that returns.
func returnName(id wire.AttemptID) uint64 { return 1 + binary.BigEndian.Uint64(id[:])>>24 }

// secretOf is what the ends of a connection can come back by; zero if they cannot.
func secretOf(conn net.Conn) record.Secret {
	if c, ok := conn.(interface{ Secret() record.Secret }); ok {
		return c.Secret()
	}
	return record.Secret{}
}
