package natlab

import (
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

// A network joins ports: the internet in the middle of the lab, which is a router, or the inside of
// one NAT, which is a switch.
type network struct {
	name     string
	lab      *Lab
	owner    *NAT           // nil for the internet
	prefixes []netip.Prefix // of the NAT's inside; the NAT has the first address of each

	mu    sync.Mutex // serialises changes of the table
	table atomic.Pointer[table]
}

func newNetwork(l *Lab, name string, owner *NAT) *network {
	n := &network{name: name, lab: l, owner: owner}
	n.table.Store(newTable())
	return n
}

// carry takes a packet from a port to where it goes.
func (n *network) carry(from *port, f *frame) {
	p, ok := parse(f.data)
	t := n.table.Load()
	switch {
	case ok && n.owner != nil && p.protocol == protoUDP && p.dst().Addr().IsMulticast():
		n.flood(t, from, f, &p)
		return
	case !ok || isLocal(p.dst().Addr()):
		f.free() // what a kernel tells its neighbours, such as multicast listener reports
		return
	}
	to := t.route(from, p.dst().Addr())
	fate := n.fate(t, from, to, &p)
	switch {
	case fate != Carried:
		n.lab.trace.record(n, from, to, f, &p, fate)
		if fate == Expired {
			n.answer(from, icmpTimeExceeded(&p, n.address(&p)))
		}
		f.free()
	case f.gso > 0 && !(t.losses[[2]*port{from, to}] == 0 && mayStayOne(&p, from, to)):
		for _, segment := range f.split(&n.lab.frames) {
			n.transmit(t, from, to, segment)
		}
	default:
		n.transmit(t, from, to, f)
	}
}

// mayStayOne reports whether it makes no difference that several segments are one packet.
func mayStayOne(p *packet, from, to *port) bool {
	return p.protocol == protoTCP && from.link.Load().plain() && to.link.Load().plain()
}

// flood takes a multicast packet to everybody else on the switch, as those do that do not look into IGMP. Who has not joined
// the group passes it over.
func (n *network) flood(t *table, from *port, f *frame, p *packet) {
	defer f.free()
	if from != t.gateway && t.owner(p.src().Addr()) != from || from.cut.Load() {
		return
	}
	others := map[*port]bool{t.gateway: true}
	for _, to := range t.hosts {
		others[to] = true
	}
	for to := range others {
		if to != nil && to != from && !to.cut.Load() && !t.cuts[[2]*port{from, to}] {
			n.transmit(t, from, to, n.lab.frames.clone(f.data))
		}
	}
}

// fate decides what becomes of a packet before chance has a say.
func (n *network) fate(t *table, from, to *port, p *packet) Fate {
	switch {
	case from != t.gateway && t.owner(p.src().Addr()) != from:
		return Spoofed
	case to == nil || to == from:
		return Unrouted
	case from.cut.Load() || to.cut.Load() || t.cuts[[2]*port{from, to}]:
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
	link := from.link.Load()
	ready, ok := from.up.pass(link, link.lane(&p), len(f.data), n.lab.now())
	ok = ok && !from.up.loses(t.losses[[2]*port{from, to}])
	var due time.Duration
	var paid bool
	if ok {
		due, paid, ok = to.reserve(from, len(f.data), ready+t.delay(from, to))
	}
	if !ok {
		n.lab.trace.record(n, from, to, f, &p, Lost)
		f.free()
		return
	}
	// Recorded before it can arrive, so that no answer is recorded before what it answers.
	n.lab.trace.record(n, from, to, f, &p, Carried)
	to.accept(f, due, paid)
}

// answer sends a packet of the network's own router, if there is one to send, to a port.
func (n *network) answer(to *port, packet []byte) {
	if packet != nil {
		to.accept(n.lab.frames.clone(packet), n.lab.now()+2*to.link.Load().Delay, true)
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
	broadcast := netip.AddrFrom4([4]byte{255, 255, 255, 255})
	return a.IsMulticast() || a.IsLinkLocalUnicast() || a == broadcast
}
