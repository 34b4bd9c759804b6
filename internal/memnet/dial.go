package memnet

import (
	"context"
	"net"
	"net/netip"
	"os"
	"syscall"
	"time"
)

// A dial is a SYN that was sent.
type dial struct {
	opened chan *conn // gets the connection that a crossing SYN makes
}

// Port is a free port.
func (h *Host) Port() uint16 {
	h.network.mu.Lock()
	defer h.network.mu.Unlock()
	for {
		if h.next++; h.next < 20000 {
			h.next = 20000
		}
		if h.listeners[h.next] == nil {
			return h.next
		}
	}
}

// Dial connects from a port of the host. It sends its SYN again until it is answered or ctx ends.
func (h *Host) Dial(ctx context.Context, port uint16, remote netip.AddrPort) (net.Conn, error) {
	n := h.network
	n.mu.Lock()
	t := tuple{netip.AddrPortFrom(h.addr, port), remote}
	if h.conns[t] != nil || h.dials[t] != nil {
		n.mu.Unlock()
		return nil, failed(t, syscall.EADDRNOTAVAIL)
	}
	d := &dial{opened: make(chan *conn, 1)}
	h.dials[t] = d
	n.mu.Unlock()
	defer func() {
		n.mu.Lock()
		delete(h.dials, t)
		n.mu.Unlock()
	}()
	for wait := n.delay; ; wait = resend {
		timer := time.NewTimer(wait)
		select {
		case c := <-d.opened:
			timer.Stop()
			return c, nil
		case <-ctx.Done():
			timer.Stop()
			select {
			case c := <-d.opened: // it opened at this moment: nobody wants it
				c.Close()
			default:
			}
			return nil, failed(t, context.Cause(ctx))
		case <-timer.C:
		}
		c, err := h.syn(t, d)
		if err != nil {
			return nil, failed(t, err)
		}
		if c != nil {
			<-time.After(n.delay) // the answer
			return c, nil
		}
	}
}

func failed(t tuple, err error) error {
	if errno, ok := err.(syscall.Errno); ok {
		err = os.NewSyscallError("connect", errno)
	}
	return &net.OpError{Op: "dial", Net: "tcp", Source: net.TCPAddrFromAddrPort(t.local), Addr: net.TCPAddrFromAddrPort(t.remote), Err: err}
}

// syn is a SYN that arrives. It returns the connection if it opens one at a listener; nothing if it is not answered.
func (h *Host) syn(t tuple, d *dial) (*conn, error) {
	n := h.network
	n.mu.Lock()
	defer n.mu.Unlock()
	h.leave(t.local.Port())
	select {
	case c := <-d.opened: // crossed
		return c, nil
	default:
	}
	to := n.hosts[t.remote.Addr()]
	if to == nil || h.cut || to.cut || n.blocked[[2]*Host{h, to}] || h.addr != t.local.Addr() {
		return nil, nil
	}
	if old := to.conns[t.reversed()]; old != nil { // of a connection that this end has lost: the reset that it asks for ends it
		old.reset()
		return nil, nil
	}
	if other := to.dials[t.reversed()]; other != nil {
		near, far := n.pair(h, to, t)
		other.opened <- far
		return near, nil
	}
	if to.guarded {
		return nil, nil
	}
	l := to.listeners[t.remote.Port()]
	if l == nil {
		return nil, syscall.ECONNREFUSED
	}
	near, far := n.pair(h, to, t)
	select {
	case l.queue <- far:
		return near, nil
	default:
		near.drop()
		far.drop()
		return nil, nil
	}
}

// pair makes a connection. The caller holds mu.
func (n *Network) pair(from, to *Host, t tuple) (near, far *conn) {
	there, back := newLane(n.delay), newLane(n.delay)
	near = &conn{host: from, tuple: t, in: back, out: there}
	far = &conn{host: to, tuple: t.reversed(), in: there, out: back}
	near.peer, far.peer = far, near
	near.used, far.used = time.Now(), time.Now()
	from.conns[near.tuple], to.conns[far.tuple] = near, far
	n.open += 2
	return near, far
}
