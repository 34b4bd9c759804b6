package transfer

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
)

// frameKind is the first byte of a frame. See the package comment.
type frameKind uint8

const (
	frameOffer frameKind = iota + 1
	frameEntries
	frameListed
	frameHave
	frameGo
	frameProof
	frameFile
	frameData
	frameEnd
	frameSent
	frameDone
	frameFailed
)

const (
	headerSize = 4
	// chunkSize is the most content in one data frame. Larger ones gain nothing: at 256 KiB a system call costs under a
	// tenth of moving its bytes.
	chunkSize = 256 << 10
	// maxBody bounds every other frame.
	maxBody = 128 << 10
	// batchSize is when a batch is sent.
	batchSize = 32 << 10
	// bufferedWrites is what small frames are collected to before they go.
	bufferedWrites = 64 << 10
)

// A chunk is content with room for the header before it, so that both leave in one write.
type chunk struct {
	bytes [headerSize + chunkSize]byte
	used  int // of content
}

func (c *chunk) content() []byte { return c.bytes[headerSize : headerSize+c.used] }
func (c *chunk) room() []byte    { return c.bytes[headerSize:] }

// A frameWriter collects small frames, and passes large ones through.
type frameWriter struct {
	out *bufio.Writer
	to  io.Writer
}

func newFrameWriter(to io.Writer) *frameWriter {
	return &frameWriter{out: bufio.NewWriterSize(to, bufferedWrites), to: to}
}

func putHeader(b []byte, kind frameKind, length int) {
	binary.BigEndian.PutUint32(b, uint32(kind)<<24|uint32(length))
}

// write writes a frame, which may wait in the buffer until flush.
func (w *frameWriter) write(kind frameKind, body []byte) error {
	var header [headerSize]byte
	putHeader(header[:], kind, len(body))
	if _, err := w.out.Write(header[:]); err != nil {
		return err
	}
	_, err := w.out.Write(body)
	return err
}

// data writes a chunk as a frame of content.
func (w *frameWriter) data(c *chunk) error {
	if c.used <= bufferedWrites/4 {
		return w.write(frameData, c.content())
	}
	if err := w.out.Flush(); err != nil {
		return err
	}
	putHeader(c.bytes[:], frameData, c.used)
	_, err := w.to.Write(c.bytes[:headerSize+c.used])
	return err
}

func (w *frameWriter) flush() error { return w.out.Flush() }

// A frameReader reads frames one after the other.
type frameReader struct {
	in   *bufio.Reader
	body []byte // of the last frame that was not data
}

func newFrameReader(from io.Reader) *frameReader {
	return &frameReader{in: bufio.NewReaderSize(from, bufferedWrites)}
}

// next reads a header. The caller reads the body: by data or by rest.
func (r *frameReader) next() (kind frameKind, length int, err error) {
	var header [headerSize]byte
	if _, err := io.ReadFull(r.in, header[:]); err != nil {
		return 0, 0, cut(err)
	}
	kind, length = frameKind(header[0]), int(binary.BigEndian.Uint32(header[:])&0xffffff)
	limit := maxBody
	if kind == frameData {
		limit = chunkSize
	}
	if kind == 0 || kind > frameFailed || length > limit {
		return 0, 0, fmt.Errorf("%w: a frame of kind %d and %d bytes", ErrProtocol, kind, length)
	}
	return kind, length, nil
}

// data reads the content of a data frame.
func (r *frameReader) data(into *chunk, length int) error {
	into.used = length
	_, err := io.ReadFull(r.in, into.content())
	return cut(err)
}

// rest reads the body of any other frame. It is valid until the next call.
func (r *frameReader) rest(length int) ([]byte, error) {
	if cap(r.body) < length {
		r.body = make([]byte, length)
	}
	body := r.body[:length]
	_, err := io.ReadFull(r.in, body)
	return body, cut(err)
}
