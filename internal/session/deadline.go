package session

import (
	"time"

	"github.com/bodkin-p2p/bodkin/internal/deadline"
)

// SetDeadline sets the deadlines of reading and writing. The zero time means none.
func (s *Stream) SetDeadline(t time.Time) error {
	if err := s.SetReadDeadline(t); err != nil {
		return err
	}
	return s.SetWriteDeadline(t)
}

// SetReadDeadline sets until when Read may wait, also for a Read that is at work.
func (s *Stream) SetReadDeadline(t time.Time) error { return s.setDeadline(&s.readBy, t) }

// SetWriteDeadline sets until when Write may wait, also for a Write that is at work.
func (s *Stream) SetWriteDeadline(t time.Time) error { return s.setDeadline(&s.writeBy, t) }

func (s *Stream) setDeadline(d *deadline.Timer, t time.Time) error {
	s.session.mu.Lock()
	defer s.session.mu.Unlock()
	if s.closed {
		return errClosed
	}
	d.Set(t, s.deadlinePassed)
	s.wake()
	return nil
}

// deadlinePassed is wake for a timer.
func (s *Stream) deadlinePassed() {
	s.session.mu.Lock()
	defer s.session.mu.Unlock()
	s.wake()
}

// wake has Read and Write look again. The caller holds the mutex.
func (s *Stream) wake() {
	s.readable.Broadcast()
	s.writable.Broadcast()
}
