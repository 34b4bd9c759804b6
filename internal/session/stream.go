package session

import (
	"net"
	"sync"

	"github.com/bodkin-p2p/bodkin/internal/deadline"
)

// A Stream is one connection inside a session. It is a [net.Conn]: its methods are safe for concurrent use, an
// exceeded deadline gives [os.ErrDeadlineExceeded], a use after Close [net.ErrClosed]. Whoever opened or accepted it
// must close it, also after an error.
type Stream struct {
	session  *Session
	id       uint64
	service  string
	incoming bool

	reading sync.Mutex // held by the one Read at work
	writing sync.Mutex // held by the one Write at work

	// What follows is guarded by session.mu.
	readable, writable sync.Cond
	readBy, writeBy    deadline.Timer
	queue              queue  // come, and not read
	window             window // of the peer
	credit             int    // how many bytes the peer takes
	turn               turn
	due                due
	header             []byte // of the open or reset frame that is due
	code               uint32 // of the reset that is due
	asking             bool   // opened by the peer, which was not told whether it is taken
	woken              bool   // in session.woken
	taking             bool   // Read copies from the queue
	closed             bool   // by Close, Abort, Refuse or Session.Close
	saidEnd            bool   // nothing more may be written
	cameEnd            bool   // nothing more comes
	fate               error  // the peer's reset
	dropUnread         bool   // which is to be felt before what came in front of it is read
	bytesIn, bytesOut  uint64
}

var _ net.Conn = (*Stream)(nil)

// newStream makes a stream that is open. The caller holds mu.
func (s *Session) newStream(id uint64, service string, incoming bool) *Stream {
	stream := &Stream{session: s, id: id, service: service, incoming: incoming, window: newWindow(), credit: firstWindow}
	stream.readable.L, stream.writable.L = s.mu, s.mu
	stream.turn.wake = &stream.writable
	return stream
}

// add makes a stream one of the session's open ones, with a larger window if there is room. The caller holds mu.
func (s *Session) add(stream *Stream) {
	s.streams[stream.id] = stream
	if stream.incoming {
		s.incoming++
	}
	stream.enlarge(earlyWindow)
}

// enlarge lets the window grow to a size if the session has room for that. The caller holds mu.
func (s *Stream) enlarge(size int) {
	more := min(size, s.session.config.Window) - s.window.size
	if more > 0 && s.session.budget.take(more) {
		s.window.grow(more)
	}
}

// Service is the name that the stream was opened with.
func (s *Stream) Service() string { return s.service }

// LocalAddr is the carrier's local address.
func (s *Stream) LocalAddr() net.Addr { return s.session.line.LocalAddr() }

// RemoteAddr is the carrier's remote address.
func (s *Stream) RemoteAddr() net.Addr { return s.session.line.RemoteAddr() }

// Counts tells how many bytes were read from the stream and written to it.
func (s *Stream) Counts() (in, out uint64) {
	s.session.mu.Lock()
	defer s.session.mu.Unlock()
	return s.bytesIn, s.bytesOut
}

// CloseWrite tells the peer that nothing more comes. Reading goes on.
func (s *Stream) CloseWrite() error {
	s.writing.Lock()
	defer s.writing.Unlock()
	s.session.mu.Lock()
	defer s.session.mu.Unlock()
	switch {
	case s.closed:
		return errClosed
	case s.fate != nil:
		return s.fate
	case s.session.cause != nil:
		return s.session.cause
	case !s.saidEnd:
		s.saidEnd = true
		s.owe(dueEnd)
	}
	return nil
}

// Close ends both directions. What was written reaches the peer; what the peer still writes is not read, of which its
// Write tells it. Close interrupts Read and Write, and can be called twice.
func (s *Stream) Close() error {
	s.end(func() {
		var words due
		if !s.saidEnd {
			words = dueEnd
		}
		if !s.cameEnd { // behind the end of the stream, so it hurts only what the peer writes
			words |= dueReset
			s.code = resetClosed
		}
		s.owe(words)
	})
	return nil
}

// Abort ends both directions at once, as a TCP reset does: what was written and is not yet read may be lost, and the
// peer's Read and Write return ErrReset.
func (s *Stream) Abort() error {
	s.end(func() { s.resetPeer(resetAborted, nil) })
	return nil
}

// resetPeer has a reset said. The caller holds mu.
func (s *Stream) resetPeer(code uint32, more []byte) {
	s.code = code
	if more != nil {
		s.header = more
	}
	s.owe(dueReset)
}

// end runs the last words of a stream once, after every Write has returned.
func (s *Stream) end(lastWords func()) {
	m := s.session.mu
	m.Lock()
	first := !s.closed
	if first {
		s.shut()
	}
	m.Unlock()
	s.writing.Lock() // Write has its bytes in the line by then
	defer s.writing.Unlock()
	m.Lock()
	defer m.Unlock()
	if s.session.streams[s.id] != s {
		return
	}
	s.forget()
	if first && s.fate == nil && s.session.cause == nil {
		lastWords()
	}
}

// shut interrupts Read and Write, which find the stream closed, and drops what was not read. The caller holds mu.
func (s *Stream) shut() {
	s.closed = true
	s.readBy.Stop()
	s.writeBy.Stop()
	s.release()
	s.wake()
}

// release gives back the memory of what was not read. The caller holds mu.
func (s *Stream) release() {
	if !s.taking { // else Read does
		s.queue.clear(&s.session.store)
	}
}

// takes tells whether what comes is to be kept. The caller holds mu.
func (s *Stream) takes() bool { return !s.closed && s.fate == nil }

// forget takes the stream out of the session. The caller holds mu.
func (s *Stream) forget() {
	delete(s.session.streams, s.id)
	if s.incoming {
		s.session.incoming--
	}
	s.session.budget.give(s.window.size - firstWindow)
	s.session.turns.quit(&s.turn)
}
