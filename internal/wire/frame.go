package wire

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"google.golang.org/protobuf/encoding/protodelim"
	"google.golang.org/protobuf/proto"
)

var (
	// ErrShort tells that the bytes at hand are the beginning of a frame whose rest has not come yet.
	ErrShort = errors.New("wire: frame is not complete yet")
	// ErrMalformed is wrapped by every error about bytes that are not a legal message.
	ErrMalformed = errors.New("wire: malformed message")
)

// A Reader is what frames can be read from without taking a byte too many, as bufio.Reader.
type Reader = protodelim.Reader

// Exactly returns a Reader that takes no byte more from r than it gives, as it reads single bytes. Over TLS that costs no system call each: the
// record is there.
func Exactly(r io.Reader) Reader { return exact{r} }

type exact struct{ io.Reader }

// ReadByte reads one byte.
func (e exact) ReadByte() (byte, error) {
	var b [1]byte
	_, err := io.ReadFull(e.Reader, b[:])
	return b[0], err
}

// Append appends m as one frame. It fails if m breaks a limit, so that a mistake shows at its maker's.
func Append(b []byte, m proto.Message) ([]byte, error) {
	if err := Validate(m); err != nil {
		return b, err
	}
	size := proto.Size(m)
	if size > MaxFrame {
		return b, malformed("frame of %d bytes, at most %d", size, MaxFrame)
	}
	b = binary.AppendUvarint(b, uint64(size))
	return proto.MarshalOptions{UseCachedSize: true}.MarshalAppend(b, m)
}

// Write writes m as one frame in one call, which makes one TLS record of it.
func Write(w io.Writer, m proto.Message) error {
	b, err := Append(nil, m)
	if err != nil {
		return err
	}
	_, err = w.Write(b)
	return err
}

// Read reads one frame into m. It returns io.EOF if r ends before the frame begins, io.ErrUnexpectedEOF if it ends
// inside, and an error that wraps ErrMalformed for everything that is not a legal message.
func Read(r Reader, m proto.Message) error {
	err := protodelim.UnmarshalOptions{MaxSize: MaxFrame}.UnmarshalFrom(r, m)
	var tooLarge *protodelim.SizeTooLargeError
	switch {
	case err == nil:
		return Validate(m)
	case errors.As(err, &tooLarge):
		return malformed("frame of %d bytes, at most %d", tooLarge.Size, MaxFrame)
	case errors.Is(err, proto.Error):
		return malformed("%v", err)
	}
	return err
}

// Decode reads one frame from the beginning of b into m and returns its length with the prefix. It returns ErrShort
// while b holds only a part of the frame, and never keeps b.
func Decode(b []byte, m proto.Message) (int, error) {
	size, n := binary.Uvarint(b)
	switch {
	case n < 0 || (n == 0 && len(b) >= binary.MaxVarintLen64):
		return 0, malformed("length is not a varint")
	case n == 0:
		return 0, ErrShort
	case size > MaxFrame:
		return 0, malformed("frame of %d bytes, at most %d", size, MaxFrame)
	case uint64(len(b)-n) < size:
		return 0, ErrShort
	}
	end := n + int(size)
	if err := proto.Unmarshal(b[n:end], m); err != nil {
		return 0, malformed("%v", err)
	}
	return end, Validate(m)
}

func malformed(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrMalformed, fmt.Sprintf(format, args...))
}
