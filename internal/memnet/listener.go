package memnet

import (
	"net"
	"net/netip"
	"sync"
)

// A Listener takes connections of one port.
type Listener struct {
	host  *Host
	port  uint16
	queue chan *conn
	done  chan struct{}
	once  sync.Once
}

// Listen listens on a port.
func (h *Host) Listen(port uint16) *Listener {
	l := &Listener{host: h, port: port, queue: make(chan *conn, 64), done: make(chan struct{})}
	h.network.mu.Lock()
	defer h.network.mu.Unlock()
	h.listeners[port] = l
	return l
}

// Accept waits for the next connection.
func (l *Listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.queue:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

// Close ends the listener, and resets connections that nobody has accepted.
func (l *Listener) Close() error {
	l.once.Do(func() {
		l.host.network.mu.Lock()
		delete(l.host.listeners, l.port)
		l.host.network.mu.Unlock()
		close(l.done)
		for {
			select {
			case c := <-l.queue:
				c.Close()
			default:
				return
			}
		}
	})
	return nil
}

// Addr is the address that the listener has now.
func (l *Listener) Addr() net.Addr {
	return net.TCPAddrFromAddrPort(netip.AddrPortFrom(l.host.Addr(), l.port))
}
