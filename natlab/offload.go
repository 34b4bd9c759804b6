package natlab

import (
	"encoding/binary"
	"math/bits"
)

// Fields of struct virtio_net_hdr (virtio 1.2, section 5.1.6), which precedes every packet to and
// from the kernel.
const (
	virtioLen = 10

	vnetNeedsChecksum = 1 // flags
	vnetTCP4          = 1 // gso_type
	vnetTCP6          = 4
	vnetUDP           = 5 // VIRTIO_NET_HDR_GSO_UDP_L4
	vnetECN           = 0x80
)

// acceptOffload finishes what the kernel left to its network card: it computes the checksum and
// notes the segment size. It reports false for a kind of packet that the lab does not carry.
func acceptOffload(f *frame, vnet []byte, link int) bool {
	if vnet[0]&vnetNeedsChecksum != 0 {
		start := int(binary.NativeEndian.Uint16(vnet[6:])) - link
		field := start + int(binary.NativeEndian.Uint16(vnet[8:]))
		if start < 0 || field+2 > len(f.data) {
			return false
		}
		sum := ^onesSum(f.data[start:], 0)
		if sum == 0 && vnet[1]&^vnetECN != vnetTCP4 && vnet[1]&^vnetECN != vnetTCP6 {
			sum = 0xffff // for UDP, zero would mean that there is none
		}
		binary.BigEndian.PutUint16(f.data[field:], sum)
	}
	switch vnet[1] &^ vnetECN {
	case 0:
		return true
	case vnetTCP4, vnetTCP6, vnetUDP:
		f.gso = int(binary.NativeEndian.Uint16(vnet[4:]))
		return f.gso > 0
	}
	return false
}

// requestOffload writes the header that makes the kernel take f as what it is. Only a packet of
// several segments leaves its checksum to the kernel, so that a NAT that spoils checksums is
// noticed from the first SYN.
func requestOffload(f *frame, vnet []byte, link int) {
	clear(vnet)
	if f.gso == 0 {
		return
	}
	ip := ipHeaderLen(f.data)
	tcp := f.data[ip:]
	binary.BigEndian.PutUint16(tcp[16:], onesSum(nil, pseudoSum(f.data, ip)))
	vnet[0], vnet[1] = vnetNeedsChecksum, vnetTCP4
	if f.data[0]>>4 == 6 {
		vnet[1] = vnetTCP6
	}
	binary.NativeEndian.PutUint16(vnet[2:], uint16(link+ip+int(tcp[12]>>4)*4))
	binary.NativeEndian.PutUint16(vnet[4:], uint16(f.gso))
	binary.NativeEndian.PutUint16(vnet[6:], uint16(link+ip))
	binary.NativeEndian.PutUint16(vnet[8:], 16)
}

// segments returns how many packets f stands for.
func (f *frame) segments() int {
	if f.gso == 0 {
		return 1
	}
	payload := len(f.data) - headersLen(f.data)
	return max(1, (payload+f.gso-1)/f.gso)
}

// split turns f into packets of one segment each, and frees it if they are several.
func (f *frame) split(pool *frames) []*frame {
	if f.segments() == 1 {
		f.gso = 0
		return []*frame{f}
	}
	head := headersLen(f.data)
	var out []*frame
	for offset := head; offset < len(f.data); offset += f.gso {
		end := min(offset+f.gso, len(f.data))
		seg := pool.get(head + end - offset)
		copy(seg.data, f.data[:head])
		copy(seg.data[head:], f.data[offset:end])
		seg.becomeSegment(len(out), offset-head, end == len(f.data))
		out = append(out, seg)
	}
	f.free()
	return out
}

// becomeSegment corrects the headers copied from the packet of many segments.
func (f *frame) becomeSegment(index, offset int, last bool) {
	ip := ipHeaderLen(f.data)
	if f.data[0]>>4 == 4 {
		binary.BigEndian.PutUint16(f.data[2:], uint16(len(f.data)))
		binary.BigEndian.PutUint16(f.data[4:], binary.BigEndian.Uint16(f.data[4:])+uint16(index))
		f.data[10], f.data[11] = 0, 0
		binary.BigEndian.PutUint16(f.data[10:], ^onesSum(f.data[:ip], 0))
	} else {
		binary.BigEndian.PutUint16(f.data[4:], uint16(len(f.data)-ip))
	}
	if isUDP(f.data) {
		udp := f.data[ip:]
		binary.BigEndian.PutUint16(udp[4:], uint16(len(udp)))
		udp[6], udp[7] = 0, 0
		sum := ^onesSum(udp, pseudoSum(f.data, ip))
		if sum == 0 {
			sum = 0xffff
		}
		binary.BigEndian.PutUint16(udp[6:], sum)
		return
	}
	const fin, psh, cwr = 1, 8, 0x80
	tcp := f.data[ip:]
	binary.BigEndian.PutUint32(tcp[4:], binary.BigEndian.Uint32(tcp[4:])+uint32(offset))
	if !last {
		tcp[13] &^= fin | psh
	}
	if index > 0 {
		tcp[13] &^= cwr
	}
	tcp[16], tcp[17] = 0, 0
	binary.BigEndian.PutUint16(tcp[16:], ^onesSum(tcp, pseudoSum(f.data, ip)))
}

// headersLen is the length of the IP and the TCP or UDP header of a packet of many segments.
func headersLen(packet []byte) int {
	ip := ipHeaderLen(packet)
	if isUDP(packet) {
		return ip + 8
	}
	return ip + int(packet[ip+12]>>4)*4
}

func isUDP(packet []byte) bool {
	if packet[0]>>4 == 6 {
		return protocol(packet[6]) == protoUDP
	}
	return protocol(packet[9]) == protoUDP
}

func ipHeaderLen(packet []byte) int {
	if packet[0]>>4 == 6 {
		return 40 // kernels put no extension headers before TCP and UDP
	}
	return int(packet[0]&15) * 4
}

// pseudoSum is the sum of the pseudo-header of TCP or UDP (RFC 9293, section 3.1).
func pseudoSum(packet []byte, ip int) uint64 {
	addresses, number := packet[12:20], packet[9]
	if packet[0]>>4 == 6 {
		addresses, number = packet[8:40], packet[6]
	}
	return uint64(onesSum(addresses, 0)) + uint64(number) + uint64(len(packet)-ip)
}

// onesSum is the ones' complement sum of b and initial (RFC 1071), not inverted.
func onesSum(b []byte, initial uint64) uint16 {
	sum, carry := initial, uint64(0)
	for len(b) >= 8 {
		sum, carry = bits.Add64(sum, binary.BigEndian.Uint64(b), carry)
		b = b[8:]
	}
	var tail [8]byte
	copy(tail[:], b)
	sum, carry = bits.Add64(sum, binary.BigEndian.Uint64(tail[:]), carry)
	sum, carry = bits.Add64(sum, 0, carry)
	sum += carry
	sum = sum>>32 + sum&0xffffffff
	sum = sum>>16 + sum&0xffff
	sum = sum>>16 + sum&0xffff
	sum = sum>>16 + sum&0xffff
	return uint16(sum)
}
