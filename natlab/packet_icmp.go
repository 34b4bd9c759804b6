package natlab

import (
	"bytes"
	"net/netip"
)

// isEchoRequest reports whether the packet is a ping.
func (p *packet) isEchoRequest() bool {
	return p.isICMP(8, 128)
}

// isEchoReply reports whether the packet answers a ping.
func (p *packet) isEchoReply() bool {
	return p.isICMP(0, 129)
}

// isICMP reports whether the packet is ICMP of type v4 or ICMPv6 of type v6.
func (p *packet) isICMP(v4, v6 byte) bool {
	return p.protocol == protoICMP && p.raw[p.transport] == v4 ||
		p.protocol == protoICMPv6 && p.raw[p.transport] == v6
}

// isError reports whether the packet is an ICMP error, which quotes the packet it is about:
// unreachable, too big, time exceeded, parameter problem (RFC 792; RFC 4443).
func (p *packet) isError() bool {
	return p.isICMP(3, 1) || p.isICMP(11, 3) || p.isICMP(12, 4) || p.isICMP(3, 2)
}

// quoted is the packet an ICMP error is about. It shares the error's bytes, but must be changed by
// setQuotedSrc and setQuotedDst only, which keep the error's own checksum right.
func (p *packet) quoted() (packet, bool) {
	return parseQuoted(p.raw[p.transport+8:])
}

// setQuotedSrc changes the source of the packet an ICMP error quotes (RFC 5508, section 4).
func (p *packet) setQuotedSrc(to netip.AddrPort) {
	p.editQuoted(func(q *packet) { q.setSrc(to) })
}

// setQuotedDst changes the destination of the packet an ICMP error quotes (RFC 5508, section 4).
func (p *packet) setQuotedDst(to netip.AddrPort) {
	p.editQuoted(func(q *packet) { q.setDst(to) })
}

func (p *packet) editQuoted(edit func(*packet)) {
	q, ok := p.quoted()
	if !ok {
		return
	}
	before := bytes.Clone(q.raw)
	edit(&q)
	updateSum(p.raw[p.transport+2:p.transport+4], before, q.raw)
}
