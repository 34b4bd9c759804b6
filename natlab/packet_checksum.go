package natlab

import (
	"encoding/binary"
	"net/netip"
)

// sum adds b, as big-endian 16-bit words padded with a zero byte, to an unfolded ones' complement
// sum (RFC 1071). It is good for 64 KiB and more without overflow.
func sum(total uint64, b []byte) uint64 {
	for ; len(b) >= 2; b = b[2:] {
		total += uint64(binary.BigEndian.Uint16(b))
	}
	if len(b) == 1 {
		total += uint64(b[0]) << 8
	}
	return total
}

// fold brings a sum to 16 bits.
func fold(total uint64) uint16 {
	for total > 0xffff {
		total = total>>16 + total&0xffff
	}
	return uint16(total)
}

// updateSum corrects the checksum stored at field after old became new somewhere in what it
// covers, at an even offset: HC' = ~(~HC + ~m + m') of RFC 1624, section 3.
func updateSum(field, old, new []byte) {
	total := uint64(^binary.BigEndian.Uint16(field))
	total = sum(total, new)
	for ; len(old) >= 2; old = old[2:] {
		total += uint64(^binary.BigEndian.Uint16(old))
	}
	if len(old) == 1 {
		total += uint64(^(uint16(old[0]) << 8))
	}
	binary.BigEndian.PutUint16(field, ^fold(total))
}

// setSrc changes the source address and port, and every checksum that covers them.
// The address must be of the packet's own family. A packet without a port keeps none.
func (p *packet) setSrc(to netip.AddrPort) {
	at := 12
	if !p.is4() {
		at = 8
	}
	p.from = p.rewrite(at, p.srcPortAt(), to)
}

// setDst changes the destination address and port, and every checksum that covers them.
// The address must be of the packet's own family. A packet without a port keeps none.
func (p *packet) setDst(to netip.AddrPort) {
	at := 16
	if !p.is4() {
		at = 24
	}
	p.to = p.rewrite(at, p.dstPortAt(), to)
}

// rewrite stores an endpoint: its address at addrAt and its port at portAt, zero for nowhere.
// It returns what the packet now has.
func (p *packet) rewrite(addrAt, portAt int, to netip.AddrPort) netip.AddrPort {
	transportSum := p.transportSum()
	if p.is4() {
		addr := to.Addr().As4()
		p.store(addrAt, addr[:], p.raw[10:12], p.coversAddresses(transportSum))
	} else {
		addr := to.Addr().As16()
		p.store(addrAt, addr[:], nil, p.coversAddresses(transportSum))
	}
	if portAt == 0 {
		to = netip.AddrPortFrom(to.Addr(), 0)
	} else {
		var port [2]byte
		binary.BigEndian.PutUint16(port[:], to.Port())
		p.store(portAt, port[:], nil, transportSum)
	}
	// A computed zero is sent as all ones, because zero means "no checksum" (RFC 768).
	if p.protocol == protoUDP && transportSum != nil && transportSum[0]|transportSum[1] == 0 {
		transportSum[0], transportSum[1] = 0xff, 0xff
	}
	return to
}

// store writes value into raw and updates the checksums that cover it; nil ones are left out.
func (p *packet) store(at int, value, headerSum, transportSum []byte) {
	old := p.raw[at : at+len(value)]
	if headerSum != nil {
		updateSum(headerSum, old, value)
	}
	if transportSum != nil {
		updateSum(transportSum, old, value)
	}
	copy(old, value)
}

// transportSum is the checksum field of the transport header, nil if the packet has none:
// UDP over IPv4 may do without, and the quote in an ICMP error may end before it.
func (p *packet) transportSum() []byte {
	at := p.transport
	switch p.protocol {
	case protoTCP:
		at += 16
	case protoUDP:
		at += 6
	default:
		at += 2
	}
	if at+2 > len(p.raw) {
		return nil
	}
	field := p.raw[at : at+2]
	if p.protocol == protoUDP && field[0]|field[1] == 0 {
		return nil
	}
	return field
}

// coversAddresses returns transportSum if it includes the pseudo header, as all but ICMPv4 do.
func (p *packet) coversAddresses(transportSum []byte) []byte {
	if p.protocol == protoICMP {
		return nil
	}
	return transportSum
}

// fillSums computes the IPv4 header checksum and the transport checksum from nothing.
// It is for packets built here; translated ones are updated.
func (p *packet) fillSums() {
	if p.is4() {
		clear(p.raw[10:12])
		binary.BigEndian.PutUint16(p.raw[10:], ^fold(sum(0, p.raw[:p.transport])))
	}
	at := map[protocol]int{protoTCP: 16, protoUDP: 6, protoICMP: 2, protoICMPv6: 2}[p.protocol]
	field := p.raw[p.transport+at:][:2]
	clear(field)
	total := sum(0, p.raw[p.transport:])
	if p.protocol != protoICMP {
		total += p.pseudoHeader()
	}
	value := ^fold(total)
	if value == 0 && p.protocol == protoUDP {
		value = 0xffff
	}
	binary.BigEndian.PutUint16(field, value)
}

// pseudoHeader is the sum of addresses, length and protocol (RFC 9293, section 3.1, and RFC 8200,
// section 8.1).
func (p *packet) pseudoHeader() uint64 {
	total := uint64(len(p.raw)-p.transport) + uint64(p.protocol)
	if p.is4() {
		return sum(total, p.raw[12:20])
	}
	return sum(total, p.raw[8:40])
}
