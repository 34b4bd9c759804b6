package control

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"github.com/bodkin-p2p/bodkin"
	"github.com/bodkin-p2p/bodkin/internal/sockerr"
)

// Kinds of records. See the package comment.
const (
	recordData = 1
	recordEnd  = 2
	recordCut  = 3
)

const (
	headerSize = 4
	maxRecord  = 64 << 10 // of data in one record; a reader takes any length the header can say
	maxReason  = 8 << 10  // of words in a cut; JSON can make each byte six
	maxProblem = 6*maxReason + 256

	// tellTimeout is for the record that tells a cut. The other side is on this machine: it reads at once or not at all.
	tellTimeout = time.Second
)

// errSpoken tells that the other end of the socket does not speak this protocol.
var errSpoken = errors.New("control socket: what came is not of the protocol")

// errTaken is what Write returns when the other side takes no more.
var errTaken = errors.New("the other side has closed the stream")

// streamInfo is what a 101 tells of a stream, in the header Bodkin-Stream.
type streamInfo struct {
	Peer     bodkin.NodeID
	PeerName string
	Service  string
	Path     bodkin.Path
	Number   uint64 // by which the node can be asked for the path that it takes later; zero: it is of a version that cannot be asked
}

// A link is one end of a stream over the socket. Reads and writes keep to net.Conn's deadlines; after a write that
// failed or ran out of time in the middle of a record the writing side is of no more use.
type link struct {
	net.Conn
	info streamInfo
	path func() (bodkin.Path, error) // asks for the path now; nil: info has it

	rmu  sync.Mutex
	in   *bufio.Reader
	left int   // bytes of the current record that are still to be read
	rerr error // what every further Read returns

	wmu  sync.Mutex
	werr error // what every further Write returns
}

// newLink goes on with a connection whose first bytes were read through read, which may hold more of them.
func newLink(conn net.Conn, read *bufio.Reader, info streamInfo) *link {
	ahead := make([]byte, read.Buffered())
	io.ReadFull(read, ahead) // all of it is there
	in := bufio.NewReaderSize(io.MultiReader(bytes.NewReader(ahead), conn), headerSize+maxProblem)
	return &link{Conn: conn, info: info, in: in}
}

func (l *link) Peer() bodkin.NodeID { return l.info.Peer }
func (l *link) PeerName() string    { return l.info.PeerName }
func (l *link) Service() string     { return l.info.Service }

// Path asks the node, and says what it was at the beginning where that gives no answer.
func (l *link) Path() bodkin.Path {
	if l.path != nil {
		if now, err := l.path(); err == nil {
			return now
		}
	}
	return l.info.Path
}

// Read reads bytes of the stream: io.EOF after an orderly end, the other side's reason after a cut.
func (l *link) Read(p []byte) (int, error) {
	l.rmu.Lock()
	defer l.rmu.Unlock()
	if len(p) == 0 {
		return 0, nil
	}
	for l.left == 0 {
		if l.rerr != nil {
			return 0, l.rerr
		}
		if err := l.next(); err != nil {
			return 0, err
		}
	}
	n, err := l.in.Read(p[:min(len(p), l.left)])
	l.left -= n
	if err != nil {
		err = l.cut(err)
	}
	return n, err
}

// next reads a header, and the whole record unless it is data. A deadline in the middle of a header loses nothing.
func (l *link) next() error {
	header, err := l.in.Peek(headerSize)
	if err != nil {
		return l.cut(err)
	}
	kind, length := header[0], int(binary.BigEndian.Uint32(header)&0xffffff)
	switch {
	case kind == recordData:
		l.left = length
	case kind == recordEnd && length == 0:
		l.rerr = io.EOF
	case kind == recordCut && length <= maxProblem:
		if _, err := l.in.Peek(headerSize + length); err != nil {
			return l.cut(err)
		}
		l.in.Discard(headerSize)
		reason := make([]byte, length)
		io.ReadFull(l.in, reason) // all of it was peeked
		var p problem
		if err := json.Unmarshal(reason, &p); err != nil {
			l.rerr = errSpoken
			return l.rerr
		}
		l.rerr = p.error()
		return l.rerr
	default:
		l.rerr = errSpoken
		return l.rerr
	}
	l.in.Discard(headerSize)
	return nil
}

// cut notes that the socket closed before the stream ended. Errors that may pass, such as deadlines, are left as they are.
func (l *link) cut(err error) error {
	var timeout net.Error
	if errors.As(err, &timeout) && timeout.Timeout() {
		return err
	}
	if !errors.Is(err, net.ErrClosed) { // not closed by this side
		err = fmt.Errorf("stream was cut: %w", io.ErrUnexpectedEOF)
	}
	l.rerr = err
	return err
}

// Write sends p as records of data.
func (l *link) Write(p []byte) (int, error) {
	l.wmu.Lock()
	defer l.wmu.Unlock()
	sent := 0
	for sent < len(p) {
		part := p[sent:min(len(p), sent+maxRecord)]
		if err := l.sendLocked(recordData, part); err != nil {
			return sent, err
		}
		sent += len(part)
	}
	return sent, nil
}

// CloseWrite tells the other side that nothing more comes.
func (l *link) CloseWrite() error {
	l.wmu.Lock()
	defer l.wmu.Unlock()
	if err := l.sendLocked(recordEnd, nil); err != nil {
		return err
	}
	l.werr = fmt.Errorf("write after CloseWrite: %w", net.ErrClosed)
	return nil
}

// CloseWithError tells the other side why the stream broke, and closes. Where the reason cannot be told, because a Write
// is in the middle of a record or the other side does not read, the missing end tells that the stream was cut.
func (l *link) CloseWithError(reason error) error {
	p, _ := describe(reason)
	p.Refused, p.Path = nil, nil // of dials, not of streams
	p.Text = p.Text[:min(len(p.Text), maxReason)]
	text, err := json.Marshal(p)
	if err == nil && l.wmu.TryLock() {
		l.SetWriteDeadline(time.Now().Add(tellTimeout))
		l.sendLocked(recordCut, text)
		l.wmu.Unlock()
	}
	return l.Close()
}

// Abort closes without an end, so that the other side does not take the stream for complete.
func (l *link) Abort() error { return l.Close() }

// Refuse is CloseWithError with words for whoever dialled the stream.
func (l *link) Refuse(reason string) error {
	return l.CloseWithError(&remoteError{reason, errDeclined})
}

// sendLocked writes one record; wmu is held.
func (l *link) sendLocked(kind byte, data []byte) error {
	if l.werr != nil {
		return l.werr
	}
	header := binary.BigEndian.AppendUint32(nil, uint32(kind)<<24|uint32(len(data)))
	record := net.Buffers{header, data}
	if _, err := record.WriteTo(l.Conn); err != nil {
		if sockerr.IsCut(err) {
			err = l.whyTaken()
		}
		l.werr = err
		return err
	}
	return nil
}

// whyTaken is the reason that the other side has given before it closed: it waits where Read would find it, and who writes first would
// not learn it. It is errTaken where none was given, bytes of the stream come before it, or somebody reads at the moment, who gets it.
func (l *link) whyTaken() error {
	if !l.rmu.TryLock() {
		return errTaken
	}
	defer l.rmu.Unlock()
	if l.rerr == nil && l.left == 0 {
		l.next() // which does not wait: the other side has closed
	}
	if l.rerr == nil || sockerr.IsCut(l.rerr) || errors.Is(l.rerr, net.ErrClosed) {
		return errTaken
	}
	return l.rerr
}
