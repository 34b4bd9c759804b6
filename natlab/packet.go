package natlab

import (
	"encoding/binary"
	"net/netip"
	"strings"
)

// protocol is an IP protocol number.
type protocol uint8

const (
	protoICMP   protocol = 1
	protoTCP    protocol = 6
	protoUDP    protocol = 17
	protoICMPv6 protocol = 58
)

// tcpFlags are the control bits of a TCP header (RFC 9293, section 3.1).
type tcpFlags uint8

const (
	flagFIN tcpFlags = 1 << iota
	flagSYN
	flagRST
	flagPSH
	flagACK
	flagURG
)

// has reports whether all of want are set.
func (f tcpFlags) has(want tcpFlags) bool { return f&want == want }

// String joins the names of the flags, such as "SYN+ACK".
func (f tcpFlags) String() string {
	var names []string
	for i, name := range []string{"FIN", "SYN", "RST", "PSH", "ACK", "URG"} {
		if f.has(1 << i) {
			names = append(names, name)
		}
	}
	return strings.Join(names, "+")
}

// A packet is a parsed view of one unfragmented IPv4 or IPv6 packet with a TCP, UDP or ICMP
// payload. It keeps no copy: setSrc and setDst write into the bytes that were parsed.
type packet struct {
	raw       []byte // from the first byte of the IP header to the last of its payload
	transport int    // where the transport header starts in raw
	protocol  protocol
	from, to  netip.AddrPort
}

// parse reads the headers of an IP packet. It refuses what no NAT here can translate: fragments,
// other protocols, and headers that do not fit into b. Bytes after the IP packet are cut off.
//
// It does not verify checksums: they are carried along, right or wrong, as a NAT does.
func parse(b []byte) (packet, bool) {
	p, ok := parseIP(b)
	if !ok || len(p.raw) < ipLength(p.raw) {
		return packet{}, false
	}
	p.raw = p.raw[:ipLength(p.raw)]
	if !p.parseTransport() || !p.isWhole() {
		return packet{}, false
	}
	return p, true
}

// parseQuoted reads the packet quoted by an ICMP error, which may end 8 bytes after its IP header
// (RFC 792).
func parseQuoted(b []byte) (packet, bool) {
	p, ok := parseIP(b)
	if !ok || !p.parseTransport() {
		return packet{}, false
	}
	return p, true
}

func parseIP(b []byte) (packet, bool) {
	if len(b) == 0 {
		return packet{}, false
	}
	switch b[0] >> 4 {
	case 4:
		return parseIPv4(b)
	case 6:
		return parseIPv6(b)
	}
	return packet{}, false
}

func parseIPv4(b []byte) (packet, bool) {
	if len(b) < 20 {
		return packet{}, false
	}
	header := int(b[0]&0x0f) * 4
	if header < 20 || len(b) < header || ipLength(b) < header {
		return packet{}, false
	}
	const moreFragmentsAndOffset = 0x3fff
	if binary.BigEndian.Uint16(b[6:])&moreFragmentsAndOffset != 0 {
		return packet{}, false
	}
	return packet{
		raw:       b,
		transport: header,
		protocol:  protocol(b[9]),
		from:      netip.AddrPortFrom(netip.AddrFrom4([4]byte(b[12:])), 0),
		to:        netip.AddrPortFrom(netip.AddrFrom4([4]byte(b[16:])), 0),
	}, true
}

func parseIPv6(b []byte) (packet, bool) {
	if len(b) < 40 {
		return packet{}, false
	}
	next, at, ok := skipExtensions(b)
	if !ok || ipLength(b) < at {
		return packet{}, false
	}
	return packet{
		raw:       b,
		transport: at,
		protocol:  next,
		from:      netip.AddrPortFrom(netip.AddrFrom16([16]byte(b[8:])), 0),
		to:        netip.AddrPortFrom(netip.AddrFrom16([16]byte(b[24:])), 0),
	}, true
}

// skipExtensions walks the extension headers of RFC 8200, section 4, and tells which protocol
// follows them, and where. It refuses fragments.
func skipExtensions(b []byte) (next protocol, at int, ok bool) {
	const hopByHop, routing, fragment, destination = 0, 43, 44, 60
	next, at = protocol(b[6]), 40
	for {
		switch next {
		case hopByHop, routing, destination:
			if len(b) < at+8 {
				return 0, 0, false
			}
			next, at = protocol(b[at]), at+8+8*int(b[at+1])
		case fragment:
			return 0, 0, false
		default:
			return next, at, len(b) >= at
		}
	}
}

// ipLength is the length of the whole IP packet by its own header.
func ipLength(b []byte) int {
	if b[0]>>4 == 4 {
		return int(binary.BigEndian.Uint16(b[2:]))
	}
	return 40 + int(binary.BigEndian.Uint16(b[4:]))
}

// parseTransport reads the ports, or the identifier of an ICMP echo, which belongs to the side
// that asked: it is the source port of a request and the destination port of a reply.
func (p *packet) parseTransport() bool {
	switch p.protocol {
	case protoTCP, protoUDP:
	case protoICMP, protoICMPv6:
		if p.is4() != (p.protocol == protoICMP) {
			return false
		}
	default:
		return false
	}
	if len(p.raw) < p.transport+8 {
		return false
	}
	if at := p.srcPortAt(); at > 0 {
		p.from = netip.AddrPortFrom(p.from.Addr(), binary.BigEndian.Uint16(p.raw[at:]))
	}
	if at := p.dstPortAt(); at > 0 {
		p.to = netip.AddrPortFrom(p.to.Addr(), binary.BigEndian.Uint16(p.raw[at:]))
	}
	return true
}

// isWhole reports whether the transport header fits into the packet.
func (p *packet) isWhole() bool {
	if p.protocol != protoTCP {
		return true // 8 bytes, which parseTransport demands
	}
	b := p.raw[p.transport:]
	return len(b) >= 20 && p.tcpHeader() >= 20 && p.tcpHeader() <= len(b)
}

func (p *packet) is4() bool { return p.raw[0]>>4 == 4 }

// src is the address and port, or echo identifier, the packet comes from. Zero port: it has none.
func (p *packet) src() netip.AddrPort { return p.from }

// dst is the address and port, or echo identifier, the packet goes to. Zero port: it has none.
func (p *packet) dst() netip.AddrPort { return p.to }

// srcPortAt is where the source port is in raw, or zero if there is none.
func (p *packet) srcPortAt() int {
	switch {
	case p.protocol == protoTCP, p.protocol == protoUDP:
		return p.transport
	case p.isEchoRequest():
		return p.transport + 4
	}
	return 0
}

// dstPortAt is where the destination port is in raw, or zero if there is none.
func (p *packet) dstPortAt() int {
	switch {
	case p.protocol == protoTCP, p.protocol == protoUDP:
		return p.transport + 2
	case p.isEchoReply():
		return p.transport + 4
	}
	return 0
}
