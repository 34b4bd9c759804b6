// Package deadline keeps the deadlines of a net.Conn that waits in memory.
package deadline

import "time"

// A Timer wakes who waits when the deadline of reading, or of writing, has passed. Its zero value is none. What guards the wait guards the
// Timer: a mutex of the owner's.
type Timer struct {
	at    time.Time // zero: none
	timer *time.Timer
}

// Passed tells whether there is a deadline, and it is over.
func (t *Timer) Passed() bool { return !t.at.IsZero() && !time.Now().Before(t.at) }

// Set makes at the deadline, and has wake called when it passes, without the owner's mutex. The zero time means none.
func (t *Timer) Set(at time.Time, wake func()) {
	t.at = at
	switch {
	case at.IsZero():
		t.Stop()
	case t.timer == nil:
		t.timer = time.AfterFunc(time.Until(at), wake)
	default:
		t.timer.Reset(time.Until(at))
	}
}

// Stop has nobody woken any more. A deadline that there is stays one.
func (t *Timer) Stop() {
	if t.timer != nil {
		t.timer.Stop()
	}
}
