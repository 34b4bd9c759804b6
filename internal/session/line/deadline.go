package line

import "time"

// SetDeadline sets until when Read and Write may wait, also while suspended. The zero time means for ever.
func (l *Line) SetDeadline(t time.Time) error {
	l.SetReadDeadline(t)
	return l.SetWriteDeadline(t)
}

// SetReadDeadline sets until when Read may wait, also for one that is at work.
func (l *Line) SetReadDeadline(t time.Time) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err == nil {
		l.readBy.Set(t, l.deadlinePassed)
	}
	l.readable.Broadcast()
	return nil
}

// SetWriteDeadline sets until when Write may wait, also for one that is at work.
func (l *Line) SetWriteDeadline(t time.Time) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err == nil {
		l.writeBy.Set(t, l.deadlinePassed)
	}
	l.writable.Broadcast()
	return nil
}

func (l *Line) deadlinePassed() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.wakeAll()
}
