package line

import (
	"time"
)

// acknowledging is what the peer knows of what has come.
type acknowledging struct {
	ackDue   bool   // it is to hear
	acked    uint64 // what it has heard
	ackTimer *time.Timer
	ackWaits bool // it runs
}

// ackNow tells the peer what has come. The caller holds mu.
func (l *Line) ackNow() {
	l.ackDue = true
	if l.active == nil {
		return
	}
	l.active.wake.Signal()
	if l.active.flushing { // then by another, if one is in use
		for _, c := range l.carriers {
			c.wake.Signal()
		}
	}
}

// ackSoon has the peer told in a while. The caller holds mu.
func (l *Line) ackSoon() {
	if !l.ackWaits && l.err == nil {
		l.ackWaits = true
		l.ackTimer.Reset(ackDelay)
	}
}

func (l *Line) ackLate() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ackWaits = false
	if l.acked < l.in.next {
		l.ackNow()
	}
	for _, c := range l.carriers {
		c.tell(1)
	}
}
