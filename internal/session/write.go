package session

import (
	"fmt"
	"io"
	"net"
)

// Write writes to the peer. It may succeed before the peer has taken the stream; a refusal comes as a [*RefusedError]
// from the next Read, or from the next Write after it has arrived. Write returns ErrReset if the peer has closed or
// aborted the stream.
func (s *Stream) Write(p []byte) (n int, err error) {
	s.writing.Lock()
	defer s.writing.Unlock()
	session := s.session
	session.mu.Lock()
	defer session.mu.Unlock()
	defer session.line.Send()
	for {
		if n > 0 && n == len(p) {
			return n, nil
		}
		if err := s.writeError(); err != nil {
			session.turns.quit(&s.turn)
			session.dispatch()
			return n, err
		}
		switch {
		case len(p) == 0:
			return 0, nil
		case s.due&dueOpen != 0 || s.turn.want > 0:
			s.writable.Wait()
		case s.credit == 0:
			s.owe(dueBlocked)
			session.line.Send()
			s.writable.Wait()
		case s.turn.granted == 0:
			want := min(len(p)-n, s.credit, dataSize) + headerSize
			if session.turns.goOn(&s.turn, want, session.line.Room()) {
				continue
			}
			session.turns.ask(&s.turn, want)
			session.dispatch()
			if s.turn.granted == 0 {
				session.line.Send()
			}
		default:
			n += s.put(p[n:])
			session.dispatch()
		}
	}
}

// put writes one frame in a turn that was granted. It lets go of mu while it copies. The caller holds it.
func (s *Stream) put(p []byte) int {
	session := s.session
	n := min(len(p), s.credit, s.turn.granted-headerSize)
	session.turns.use(&s.turn)
	var header [headerSize]byte
	frame{kindData, n, s.id}.append(header[:0])
	space := session.line.Reserve(headerSize + n)
	filled := space
	filled.Put(header[:])
	s.credit -= n
	if n <= copyLocked {
		filled.Put(p[:n])
	} else {
		session.mu.Unlock()
		filled.Put(p[:n])
		session.mu.Lock()
	}
	session.line.Commit(space, n < len(p))
	s.bytesOut += uint64(n)
	session.bytesOut += uint64(n)
	return n
}

// writeError tells why nothing can be written. The caller holds mu.
func (s *Stream) writeError() error {
	switch {
	case s.closed:
		return errClosed
	case s.fate != nil:
		return s.fate
	case s.saidEnd:
		return fmt.Errorf("session: write after CloseWrite: %w", net.ErrClosed)
	case s.session.cause != nil:
		return s.session.cause
	case s.writeBy.Passed():
		return errTimeout
	}
	return nil
}

// dispatch gives writers their turns as far as there is room. The caller holds mu.
func (s *Session) dispatch() {
	for {
		turn := s.turns.grant(s.line.Room())
		if turn == nil {
			return
		}
		turn.wake.Signal()
	}
}

var _ io.WriterTo = (*Stream)(nil)
