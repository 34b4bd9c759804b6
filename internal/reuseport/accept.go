package reuseport

import (
	"net"
	"net/netip"
)

// acceptQueue is how many connections wait for Accept outside of the kernel. They
// are taken from there before they are asked for only so that Check can find its
// own among them.
const acceptQueue = 16

// An acceptance is what a listener gave: a connection, or the reason for none.
type acceptance struct {
	conn net.Conn
	err  error
}

// Accept waits for the next connection, from either family. Anybody may have made
// it. The caller closes it.
//
// After Close the error matches [net.ErrClosed]. Any other error concerns one
// connection or passes (too many open files): accept again, after a pause.
func (p *Port) Accept() (net.Conn, error) {
	if err := p.startAccepting(); err != nil {
		return nil, err
	}
	select {
	case <-p.closing:
		return nil, net.ErrClosed
	case a := <-p.accepted:
		return a.conn, a.err
	}
}

// startAccepting starts one accept loop a family, once. Close waits for them.
func (p *Port) startAccepting() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return net.ErrClosed
	}
	if p.accepting {
		return nil
	}
	p.accepting = true
	for _, l := range p.listeners {
		p.work.Go(func() { p.acceptLoop(l) })
	}
	return nil
}

// acceptLoop hands on what l accepts until the port closes.
func (p *Port) acceptLoop(l *net.TCPListener) {
	for {
		conn, err := l.AcceptTCP()
		a := acceptance{err: err}
		if err == nil {
			if p.deliverExpected(conn) {
				continue
			}
			a.conn = conn
		}
		select {
		case p.accepted <- a:
		case <-p.closing:
			if a.conn != nil {
				_ = a.conn.Close()
			}
			return
		}
	}
}

// expect makes the next connection from remote go to the returned channel instead
// of Accept, until forget is called.
func (p *Port) expect(remote netip.AddrPort) (conn <-chan net.Conn, forget func()) {
	c := make(chan net.Conn, 1)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.expected[remote] = c
	return c, func() {
		p.mu.Lock()
		delete(p.expected, remote)
		p.mu.Unlock()
		select {
		case late := <-c:
			_ = late.Close()
		default:
		}
	}
}

// deliverExpected gives conn to whoever expects it and reports whether someone did.
func (p *Port) deliverExpected(conn *net.TCPConn) bool {
	remote := remoteAddrPort(conn)
	p.mu.Lock()
	defer p.mu.Unlock()
	c, ok := p.expected[remote]
	if ok {
		delete(p.expected, remote)
		c <- conn // has room for the one connection it can get
	}
	return ok
}

// dropAccepted closes what was accepted but never asked for. The accept loops
// have ended.
func (p *Port) dropAccepted() {
	for {
		select {
		case a := <-p.accepted:
			if a.conn != nil {
				_ = a.conn.Close()
			}
		default:
			return
		}
	}
}

// remoteAddrPort returns the address of the other end, an IPv4 one in its own form.
func remoteAddrPort(c net.Conn) netip.AddrPort {
	a, ok := c.RemoteAddr().(*net.TCPAddr)
	if !ok {
		return netip.AddrPort{}
	}
	ap := a.AddrPort()
	return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
}
