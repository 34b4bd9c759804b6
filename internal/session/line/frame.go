package line

import (
	"encoding/binary"
	"fmt"
)

// headerSize is the length of a frame's header: a kind, the length of what follows in 3 bytes, and a value in 8, big endian.
const headerSize = 12

// maxFrame is the longest data that a frame may have.
const maxFrame = 1 << 20

// maxOffset bounds offsets, so that sums of them cannot overflow: 4 EiB.
const maxOffset = 1 << 62

// A kind says what a frame is. Frames of a kind that is not known are passed over with their data.
type kind byte

const (
	kindData  kind = 1  // value: the offset of its first byte
	kindAck   kind = 2  // value: everything before this offset has come; 8 bytes follow: no byte is taken from that offset on
	kindPing  kind = 3  // value: to be sent back
	kindPong  kind = 4  // value: that of the ping
	kindLeave kind = 5  // the sender's last frame on this carrier
	kindClose kind = 6  // the line is over
	kindCame  kind = 7  // value: how many bytes of data have come by this carrier
	kindNeed  kind = 8  // value: 1 if the sender needs this carrier beside others, 0 if it can do without
	kindUse   kind = 9  // value: a number; of these the one with the highest says which carrier is used. From the end that began the line
	kindLoss  kind = 10 // value: how many of a thousand packets the sender had to repeat on this carrier, and 1024 if it had more to send
)

// A header is the beginning of a frame.
type header struct {
	kind   kind
	length int
	value  uint64
}

func (h header) append(b []byte) []byte {
	b = append(b, byte(h.kind), byte(h.length>>16), byte(h.length>>8), byte(h.length))
	return binary.BigEndian.AppendUint64(b, h.value)
}

// parseHeader reads a header from the first headerSize bytes of b.
func parseHeader(b []byte) (header, error) {
	h := header{
		kind:   kind(b[0]),
		length: int(b[1])<<16 | int(b[2])<<8 | int(b[3]),
		value:  binary.BigEndian.Uint64(b[4:headerSize]),
	}
	want := 0
	switch h.kind {
	case kindData:
		want = h.length
		if h.length == 0 || h.value > maxOffset {
			return h, fmt.Errorf("%w: data of %d bytes at %d", ErrProtocol, h.length, h.value)
		}
	case kindAck:
		want = 8
	case kindPing, kindPong, kindLeave, kindClose, kindCame, kindNeed, kindUse, kindLoss:
	default:
		want = h.length
	}
	if h.length != want || h.length > maxFrame {
		return h, fmt.Errorf("%w: frame of kind %d has %d bytes", ErrProtocol, h.kind, h.length)
	}
	return h, nil
}

// needValue is the value of a frame that tells whether a carrier is needed.
func needValue(needs bool) uint64 {
	if needs {
		return 1
	}
	return 0
}

func appendAck(b []byte, received, limit uint64) []byte {
	b = header{kindAck, 8, received}.append(b)
	return binary.BigEndian.AppendUint64(b, limit)
}
