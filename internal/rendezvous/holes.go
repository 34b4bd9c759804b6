package rendezvous

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"io"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/bodkin-p2p/bodkin/internal/candidate"
	"github.com/bodkin-p2p/bodkin/internal/natbehavior"
	"github.com/bodkin-p2p/bodkin/internal/wire"
)

// holeTimeout bounds a hole connection: a SYN that was lost is sent again after 1 s.
const holeTimeout = 2 * time.Second

// openHole makes one hole connection from the node's port and tells where the server saw it come from. There can be one at a time to an
// endpoint: the next waits until that is over.
func (s *mainConn) openHole(ctx context.Context, to netip.AddrPort) (natbehavior.Sample, error) {
	leave, err := s.holing.enter(ctx, to)
	if err != nil {
		return natbehavior.Sample{}, err
	}
	defer leave()
	ctx, cancel := context.WithTimeout(ctx, holeTimeout)
	defer cancel()
	at := time.Now()
	conn, err := s.client.config.Dial(ctx, to)
	if err != nil {
		return natbehavior.Sample{}, err
	}
	defer abort(conn)
	return s.ask(ctx, conn, to, at, &wire.HoleHello{})
}

// holing is to which endpoints there are hole connections from the node's port.
type holing struct {
	mu   sync.Mutex
	over map[netip.AddrPort]chan struct{} // closed when that one is
}

// enter waits until there is none to an endpoint. There is one from then until leave is called.
func (h *holing) enter(ctx context.Context, to netip.AddrPort) (leave func(), err error) {
	for {
		h.mu.Lock()
		other, busy := h.over[to]
		if !busy {
			break
		}
		h.mu.Unlock()
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-other:
		}
	}
	defer h.mu.Unlock()
	if h.over == nil {
		h.over = map[netip.AddrPort]chan struct{}{}
	}
	over := make(chan struct{})
	h.over[to] = over
	return func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		delete(h.over, to)
		close(over)
	}, nil
}

// openSample makes one from a fresh port, which the caller closes. The server holds it open for a time, if that is not zero.
func (s *mainConn) openSample(ctx context.Context, to netip.AddrPort, hold time.Duration, started func()) (natbehavior.Sample, net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, holeTimeout)
	defer cancel()
	at := time.Now()
	conn, err := s.client.config.DialSample(ctx, netip.AddrPort{}, to, func() { at = time.Now(); started() })
	if err != nil {
		return natbehavior.Sample{}, nil, err
	}
	sample, err := s.ask(ctx, conn, to, at, &wire.HoleHello{Sample: true, HoldS: uint32(hold / time.Second)})
	if err != nil {
		abort(conn)
		return natbehavior.Sample{}, nil, err
	}
	return sample, conn, nil
}

// ask says hello on a hole connection whose SYN left at a time.
func (s *mainConn) ask(ctx context.Context, conn net.Conn, to netip.AddrPort, at time.Time, hello *wire.HoleHello) (natbehavior.Sample, error) {
	stop := context.AfterFunc(ctx, func() { conn.SetDeadline(time.Unix(1, 0)) })
	hello.Token = s.welcomed.GetHoleToken()
	if err := wire.Write(conn, hello); err != nil {
		stop()
		return natbehavior.Sample{}, err
	}
	var observed wire.Observed
	err := wire.Read(bufio.NewReader(conn), &observed) // nothing follows before long
	if !stop() && err == nil {
		err = ctx.Err() // the deadline is set, or will be
	}
	if err != nil {
		return natbehavior.Sample{}, err
	}
	return natbehavior.Sample{Local: localAddr(conn), Server: to, Seen: observed.GetEndpoint().AddrPort(), At: at}, nil
}

// localAddr is this end of conn, zero if it is no TCP connection.
func localAddr(conn net.Conn) netip.AddrPort {
	local, err := netip.ParseAddrPort(conn.LocalAddr().String())
	if err != nil {
		return netip.AddrPort{}
	}
	return netip.AddrPortFrom(local.Addr().Unmap(), local.Port())
}

// abort closes with RST, so that the addresses of the connection are free for the next.
func abort(conn net.Conn) {
	if tcp, ok := conn.(interface{ SetLinger(int) error }); ok {
		tcp.SetLinger(0)
	}
	conn.Close()
}

// closedPort connects to a port of the server on which nobody listens. If that opens, something on the way answers in the server's
// place, and would do so in a peer's: a transparent proxy.
func (m *measurement) closedPort(ctx context.Context) {
	s := m.main
	port := s.welcomed.GetClosedPort()
	if port == 0 || s.client.config.DialSample == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, holeTimeout)
	defer cancel()
	remote := netip.AddrPortFrom(s.state.Remote.Addr(), uint16(port))
	conn, err := s.client.config.DialSample(ctx, netip.AddrPort{}, remote, func() {})
	if err != nil {
		return
	}
	abort(conn)
	s.client.log.Warn("a transparent proxy answers TCP in place of the server: no direct connection can be made through it", "closed_port", remote)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.of(remote.Addr()).Proxied = true
}

const (
	// hairpinTimeout bounds the wait for a connection to oneself.
	hairpinTimeout = 1500 * time.Millisecond
	// hairpinTries is how often each end dials, after a pause that doubles from samplePause: what is refused may have come before the
	// other end's SYN had opened the way. On a busy machine that was 24 ms late once in eight runs.
	hairpinTries = 6
)

// hairpin connects from a fresh port to the node's own external endpoint, while the node's port connects to that of the fresh one, as two
// nodes behind one NAT would. It is only worth trying where both have one. Both endpoints are the server's word, for which not everything
// is dialled.
func (m *measurement) hairpin(ctx context.Context) {
	s := m.main
	m.mu.Lock()
	mapping := natbehavior.Classify(*m.of(s.state.Remote.Addr())).Mapping
	m.mu.Unlock()
	if mapping != natbehavior.EndpointIndependent || s.client.config.DialSample == nil || !mayBeOurs(s.state.Observed, s.state.Remote) {
		return
	}
	sample, kept, err := s.openSample(ctx, s.holesHere()[0], 0, func() {})
	if err != nil {
		return
	}
	defer abort(kept)
	if !mayBeOurs(sample.Seen, s.state.Remote) {
		return
	}
	within, cancel := context.WithTimeout(ctx, hairpinTimeout)
	defer cancel()
	var back sync.WaitGroup
	back.Go(func() {
		conn, err := retryRefused(within, func() (net.Conn, error) { return s.client.config.Dial(within, sample.Seen) })
		if err == nil {
			s.client.answerProofOn(within, conn)
		}
	})
	arrived := natbehavior.No
	conn, err := retryRefused(within, func() (net.Conn, error) {
		return s.client.config.DialSample(within, sample.Local, s.state.Observed, func() {})
	})
	if err == nil {
		if s.client.isSelf(within, conn) {
			arrived = natbehavior.Yes
		}
		abort(conn)
	}
	cancel()
	back.Wait()
	if ctx.Err() != nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.of(s.state.Remote.Addr()).Hairpin = arrived
}

// mayBeOurs tells whether an endpoint at which a server says that it sees this node may be dialled: no port or address that is never, and no
// private one, behind which are others of this node's network, unless the server is inside.
func mayBeOurs(seen, server netip.AddrPort) bool {
	addr := seen.Addr()
	return seen.Port() >= 1024 && candidate.Dialable(addr) && (!candidate.Private(addr) || candidate.Private(server.Addr()))
}

// retryRefused dials a few times, until ctx ends.
func retryRefused(ctx context.Context, dial func() (net.Conn, error)) (conn net.Conn, err error) {
	for i := range hairpinTries {
		if conn, err = dial(); err == nil || !pause(ctx, samplePause<<i) {
			break
		}
	}
	return conn, err
}

// isSelf reports whether this node is at the other end of conn.
func (c *Client) isSelf(ctx context.Context, conn net.Conn) bool {
	defer context.AfterFunc(ctx, func() { conn.SetDeadline(time.Unix(1, 0)) })()
	challenge := wire.Preface{Kind: wire.Proof}
	rand.Read(challenge.Challenge[:]) // never fails
	if _, err := conn.Write(challenge.Append(nil)); err != nil {
		return false
	}
	answer := make([]byte, wire.ProofLen)
	_, err := io.ReadFull(conn, answer)
	return err == nil && bytes.Equal(answer, wire.Answer(c.proofKey[:], challenge.Challenge[:]))
}

// answerProofOn answers the challenge on a connection that this node opened, and closes it.
func (c *Client) answerProofOn(ctx context.Context, conn net.Conn) {
	defer abort(conn)
	defer context.AfterFunc(ctx, func() { conn.SetDeadline(time.Unix(1, 0)) })()
	preface := make([]byte, wire.PrefaceLen)
	if _, err := io.ReadFull(conn, preface); err != nil {
		return
	}
	if p, err := wire.ParsePreface(preface); err == nil && p.Kind == wire.Proof {
		conn.Write(c.AnswerProof(p.Challenge))
		conn.Read(preface) // until the other end closes
	}
}
