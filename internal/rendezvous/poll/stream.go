package poll

import (
	"net"
	"sync"
	"time"
)

// streamBuffer is the read buffer of a connection that has its own goroutine. Messages of nodes are smaller.
const streamBuffer = 1 << 10

// A stream is a Socket over any net.Conn: one goroutine reads, and one writes as long as there is something to write.
type stream struct {
	loop    *Loop
	conn    net.Conn
	handler Handler

	mu       sync.Mutex
	out      []byte // not yet given to conn
	inFlight int    // bytes given to conn by the writer
	since    time.Time
	writing  bool
	finish   bool
	closed   bool
}

func newStream(l *Loop, conn net.Conn, h Handler) (*stream, error) {
	s := &stream{loop: l, conn: conn, handler: h}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil, net.ErrClosed
	}
	l.streams[s] = struct{}{}
	return s, nil
}

func (s *stream) Start() { s.loop.start(s.read) }

func (s *stream) read() {
	buf := make([]byte, streamBuffer)
	for {
		n, err := s.conn.Read(buf)
		if s.isClosed() {
			return
		}
		if n > 0 {
			s.handler.Receive(buf[:n])
		}
		if err != nil {
			if s.close() {
				s.handler.Gone(err)
			}
			return
		}
	}
}

func (s *stream) Send(b []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closed || s.finish:
		return net.ErrClosed
	case s.inFlight+len(s.out)+len(b) > s.loop.config.MaxPending:
		return ErrFull
	}
	s.out = append(s.out, b...)
	return s.startWriterLocked()
}

func (s *stream) startWriterLocked() error {
	if s.writing {
		return nil
	}
	s.writing, s.since = true, time.Now()
	if !s.loop.start(s.write) {
		return net.ErrClosed
	}
	return nil
}

func (s *stream) write() {
	for b := s.take(); b != nil; b = s.take() {
		s.conn.SetWriteDeadline(time.Now().Add(s.loop.config.WriteTimeout))
		if _, err := s.conn.Write(b); err != nil {
			s.conn.Close() // the reader tells of it
			return
		}
	}
}

// take returns what is to be written next. If there is nothing, the writer has done its work.
func (s *stream) take() []byte {
	s.mu.Lock()
	b := s.out
	s.out, s.inFlight = nil, len(b)
	s.writing = len(b) > 0
	finish, closed := s.finish, s.closed
	s.mu.Unlock()
	if len(b) > 0 {
		return b
	}
	if half, ok := s.conn.(interface{ CloseWrite() error }); ok && finish {
		half.CloseWrite()
	}
	if !closed {
		s.handler.Drained()
	}
	return nil
}

func (s *stream) Pending() (int, time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.writing {
		return 0, time.Time{}
	}
	return s.inFlight + len(s.out), s.since
}

func (s *stream) Finish() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.finish || s.closed {
		return
	}
	s.finish = true
	s.startWriterLocked()
}

func (s *stream) Close() { s.close() }

// close tells whether the stream was open.
func (s *stream) close() bool {
	s.mu.Lock()
	wasOpen := !s.closed
	s.closed = true
	s.mu.Unlock()
	s.conn.Close()
	s.loop.mu.Lock()
	delete(s.loop.streams, s)
	s.loop.mu.Unlock()
	return wasOpen
}

func (s *stream) isClosed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closed
}
