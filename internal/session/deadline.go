package session

import "time"

// A deadline wakes who waits when it is exceeded. It is guarded by the session's mutex.
type deadline struct {
	at    time.Time // zero means none
	timer *time.Timer
}

func (d *deadline) exceeded() bool { return !d.at.IsZero() && !time.Now().Before(d.at) }

func (d *deadline) stop() {
	if d.timer != nil {
		d.timer.Stop()
	}
}

func (d *deadline) set(at time.Time, wake func()) {
	d.at = at
	switch {
	case at.IsZero():
		d.stop()
	case d.timer == nil:
		d.timer = time.AfterFunc(time.Until(at), wake)
	default:
		d.timer.Reset(time.Until(at))
	}
}

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

func (s *Stream) setDeadline(d *deadline, t time.Time) error {
	s.session.mu.Lock()
	defer s.session.mu.Unlock()
	if s.closed {
		return errClosed
	}
	d.set(t, s.wakeLocked)
	s.wake()
	return nil
}

// wakeLocked is wake for who does not hold the mutex.
func (s *Stream) wakeLocked() {
	s.session.mu.Lock()
	defer s.session.mu.Unlock()
	s.wake()
}

// wake has Read and Write look again. The caller holds the mutex.
func (s *Stream) wake() {
	s.readable.Broadcast()
	s.writable.Broadcast()
}
