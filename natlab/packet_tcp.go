package natlab

import "encoding/binary"

// The methods here may be called on whole TCP packets only, as parse returns them.

func (p *packet) flags() tcpFlags    { return tcpFlags(p.raw[p.transport+13]) }
func (p *packet) seq() uint32        { return binary.BigEndian.Uint32(p.raw[p.transport+4:]) }
func (p *packet) ack() uint32        { return binary.BigEndian.Uint32(p.raw[p.transport+8:]) }
func (p *packet) window() uint16     { return binary.BigEndian.Uint16(p.raw[p.transport+14:]) }
func (p *packet) tcpHeader() int     { return int(p.raw[p.transport+12]>>4) * 4 }
func (p *packet) payloadLength() int { return len(p.raw) - p.transport - p.tcpHeader() }

// isSYN reports whether the packet opens a connection: SYN without ACK or RST.
func (p *packet) isSYN() bool {
	return p.protocol == protoTCP && p.flags()&(flagSYN|flagACK|flagRST) == flagSYN
}

// end is the sequence number after the last one the segment occupies. SYN and FIN occupy one each.
func (p *packet) end() uint32 {
	end := p.seq() + uint32(p.payloadLength())
	if p.flags().has(flagSYN) {
		end++
	}
	if p.flags().has(flagFIN) {
		end++
	}
	return end
}

// windowScale is the shift offered by the window scale option, 14 at most (RFC 7323, section 2).
func (p *packet) windowScale() (shift uint8, offered bool) {
	const endOfOptions, noOperation, windowScale = 0, 1, 3
	for b := p.raw[p.transport+20 : p.transport+p.tcpHeader()]; len(b) > 0; {
		switch {
		case b[0] == endOfOptions:
			return 0, false
		case b[0] == noOperation:
			b = b[1:]
		case len(b) < 2 || b[1] < 2 || int(b[1]) > len(b):
			return 0, false
		case b[0] == windowScale && b[1] == 3:
			return min(b[2], 14), true
		default:
			b = b[b[1]:]
		}
	}
	return 0, false
}
