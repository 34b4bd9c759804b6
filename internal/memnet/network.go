package memnet

import (
	"context"
	"net"
	"net/netip"
	"os"
	"sync"
	"syscall"
	"time"
)

// resend is how long a SYN waits until it is sent again.
const resend = time.Second

// A Network is hosts that can reach each other.
type Network struct {
	delay time.Duration // one way, between any two

	mu      sync.Mutex
	hosts   map[netip.Addr]*Host
	blocked map[[2]*Host]bool
	open    int // ends that nobody has closed
}

// New makes a network whose bytes take delay from any host to any other.
func New(delay time.Duration) *Network {
	return &Network{delay: delay, hosts: map[netip.Addr]*Host{}, blocked: map[[2]*Host]bool{}}
}

// Open is how many ends of connections nobody has closed.
func (n *Network) Open() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.open
}

// Block cuts the way between two hosts, or opens it again.
func (n *Network) Block(a, b *Host, cut bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.blocked[[2]*Host{a, b}], n.blocked[[2]*Host{b, a}] = cut, cut
}

// A tuple is a connection as one of its ends sees it.
type tuple struct{ local, remote netip.AddrPort }

func (t tuple) reversed() tuple { return tuple{t.remote, t.local} }

// A dial is a SYN that was sent.
type dial struct {
	opened chan *conn // gets the connection that a crossing SYN makes
}

// A Host has an address, connections and listeners.
type Host struct {
	network *Network
	guarded bool
	changes chan struct{}

	// Guarded by network.mu.
	addr      netip.Addr
	cut       bool
	next      uint16
	conns     map[tuple]*conn
	dials     map[tuple]*dial
	listeners map[uint16]*Listener
	age       time.Duration          // see EndMappings
	idle      time.Duration          // see ForgetIdle
	mapped    map[uint16]*time.Timer // ports that a SYN has left from lately, if mappings end at an age
}

// Host adds one. A guarded host takes no connection from where it does not connect to itself.
func (n *Network) Host(addr netip.Addr, guarded bool) *Host {
	h := &Host{network: n, guarded: guarded, changes: make(chan struct{}, 1), addr: addr, next: 40000,
		conns: map[tuple]*conn{}, dials: map[tuple]*dial{}, listeners: map[uint16]*Listener{}, mapped: map[uint16]*time.Timer{}}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.hosts[addr] = h
	return h
}

// Addr is the host's address now.
func (h *Host) Addr() netip.Addr {
	h.network.mu.Lock()
	defer h.network.mu.Unlock()
	return h.addr
}

// Changes has something after the host's address changed, or it woke up.
func (h *Host) Changes() <-chan struct{} { return h.changes }

// Move gives the host another address. Its connections go silent.
func (h *Host) Move(addr netip.Addr) {
	h.Silence()
	h.network.mu.Lock()
	delete(h.network.hosts, h.addr)
	h.addr = addr
	h.network.hosts[addr] = h
	h.network.mu.Unlock()
	h.Wake()
}

// Wake has something come by Changes, as after the machine has slept.
func (h *Host) Wake() {
	select {
	case h.changes <- struct{}{}:
	default:
	}
}

// Cut takes the host off the network, or puts it back. What is sent meanwhile is lost, and its connections with it.
func (h *Host) Cut(cut bool) {
	h.Silence()
	h.network.mu.Lock()
	defer h.network.mu.Unlock()
	h.cut = cut
}

// Silence has the network forget all connections of the host: nothing comes through on them any more, and nobody is told.
func (h *Host) Silence() { h.each((*conn).silence) }

// Reset ends all connections of the host, at both ends.
func (h *Host) Reset() { h.each((*conn).reset) }

// EndMappings has the network forget all connections of a port at an age, however busy they are: that long after the first SYN left from
// the port, or the first since the network forgot it; those that are open, so long after now. Zero, as at first, means never.
func (h *Host) EndMappings(age time.Duration) {
	h.network.mu.Lock()
	defer h.network.mu.Unlock()
	h.age = age
	for port, ends := range h.mapped {
		ends.Stop()
		delete(h.mapped, port)
	}
	for t := range h.conns {
		h.leave(t.local.Port())
	}
}

// ForgetIdle has the network forget connections of the host on which nothing was sent for so long, either way. Zero, as at first, means never.
func (h *Host) ForgetIdle(after time.Duration) {
	h.network.mu.Lock()
	defer h.network.mu.Unlock()
	h.idle = after
}

// leave notes that a SYN leaves from a port. The caller holds mu.
func (h *Host) leave(port uint16) {
	if h.age == 0 || h.mapped[port] != nil {
		return
	}
	h.mapped[port] = time.AfterFunc(h.age, func() {
		h.network.mu.Lock()
		defer h.network.mu.Unlock()
		delete(h.mapped, port)
		for t, c := range h.conns {
			if t.local.Port() == port {
				c.silence()
				c.peer.silence()
			}
		}
	})
}

func (h *Host) each(do func(*conn)) {
	h.network.mu.Lock()
	defer h.network.mu.Unlock()
	for _, c := range h.conns {
		do(c)
		do(c.peer)
	}
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
