package natlab

import (
	"encoding/binary"
	"net/netip"
)

// tcpReset answers a TCP segment the way a host does for which there is no such connection
// (RFC 9293, section 3.10.7.1). It is nil for a segment that is a reset itself.
func tcpReset(p *packet) []byte {
	if p.protocol != protoTCP || p.flags().has(flagRST) {
		return nil
	}
	header := make([]byte, 20)
	binary.BigEndian.PutUint16(header[0:], p.to.Port())
	binary.BigEndian.PutUint16(header[2:], p.from.Port())
	header[12] = 5 << 4
	if p.flags().has(flagACK) {
		binary.BigEndian.PutUint32(header[4:], p.ack())
		header[13] = byte(flagRST)
	} else {
		binary.BigEndian.PutUint32(header[8:], p.end())
		header[13] = byte(flagRST | flagACK)
	}
	return ipPacket(protoTCP, p.to.Addr(), p.from.Addr(), header)
}

// The codes of ICMP destination unreachable that are used here (RFC 792; RFC 1812, section 5.2.7.1).
const (
	unreachablePort       byte = 3
	unreachableProhibited byte = 13
)

// icmpUnreachable answers a packet with destination unreachable, in the name of its destination.
// The code is that of IPv4; for IPv6 its counterpart in RFC 4443, section 3.1, is sent.
func icmpUnreachable(p *packet, code byte) []byte {
	if p.is4() {
		return icmpError(p, p.to.Addr(), 3, code)
	}
	v6Code := map[byte]byte{unreachablePort: 4, unreachableProhibited: 1}[code]
	return icmpError(p, p.to.Addr(), 1, v6Code)
}

// icmpTimeExceeded answers a packet whose last hop was the given router.
func icmpTimeExceeded(p *packet, router netip.Addr) []byte {
	if p.is4() {
		return icmpError(p, router, 11, 0)
	}
	return icmpError(p, router, 3, 0)
}

// icmpError builds an error from a router about p. It is nil about an ICMP error, which must not be
// answered (RFC 1122, section 3.2.2).
func icmpError(p *packet, from netip.Addr, kind, code byte) []byte {
	if p.isError() {
		return nil
	}
	// As much of the packet as fits the minimum every host can take in: RFC 1812, section 4.3.2.3,
	// and RFC 4443, section 3.1.
	number, room := protoICMP, 576-20-8
	if !p.is4() {
		number, room = protoICMPv6, 1280-40-8
	}
	body := make([]byte, 8, 8+room)
	body[0], body[1] = kind, code
	body = append(body, p.raw[:min(room, len(p.raw))]...)
	return ipPacket(number, from, p.from.Addr(), body)
}

// ipPacket puts an IP header before a transport header and payload, and fills in all checksums.
func ipPacket(number protocol, from, to netip.Addr, body []byte) []byte {
	const hopLimit = 64
	p := packet{protocol: number}
	if to.Is4() {
		p.transport = 20
		p.raw = make([]byte, 20, 20+len(body))
		p.raw[0] = 4<<4 | 5
		binary.BigEndian.PutUint16(p.raw[2:], uint16(20+len(body)))
		p.raw[8], p.raw[9] = hopLimit, byte(number)
		copy(p.raw[12:], from.AsSlice())
		copy(p.raw[16:], to.AsSlice())
	} else {
		p.transport = 40
		p.raw = make([]byte, 40, 40+len(body))
		p.raw[0] = 6 << 4
		binary.BigEndian.PutUint16(p.raw[4:], uint16(len(body)))
		p.raw[6], p.raw[7] = byte(number), hopLimit
		copy(p.raw[8:], from.AsSlice())
		copy(p.raw[24:], to.AsSlice())
	}
	p.raw = append(p.raw, body...)
	p.fillSums()
	return p.raw
}

// takeHop lowers the hop limit by one, as every router does. It reports false, and changes nothing,
// if the packet ends here: the router then drops it and may answer with icmpTimeExceeded.
func (p *packet) takeHop() bool {
	at := 8
	if !p.is4() {
		at = 7
	}
	if p.raw[at] <= 1 {
		return false
	}
	if p.is4() {
		old := [2]byte(p.raw[8:10])
		updateSum(p.raw[10:12], old[:], []byte{old[0] - 1, old[1]})
	}
	p.raw[at]--
	return true
}
