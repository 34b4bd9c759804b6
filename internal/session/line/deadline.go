package line

import "time"

// A deadline wakes who waits when it is exceeded. It is guarded by the line's mutex.
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
		l.readBy.set(t, l.deadlinePassed)
	}
	l.readable.Broadcast()
	return nil
}

// SetWriteDeadline sets until when Write may wait, also for one that is at work.
func (l *Line) SetWriteDeadline(t time.Time) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err == nil {
		l.writeBy.set(t, l.deadlinePassed)
	}
	l.writable.Broadcast()
	return nil
}

func (l *Line) deadlinePassed() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.wakeAll()
}
