package natlab

import (
	"maps"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

// A network joins ports: the internet in the middle of the lab, which is a router, or the inside of one NAT, which is a switch.
type network struct {
	name     string
	lab      *Lab
	owner    *NAT           // nil for the internet
	prefixes []netip.Prefix // of the NAT's inside; the NAT has the first address of each

	mu    sync.Mutex // serialises changes of the table
	table atomic.Pointer[table]
}

// A table tells where packets go. It is replaced, never changed.
type table struct {
	hosts    map[netip.Addr]*port
	prefixes map[netip.Prefix]*port // routed to a port as a whole, looked up after hosts
	gateway  *port                  // gets what belongs to nobody; may be nil
	delays   map[[2]*port]time.Duration
}

func newNetwork(l *Lab, name string) *network {
	n := &network{name: name, lab: l}
	n.table.Store(&table{})
	return n
}

// change replaces the table by a copy that edit has changed.
func (n *network) change(edit func(*table) error) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	old := n.table.Load()
	t := &table{maps.Clone(old.hosts), maps.Clone(old.prefixes), old.gateway, maps.Clone(old.delays)}
	if t.hosts == nil {
		t.hosts, t.prefixes = map[netip.Addr]*port{}, map[netip.Prefix]*port{}
		t.delays = map[[2]*port]time.Duration{}
	}
	if err := edit(t); err != nil {
		return err
	}
	n.table.Store(t)
	return nil
}

// lookup returns the port that owns an address, nil if none does.
func (t *table) lookup(a netip.Addr) *port {
	if p := t.hosts[a]; p != nil {
		return p
	}
	for prefix, p := range t.prefixes {
		if prefix.Contains(a) {
			return p
		}
	}
	return nil
}

// delay is that of the whole way between two ports.
func (t *table) delay(from, to *port) time.Duration {
	if d, ok := t.delays[[2]*port{from, to}]; ok {
		return d
	}
	return from.link.Load().Delay + to.link.Load().Delay
}

// carry takes a packet from a port to where it goes.
func (n *network) carry(from *port, f *frame) {
	p, ok := parse(f.data)
	if !ok || isLocal(p.dst().Addr()) {
		f.free() // what a kernel tells its neighbours, such as multicast listener reports
		return
	}
	t := n.table.Load()
	to := t.lookup(p.dst().Addr())
	if to == nil && from != t.gateway {
		to = t.gateway
	}
	fate := n.fate(t, from, to, &p)
	if fate == Expired {
		n.lab.trace.record(n, from, to, f, &p, fate)
		if answer := icmpTimeExceeded(&p, n.address(&p)); answer != nil {
			n.answer(from, answer)
		}
		f.free()
		return
	}
	if fate != Carried {
		n.lab.trace.record(n, from, to, f, &p, fate)
		f.free()
		return
	}
	if f.gso > 0 && !(from.link.Load().plain() && to.link.Load().plain()) {
		for _, segment := range f.split(&n.lab.frames) {
			n.transmit(t, from, to, segment)
		}
		return
	}
	n.transmit(t, from, to, f)
}

// fate decides what becomes of a packet before chance has a say.
func (n *network) fate(t *table, from, to *port, p *packet) Fate {
	source := t.lookup(p.src().Addr())
	switch {
	case source != from && from != t.gateway:
		return Spoofed
	case to == nil || to == from:
		return Unrouted
	case from.cut.Load() || to.cut.Load():
		return Cut
	case n.owner == nil && !p.takeHop():
		return Expired
	}
	return Carried
}

// transmit puts a packet on the links of both ends.
func (n *network) transmit(t *table, from, to *port, f *frame) {
	p, ok := parse(f.data)
	if !ok {
		f.free()
		return
	}
	ready, ok := from.up.pass(from.link.Load(), len(f.data), n.lab.now())
	fate := Carried
	if !ok {
		fate = Lost
	}
	// Recorded before it may arrive, so that an answer is never recorded before what it answers.
	n.lab.trace.record(n, from, to, f, &p, fate)
	if !ok || !to.accept(from, f, ready, t.delay(from, to)) {
		f.free()
	}
}

// answer sends a packet of the network's own router to a port.
func (n *network) answer(to *port, packet []byte) {
	f := n.lab.frames.clone(packet)
	if !to.accept(nil, f, n.lab.now(), 2*to.link.Load().Delay) {
		f.free()
	}
}

// address is the router's own, in the family of p.
func (n *network) address(p *packet) netip.Addr {
	for _, prefix := range n.prefixes {
		if prefix.Addr().Is4() == p.is4() {
			return prefix.Addr().Next()
		}
	}
	if p.is4() {
		return netip.AddrFrom4([4]byte{198, 18, 0, 1}) // RFC 2544
	}
	return netip.AddrFrom16([16]byte{0x20, 0x01, 0, 2, 15: 1}) // RFC 5180
}

// isLocal reports whether packets to a never leave the link they are sent on.
func isLocal(a netip.Addr) bool {
	return a.IsMulticast() || a.IsLinkLocalUnicast() || a == netip.AddrFrom4([4]byte{255, 255, 255, 255})
}
