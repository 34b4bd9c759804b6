package natlab

import (
	"net/netip"
	"time"
)

// errorFromOutside translates an ICMP error about a packet that went out: its destination, and the
// source of the packet it quotes, become the internal endpoint (RFC 5382, REQ-9; RFC 5508, REQ-4).
// It leaves the session as it is (RFC 5382, REQ-10).
func (n *nat) errorFromOutside(now time.Time, p *packet) {
	q, ok := p.quoted()
	if !ok {
		return
	}
	s := n.live(n.incoming[flowKey{q.protocol, q.from, q.to}], now)
	if s == nil {
		return
	}
	p.setQuotedSrc(s.internal)
	p.setDst(netip.AddrPortFrom(s.internal.Addr(), 0))
	n.sendInside(p.raw)
}

// errorFromInside translates an ICMP error about a packet that came in: the destination of the
// packet it quotes becomes the external endpoint. So does the error's own source, even if it is a
// router inside, whose address means nothing outside.
func (n *nat) errorFromInside(now time.Time, p *packet) {
	q, ok := p.quoted()
	if !ok {
		return
	}
	s := n.live(n.outgoing[flowKey{q.protocol, q.to, q.from}], now)
	if s == nil {
		return
	}
	p.setQuotedDst(s.external)
	if n.translates() {
		p.setSrc(netip.AddrPortFrom(s.external.Addr(), 0))
	}
	if n.isExternal(p.to.Addr()) {
		n.errorFromOutside(now, p) // about a hairpinned packet
		return
	}
	n.sendOutside(p.raw)
}
