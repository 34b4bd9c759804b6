package identity

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"
)

// closeTimeout is how long Close waits for room in the socket's buffer to say good-bye.
const closeTimeout = 100 * time.Millisecond

// maxIdleRecords is how many records without data may follow each other, as in crypto/tls.
const maxIdleRecords = 16

// A Conn is the server's end of a node's connection, made by [Accept]. While nothing is on its
// way it keeps no buffer. Reading, writing and closing may go on at the same time, as on any net.Conn.
type Conn struct {
	net      net.Conn
	fallback *tls.Conn // used in place of the rest, if not nil
	node     NodeID
	room     RoomID
	resumed  bool

	reading sync.Mutex // guards all of these
	in      halfConn
	partial partialRecord
	rest    []byte // data of the last record that was not asked for yet
	idle    int    // records without data in a row
	readErr error

	writing  sync.Mutex // guards both of these
	out      halfConn
	writeErr error
}

// Node returns which node is at the other end.
func (c *Conn) Node() NodeID { return c.node }

// Room returns the room whose member the node proved to be.
func (c *Conn) Room() RoomID { return c.room }

// Resumed tells whether the node came with a session ticket, not with a full handshake.
func (c *Conn) Resumed() bool { return c.resumed }

// NetConn returns the connection below, for the options of its socket. To read or write it breaks c.
func (c *Conn) NetConn() net.Conn { return c.net }

// LocalAddr returns the server's address.
func (c *Conn) LocalAddr() net.Addr { return c.net.LocalAddr() }

// RemoteAddr returns the node's address as seen from here.
func (c *Conn) RemoteAddr() net.Addr { return c.net.RemoteAddr() }

// SetDeadline sets both deadlines.
func (c *Conn) SetDeadline(t time.Time) error { return c.net.SetDeadline(t) }

// SetReadDeadline bounds Read. A Read that timed out can be repeated.
func (c *Conn) SetReadDeadline(t time.Time) error { return c.net.SetReadDeadline(t) }

// SetWriteDeadline bounds Write. After one timed out the connection cannot be written any more.
func (c *Conn) SetWriteDeadline(t time.Time) error { return c.net.SetWriteDeadline(t) }

// Read returns data from the node. The error is io.EOF when the node has closed.
//
// A server has as many waiting Reads as nodes, so the frames from here to the wait are few: the waiting
// goroutine has 4 KB of stack where crypto/tls leaves it with 8. (A Read of the bare socket just fits in 2.)
func (c *Conn) Read(p []byte) (int, error) {
	if c.fallback != nil {
		return c.fallback.Read(p)
	}
	c.reading.Lock()
	defer c.reading.Unlock()
	for {
		if n, err := c.take(p); n > 0 || err != nil || len(p) == 0 {
			return n, err
		}
		if err := c.partial.fill(c.net); err != nil {
			return 0, c.keep(err)
		}
	}
}

// take returns what is there without waiting: data, an error, or neither.
func (c *Conn) take(p []byte) (int, error) {
	if len(c.rest) == 0 && c.readErr == nil && c.partial.isWhole() {
		c.rest, c.readErr = c.open(c.partial.body)
		c.partial = partialRecord{}
		if c.idle++; len(c.rest) > 0 {
			c.idle = 0
		} else if c.idle > maxIdleRecords && c.readErr == nil {
			c.readErr = fmt.Errorf("%w: too many records without data", errRecord)
		}
	}
	if len(c.rest) == 0 {
		return 0, c.readErr
	}
	n := copy(p, c.rest)
	if c.rest = c.rest[n:]; len(c.rest) == 0 {
		c.rest = nil
	}
	return n, nil
}

// keep makes err the answer to all further Reads, unless it is a timeout.
func (c *Conn) keep(err error) error {
	if e, ok := errors.AsType[net.Error](err); !ok || !e.Timeout() {
		c.readErr = err
	}
	return err
}

// open decrypts a record and returns its data, or deals with what else it is.
func (c *Conn) open(record []byte) ([]byte, error) {
	kind, content, err := c.in.open(record)
	if err != nil {
		return nil, err
	}
	switch kind {
	case recordData:
		return content, nil
	case recordAlert:
		return nil, alertError(content)
	case recordHandshake:
		return nil, c.keyUpdate(content)
	}
	return nil, fmt.Errorf("%w: of unknown type %d", errRecord, kind)
}

// keyUpdate obeys the one handshake message that may come now (RFC 8446, section 4.6.3).
func (c *Conn) keyUpdate(message []byte) error {
	switch string(message) {
	case keyUpdate:
		c.in.update()
		return nil
	case keyUpdateRequested:
		c.in.update()
		c.writing.Lock()
		defer c.writing.Unlock()
		err := c.writeLocked(recordHandshake, []byte(keyUpdate))
		c.out.update()
		return err
	}
	return fmt.Errorf("%w: unexpected handshake message", errRecord)
}

// Write sends data to the node. It returns after the socket has taken all of it.
func (c *Conn) Write(p []byte) (int, error) {
	if c.fallback != nil {
		return c.fallback.Write(p)
	}
	c.writing.Lock()
	defer c.writing.Unlock()
	sent := 0
	for sent < len(p) {
		n := min(len(p)-sent, maxPlain)
		if err := c.writeLocked(recordData, p[sent:sent+n]); err != nil {
			return sent, err
		}
		sent += n
	}
	return sent, nil
}

func (c *Conn) writeLocked(kind recordType, content []byte) error {
	if c.writeErr != nil {
		return c.writeErr
	}
	// Part of a record may have left when this fails, so there is no way on from here.
	_, c.writeErr = c.net.Write(c.out.seal(kind, content))
	return c.writeErr
}

// Close tells the node, unless a Write is under way or the socket's buffer is full for 100 ms, and closes the connection.
func (c *Conn) Close() error {
	if c.fallback != nil {
		return c.fallback.Close()
	}
	if c.writing.TryLock() {
		if c.writeErr == nil {
			c.net.SetWriteDeadline(time.Now().Add(closeTimeout)) // a closed socket fails the Write, too
			c.writeLocked(recordAlert, []byte(closeNotify))      // of no use to the caller if it fails
			c.writeErr = net.ErrClosed
		}
		c.writing.Unlock()
	}
	return c.net.Close()
}

// A partialRecord is what has been read of the next record: nothing, most of the time. It makes a Read
// that timed out in the middle of a record go on later.
type partialRecord struct {
	header [headerSize]byte
	body   []byte // the whole record, made when the header is complete
	have   int    // bytes read so far
}

func (r *partialRecord) isWhole() bool { return r.have > headerSize && r.have == len(r.body) }

// fill waits for more of the record.
func (r *partialRecord) fill(from io.Reader) error {
	into := r.header[:]
	if r.body != nil {
		into = r.body
	}
	n, err := from.Read(into[r.have:])
	if r.have += n; n > 0 {
		return r.begin() // an error with it comes again with the next Read
	}
	if r.have > 0 && errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// begin makes room for the rest when the header has come.
func (r *partialRecord) begin() error {
	if r.have != headerSize {
		return nil
	}
	size, err := bodySize(r.header)
	if err != nil {
		return err
	}
	r.body = make([]byte, headerSize+size)
	copy(r.body, r.header[:])
	return nil
}
