package transfer

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"time"

	"github.com/zeebo/blake3"
)

// version is that of the protocol. A receiver takes no other.
const version = 1

// hashSize is the size of a BLAKE3 hash.
const hashSize = 32

type sum = [hashSize]byte

func newHash() *blake3.Hasher { return blake3.New() }

func sumOf(h *blake3.Hasher) (s sum) {
	h.Sum(s[:0])
	return s
}

// A body is taken apart from its beginning. After the first thing that is not there, everything is zero and bad.
type body struct {
	left []byte
	bad  bool
}

func (b *body) number() uint64 {
	n, used := binary.Uvarint(b.left)
	if used <= 0 {
		b.left, b.bad = nil, true
		return 0
	}
	b.left = b.left[used:]
	return n
}

// upTo reads a number that must not be above most.
func (b *body) upTo(most uint64) int64 {
	n := b.number()
	if n > most {
		b.bad = true
		return 0
	}
	return int64(n)
}

func (b *body) bytes(n int) []byte {
	if n > len(b.left) {
		b.left, b.bad = nil, true
		return make([]byte, n)
	}
	taken := b.left[:n]
	b.left = b.left[n:]
	return taken
}

func (b *body) text(most uint64) string {
	n := b.upTo(most)
	if n > int64(len(b.left)) {
		b.left, b.bad = nil, true
		return ""
	}
	return string(b.bytes(int(n)))
}

func (b *body) sum() (s sum) {
	copy(s[:], b.bytes(hashSize))
	return s
}

// done tells what is wrong with the body; nil if it was what it had to be.
func (b *body) done(what string) error {
	if b.bad || len(b.left) > 0 {
		return fmt.Errorf("%w: %s that cannot be read", ErrProtocol, what)
	}
	return nil
}

func appendText(b []byte, text string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(text))), text...)
}

// An Offer is what a sender wants to send.
type Offer struct {
	Names       []string // of the files and directories at the top
	Files       int      // in all
	Directories int
	Links       int
	Bytes       int64 // of all files whose size is known
	Stream      bool  // it is one stream, whose size nobody knows
}

func appendOffer(b []byte, o Offer) []byte {
	b = binary.AppendUvarint(b, version)
	for _, n := range []int{o.Files, o.Directories, o.Links, int(o.Bytes)} {
		b = binary.AppendUvarint(b, uint64(n))
	}
	stream := byte(0)
	if o.Stream {
		stream = 1
	}
	b = append(b, stream)
	b = binary.AppendUvarint(b, uint64(len(o.Names)))
	for _, name := range o.Names {
		b = appendText(b, name)
	}
	return b
}

func parseOffer(data []byte) (o Offer, err error) {
	b := body{left: data}
	if v := b.number(); !b.bad && v != version {
		return o, fmt.Errorf("%w: it is of version %d, this one of %d: update bodkin on one side", ErrProtocol, v, version)
	}
	o.Files, o.Directories, o.Links = int(b.upTo(MaxEntries)), int(b.upTo(MaxEntries)), int(b.upTo(MaxEntries))
	o.Bytes = b.upTo(math.MaxInt64)
	o.Stream = b.upTo(1) == 1
	for range b.upTo(MaxNames) {
		name := b.text(maxName)
		if b.bad {
			break
		}
		o.Names = append(o.Names, name)
	}
	if err := b.done("an offer"); err != nil {
		return Offer{}, err
	}
	if len(o.Names) == 0 {
		return Offer{}, fmt.Errorf("%w: an offer of nothing", ErrProtocol)
	}
	return o, nil
}

func appendEntry(b []byte, e *entry) []byte {
	b = append(b, byte(e.kind))
	b = binary.AppendUvarint(b, uint64(e.parent+1))
	b = appendText(b, e.name)
	b = binary.AppendUvarint(b, uint64(e.mode.Perm()))
	b = binary.AppendVarint(b, e.time.UnixNano())
	switch e.kind {
	case kindFile:
		b = binary.AppendUvarint(b, uint64(e.size))
	case kindLink:
		b = appendText(b, e.target)
	}
	return b
}

// parseEntry reads one entry of a batch. What it says is for tree.add to judge.
func parseEntry(b *body) (e entry) {
	e.kind = kind(b.upTo(uint64(kindStream)))
	e.parent = int(b.upTo(MaxEntries)) - 1
	e.name = b.text(maxName)
	e.mode = fs.FileMode(b.upTo(0o777))
	changed, used := binary.Varint(b.left)
	if used <= 0 {
		b.left, b.bad = nil, true
		return e
	}
	b.left = b.left[used:]
	e.time = time.Unix(0, changed)
	switch e.kind {
	case kindFile:
		e.size = b.upTo(maxSize)
	case kindLink:
		e.target = b.text(maxTarget)
	case kindStream:
		e.size = unknownSize
	case kindDirectory:
	default:
		b.bad = true
	}
	return e
}

// parseEntries adds a batch to a tree.
func parseEntries(data []byte, into *tree) error {
	b := body{left: data}
	for len(b.left) > 0 {
		e := parseEntry(&b)
		if b.bad {
			break
		}
		if err := into.add(e); errors.Is(err, ErrName) || errors.Is(err, ErrProtocol) {
			return err
		} else if err != nil {
			return fmt.Errorf("%w: %w", ErrProtocol, err)
		}
	}
	return b.done("entries")
}

// A have is what an earlier run left of a file: the first size bytes.
type have struct {
	index int
	size  int64
}

func appendHave(b []byte, h have) []byte {
	return binary.AppendUvarint(binary.AppendUvarint(b, uint64(h.index)), uint64(h.size))
}

func parseHave(b *body) have {
	return have{int(b.upTo(MaxEntries)), b.upTo(maxSize)}
}

func appendProof(b []byte, index int, s sum) []byte {
	return append(binary.AppendUvarint(b, uint64(index)), s[:]...)
}

func parseProof(b *body) (index int, s sum) {
	return int(b.upTo(MaxEntries)), b.sum()
}

func appendFailure(b []byte, code failureCode, text string) []byte {
	return appendText(append(b, byte(code)), text[:min(len(text), maxReason)])
}

func parseFailure(data []byte) error {
	b := body{left: data}
	code := failureCode(b.number() & 0xff)
	text := b.text(maxReason)
	if err := b.done("a failure"); err != nil {
		return err
	}
	if code >= codes {
		code = codeOther
	}
	return &RemoteError{Text: text, code: code}
}
