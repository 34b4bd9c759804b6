package natlab

import (
	"math/rand/v2"
	"net/netip"
	"slices"
	"time"
)

// A nat is the logic of one NAT, or of one stateful firewall: packets and the time go in, packets
// come out. It has no goroutine, socket or clock, and is not safe for concurrent use.
//
// It handles the IP families of its external addresses; without translation it handles both.
type nat struct {
	behavior Behavior
	timeouts Timeouts
	external []netip.Addr
	rng      *rand.Rand // for ports and addresses
	tables
	out verdict // the one returned last; its slices are used again
}

// verdict is what a NAT sends after a packet or timer: translated packets, and answers of its own.
// It is good until the next call of a method of the same nat.
type verdict struct {
	inside, outside [][]byte
}

// newNAT returns a NAT with the given external addresses: none for PortUntranslated. It draws
// random ports from rng.
func newNAT(b Behavior, external []netip.Addr, rng *rand.Rand) *nat {
	return &nat{
		behavior: b,
		timeouts: b.Timeouts.withDefaults(),
		external: slices.Clone(external),
		rng:      rng,
		tables:   newTables(),
	}
}

// reboot forgets everything, as a router does that loses power.
func (n *nat) reboot() {
	n.tables = newTables()
}

// setExternal changes the external addresses, as a provider does at night. Mappings on addresses
// that stay are kept.
func (n *nat) setExternal(addrs []netip.Addr) {
	n.external = slices.Clone(addrs)
	for _, s := range n.outgoing {
		if !n.isExternal(s.external.Addr()) {
			n.remove(s)
		}
	}
	n.held = heldSYNs{}
}

// outbound takes a packet from the inside. It may change pkt, which the caller gives up.
func (n *nat) outbound(now time.Time, pkt []byte) verdict {
	n.clear()
	p, ok := parse(pkt)
	switch {
	case !ok:
	case p.isError():
		n.errorFromInside(now, &p)
	case !n.carries(&p):
	case n.isExternal(p.to.Addr()):
		n.hairpin(now, &p)
	case n.translateOut(now, &p):
		n.sendOutside(p.raw)
	}
	return n.out
}

// inbound takes a packet from the outside. It may change pkt, which the caller gives up.
func (n *nat) inbound(now time.Time, pkt []byte) verdict {
	n.clear()
	p, ok := parse(pkt)
	switch {
	case !ok:
	case p.isError():
		n.errorFromOutside(now, &p)
	case !n.carries(&p):
	case !n.translates(), n.isExternal(p.to.Addr()):
		if n.translateIn(now, &p) {
			n.sendInside(p.raw)
		} else {
			n.sendOutside(n.answer(now, &p))
		}
	}
	return n.out
}

// expire takes the passing of time. It is to be called at the time that next tells.
func (n *nat) expire(now time.Time) verdict {
	n.clear()
	n.answerHeld(now)
	return n.out
}

// next tells when something will be due that only expire does.
func (n *nat) next() (time.Time, bool) {
	return n.held.next()
}

// translateOut makes a packet from inside ready for the outside. It reports false if the packet is
// to be dropped.
func (n *nat) translateOut(now time.Time, p *packet) bool {
	s := n.live(n.outgoing[flowKey{p.protocol, p.from, p.to}], now)
	if s != nil {
		switch n.follow(now, s, p, true) {
		case segmentRefused:
			return false
		case segmentReopens:
			n.remove(s)
			s = nil
		}
	}
	if s == nil {
		if s = n.open(now, p); s == nil {
			return false
		}
	}
	p.setSrc(s.external)
	if p.isSYN() {
		n.held.cancel(flowKey{p.protocol, p.from, p.to})
	}
	return true
}

// translateIn makes a packet from outside ready for the inside. It reports false if the packet is
// unsolicited.
func (n *nat) translateIn(now time.Time, p *packet) bool {
	s := n.live(n.incoming[flowKey{p.protocol, p.to, p.from}], now)
	if s != nil {
		switch n.follow(now, s, p, false) {
		case segmentRefused:
			return false
		case segmentReopens:
			n.remove(s)
			s = nil
		}
	}
	if s == nil {
		if s = n.admit(now, p); s == nil {
			return false
		}
	}
	p.setDst(s.internal)
	return true
}

// carries reports whether packets of this kind pass at all.
func (n *nat) carries(p *packet) bool {
	switch p.protocol {
	case protoTCP:
		return true
	case protoUDP:
		return !n.behavior.BlockUDP
	default:
		return p.isEchoRequest() || p.isEchoReply()
	}
}

func (n *nat) translates() bool { return n.behavior.Allocation != PortUntranslated }

func (n *nat) isExternal(addr netip.Addr) bool { return slices.Contains(n.external, addr) }

// clear empties the verdict for the next call.
func (n *nat) clear() {
	n.out.inside, n.out.outside = n.out.inside[:0], n.out.outside[:0]
}

// sendInside adds a packet to the verdict; nil is no packet.
func (n *nat) sendInside(b []byte) {
	if b != nil {
		n.out.inside = append(n.out.inside, b)
	}
}

// sendOutside adds a packet to the verdict; nil is no packet.
func (n *nat) sendOutside(b []byte) {
	if b != nil {
		n.out.outside = append(n.out.outside, b)
	}
}
