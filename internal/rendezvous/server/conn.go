package server

import (
	"errors"
	"io"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unicode"
	"unicode/utf8"

	"google.golang.org/protobuf/proto"

	"github.com/bodkin-p2p/bodkin/internal/identity"
	"github.com/bodkin-p2p/bodkin/internal/record"
	"github.com/bodkin-p2p/bodkin/internal/rendezvous/poll"
	"github.com/bodkin-p2p/bodkin/internal/wire"
)

// messageBurst is how many messages a connection may send at once, in seconds' worth of its rate.
const messageBurst = 5

// A conn is one main connection after its handshake. A million of them are meant to be idle at once: what one takes is counted
// (BenchmarkIdleNodes), so each field has to be worth its place.
type conn struct {
	server *Server
	socket poll.Socket
	room   *room
	node   identity.NodeID
	remote netip.AddrPort // the node's reflexive address
	local  netip.Addr     // the server's address that the node connected to
	number uint64         // in the table of connections, and in the token for hole connections

	registration // guarded by room.mu

	in         record.Receiver // this and the next three are used by the socket's worker only
	partial    []byte          // the beginning of a frame whose rest has not come, or nil
	messages   bucket
	registered bool

	mu      sync.Mutex
	out     record.Sender // guarded by mu, so that records are sent in the order in which they were sealed
	closing bool          // guarded by mu; Refused was sent, nothing follows

	heard    atomic.Int64 // time.Duration since the server started: when the last message came
	rtt      atomic.Uint32
	attempts atomic.Int32 // running
	dropped  atomic.Bool
	watching atomic.Bool
}

var errRefused = errors.New("refused")

// Receive takes bytes from the network.
func (c *conn) Receive(b []byte) {
	if c.isClosing() {
		return // read on, so that the node gets the Refused before the end
	}
	err := c.in.Receive(b, c.read, c.updateKeys)
	switch {
	case err == nil, errors.Is(err, errRefused):
	case err == io.EOF:
		c.server.drop(c, "by_node")
	default:
		c.server.log.Debug("connection broken", "node", c.node, "remote", c.remote, "err", err)
		c.server.drop(c, "broken")
	}
}

// read takes what one TLS record held: frames, or parts of them.
func (c *conn) read(data []byte) error {
	if err := c.spend(); err != nil { // a record without a whole message costs as much as one with
		return err
	}
	isPartial := len(c.partial) > 0
	if isPartial {
		c.partial = append(c.partial, data...)
		data = c.partial
	}
	for first := true; len(data) > 0; first = false {
		var m wire.ClientMessage
		n, err := wire.Decode(data, &m)
		if err == wire.ErrShort {
			break
		}
		if err != nil {
			return c.refuse(wire.Refused_CODE_BAD_MESSAGE, err.Error(), 0)
		}
		data = data[n:]
		if !first {
			if err := c.spend(); err != nil {
				return err
			}
		}
		c.heard.Store(int64(c.server.now()))
		if err := c.server.handle(c, &m); err != nil {
			return err
		}
	}
	switch {
	case len(data) == 0:
		c.partial = nil
	case isPartial && len(data) == len(c.partial): // still the same frame
	default:
		c.partial = append([]byte(nil), data...)
	}
	return nil
}

// spend takes one message from what the connection may send.
func (c *conn) spend() error {
	if c.isClosing() {
		return errRefused
	}
	rate := float64(c.server.limits.MessagesPerSecond)
	if wait, ok := c.messages.take(c.server.now(), rate, messageBurst*rate); !ok {
		return c.refuse(wire.Refused_CODE_BUSY, "too many messages", wait)
	}
	return nil
}

// Drained is called when a slow node has taken what was kept for it.
func (c *conn) Drained() {
	if c.watching.Load() {
		c.server.announcer.announce(c.room)
	}
}

// Gone is called when the connection ended.
func (c *conn) Gone(error) { c.server.drop(c, "by_node") }

// send sends frames, which it does not keep, and tells whether that went well. It does not block. A node that is too slow for what
// it is sent loses its connection.
func (c *conn) send(frames []byte) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closing {
		return false
	}
	return c.sealLocked(func(b []byte) ([]byte, error) { return c.out.Seal(b, frames) })
}

// sealLocked sends the records that seal appends to its argument.
func (c *conn) sealLocked(seal func([]byte) ([]byte, error)) bool {
	buf := c.server.buffers.Get().(*[]byte)
	defer c.server.buffers.Put(buf)
	records, err := seal((*buf)[:0])
	*buf = records
	if err == nil {
		err = c.socket.Send(records)
	}
	if err != nil {
		c.closing = true
		c.server.sweeper.reap(c, 0)
		return false
	}
	return true
}

func (c *conn) sendMessage(m *wire.ServerMessage) { c.send(c.server.appendFrame(nil, m)) }

func (c *conn) updateKeys() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.closing {
		c.sealLocked(c.out.UpdateKeys)
	}
}

// refuse tells the node why it is not served, and ends the connection once that is sent. Its error stops the reading.
func (c *conn) refuse(code wire.Refused_Code, text string, retryAfter time.Duration) error {
	frame := c.server.appendFrame(nil, &wire.ServerMessage{Body: &wire.ServerMessage_Refused{Refused: &wire.Refused{
		Code: code, Text: printable(text), RetryAfterMs: milliseconds(retryAfter)}}})
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closing {
		return errRefused
	}
	if c.sealLocked(func(b []byte) ([]byte, error) {
		b, err := c.out.Seal(b, frame)
		if err != nil {
			return b, err
		}
		return c.out.CloseNotify(b)
	}) {
		c.closing = true
		c.socket.Finish()
		c.server.sweeper.reap(c, refusedLinger)
	}
	return errRefused
}

func (c *conn) isClosing() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.closing
}

// appendFrame appends m as a frame. A message of ours is legal whatever nodes sent; if one ever is not, it is left out, since
// no node may end the server.
func (s *Server) appendFrame(b []byte, m *wire.ServerMessage) []byte { return s.frame(b, m) }

// frameOf is a message of a hole connection as a frame.
func (s *Server) frameOf(m *wire.Observed) []byte { return s.frame(nil, m) }

func (s *Server) frame(b []byte, m proto.Message) []byte {
	framed, err := wire.Append(b, m)
	if err != nil {
		s.log.Error("message left out: a mistake in the server", "err", err)
		return b
	}
	return framed
}

// printable is text with only what a message to people may hold. Texts of errors are none: protobuf puts in a non-breaking space.
func printable(text string) string {
	text = strings.Map(func(r rune) rune {
		if r == utf8.RuneError || !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, text)
	for len(text) > wire.MaxText {
		_, size := utf8.DecodeLastRuneInString(text)
		text = text[:len(text)-size]
	}
	return text
}

func milliseconds(d time.Duration) uint32 { return uint32(d.Milliseconds()) }
