package session

import (
	"encoding/binary"
	"fmt"
)

// headerSize is the length of a frame's header: a kind, the length of the body in 3 bytes, and a value in 8, big endian.
const headerSize = 12

const (
	// maxData is the longest data that a frame may have. Frames that are sent fit into a piece of the line's memory, and are shorter.
	maxData = 1 << 20
	// maxBody is the longest body of any other frame: a reason for a refusal, and space for later fields.
	maxBody = 512
)

// A kind says what a frame is about. The value is the number of a stream but for pings and pongs.
type kind byte

const (
	kindOpen    kind = 1 // body: wire.StreamOpen
	kindData    kind = 2 // body: bytes of the stream
	kindCredit  kind = 3 // body: how many bytes more may be sent, in 4. The first one tells that the stream is taken
	kindBlocked kind = 4 // the sender would send more, and may not
	kindEnd     kind = 5 // nothing more is sent
	kindReset   kind = 6 // nothing more is sent or taken; body: a code in 4 bytes, and for a refusal wire.StreamAnswer
	kindPing    kind = 7 // the value is to be sent back
	kindPong    kind = 8 // the value of the last ping
	kindGoodbye kind = 9 // value 0; the sender closes the session, and this is its last frame
)

// A frame is the header of one.
type frame struct {
	kind   kind
	length int
	value  uint64
}

func (f frame) append(b []byte) []byte {
	b = append(b, byte(f.kind), byte(f.length>>16), byte(f.length>>8), byte(f.length))
	return binary.BigEndian.AppendUint64(b, f.value)
}

// parseFrame reads a header from the first headerSize bytes of b.
func parseFrame(b []byte) (frame, error) {
	f := frame{kind(b[0]), int(b[1])<<16 | int(b[2])<<8 | int(b[3]), binary.BigEndian.Uint64(b[4:headerSize])}
	least, most := 0, 0
	switch f.kind {
	case kindOpen:
		least, most = 1, maxBody
	case kindData:
		least, most = 1, maxData
	case kindCredit:
		least, most = 4, 4
	case kindReset:
		least, most = 4, maxBody
	case kindBlocked, kindEnd, kindPing, kindPong, kindGoodbye:
	default:
		return f, fmt.Errorf("%w: frame of kind %d", ErrProtocol, f.kind)
	}
	if f.length < least || f.length > most {
		return f, fmt.Errorf("%w: frame of kind %d has %d bytes", ErrProtocol, f.kind, f.length)
	}
	return f, nil
}

// appendCode is a frame whose body is a number.
func appendCode(b []byte, kind kind, stream uint64, code uint32, more []byte) []byte {
	b = frame{kind, 4 + len(more), stream}.append(b)
	return append(binary.BigEndian.AppendUint32(b, code), more...)
}

// A collector takes frames out of bytes that come in pieces: headers, and bodies but for data.
type collector struct {
	held [headerSize + maxBody]byte
	have int
}

// next reads on in b. It returns how many bytes it took, and a frame if one is complete; the body is valid until the next call, and
// that of data is what follows.
func (c *collector) next(b []byte) (took int, f frame, body []byte, err error) {
	if c.have < headerSize {
		took = c.fill(headerSize, b)
		if c.have < headerSize {
			return took, frame{}, nil, nil
		}
	}
	if f, err = parseFrame(c.held[:headerSize]); err != nil {
		return took, f, nil, err
	}
	end := headerSize
	if f.kind != kindData {
		end += f.length
		took += c.fill(end, b[took:])
		if c.have < end {
			return took, frame{}, nil, nil
		}
	}
	c.have = 0
	return took, f, c.held[headerSize:end], nil
}

// fill takes bytes until it has a number of them.
func (c *collector) fill(want int, b []byte) int {
	n := copy(c.held[c.have:want], b)
	c.have += n
	return n
}
