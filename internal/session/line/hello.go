package line

import (
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"io"
)

// Versions of the protocol that this package speaks. Both sides use the highest that both know.
const (
	oldestVersion = 2
	newestVersion = 2
)

// ID names a line between its two ends: a random value of whoever began it. It dies with the line, so an end that was
// restarted knows no old one.
type ID [16]byte

func newID() (id ID) {
	rand.Read(id[:]) // never fails
	return id
}

// String is the beginning of the ID, for logs.
func (id ID) String() string { return fmt.Sprintf("%x", id[:4]) }

// An intent is what a hello is about.
type intent byte

const (
	intentBegin   intent = 1 // the first carrier of a new line
	intentResume  intent = 2 // a further carrier of a line that is there
	intentWelcome intent = 3 // the answer: it is attached
	intentUnknown intent = 4 // the answer: no such line (any more)
	intentVersion intent = 5 // the answer: no common version
	intentFull    intent = 6 // the answer: no further carrier is used beside those that are there
	intentReturn  intent = 7 // both ends say it at once: a further carrier of a line that both know
)

// A hello is the first thing that each side says on a carrier.
type hello struct {
	oldest, newest byte
	intent         intent
	alone          bool   // the sender has no other carrier that works
	beside         bool   // to be used beside other carriers, not instead of them
	returns        bool   // the sender knows intentReturn
	aside          bool   // to be measured, and not used while there is another
	rank           uint8  // of the carrier; the first speaker's word counts
	id             ID     // of the line
	carrier        uint64 // names the carrier; the first speaker's random choice
	received       uint64 // as in an acknowledgment
	limit          uint64
}

// helloMagic begins a hello. No frame of a multiplexer begins with it.
const helloMagic = "bdkl"

// helloSize is the length of a hello without extensions: their length is in its last two bytes, and they are passed over.
const helloSize = 4 + 4 + 1 + 16 + 8 + 8 + 8 + 2

const maxExtension = 1024

// Flags of a hello.
const (
	flagAlone   byte = 1
	flagBeside  byte = 2
	flagReturns byte = 4
	flagAside   byte = 16
)

func (h hello) append(b []byte) []byte {
	b = append(b, helloMagic...)
	flags := byte(0)
	if h.alone {
		flags |= flagAlone
	}
	if h.beside {
		flags |= flagBeside
	}
	if h.returns {
		flags |= flagReturns
	}
	if h.aside {
		flags |= flagAside
	}
	b = append(b, h.oldest, h.newest, byte(h.intent), flags, h.rank)
	b = append(b, h.id[:]...)
	b = binary.BigEndian.AppendUint64(b, h.carrier)
	b = binary.BigEndian.AppendUint64(b, h.received)
	b = binary.BigEndian.AppendUint64(b, h.limit)
	return append(b, 0, 0)
}

// parseHello reads a hello from the first helloSize bytes of b, and tells how many bytes of extensions follow.
func parseHello(b []byte) (h hello, extension int, err error) {
	if string(b[:4]) != helloMagic {
		return h, 0, fmt.Errorf("%w: no hello: % x", ErrProtocol, b[:4])
	}
	h = hello{oldest: b[4], newest: b[5], intent: intent(b[6]), rank: b[8], id: ID(b[9:25])}
	h.alone, h.beside, h.returns = b[7]&flagAlone != 0, b[7]&flagBeside != 0, b[7]&flagReturns != 0
	h.aside = b[7]&flagAside != 0
	h.carrier = binary.BigEndian.Uint64(b[25:])
	h.received = binary.BigEndian.Uint64(b[33:])
	h.limit = binary.BigEndian.Uint64(b[41:])
	extension = int(binary.BigEndian.Uint16(b[49:]))
	switch {
	case extension > maxExtension:
		err = fmt.Errorf("%w: hello with %d bytes more", ErrProtocol, extension)
	case h.newest < h.oldest || h.oldest == 0:
		err = fmt.Errorf("%w: versions %d to %d", ErrProtocol, h.oldest, h.newest)
	case h.intent < intentBegin || h.intent > intentReturn:
		err = fmt.Errorf("%w: hello with intent %d", ErrProtocol, h.intent)
	case h.received > maxOffset || h.limit > maxOffset+maxWindow:
		err = fmt.Errorf("%w: hello with offsets %d, %d", ErrProtocol, h.received, h.limit)
	}
	return h, extension, err
}

func readHello(r io.Reader) (hello, error) {
	var b [helloSize]byte
	if _, err := io.ReadFull(r, b[:]); err != nil {
		return hello{}, err
	}
	h, extension, err := parseHello(b[:])
	if err == nil && extension > 0 {
		_, err = io.CopyN(io.Discard, r, int64(extension))
	}
	return h, err
}

// common tells whether there is a version that both speak.
func (h hello) common() bool { return h.oldest <= newestVersion && h.newest >= oldestVersion }
