package memnet

import (
	"net/netip"
	"sync"
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
