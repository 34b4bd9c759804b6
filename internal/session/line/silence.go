package line

import (
	"time"
)

// heard notes a sign of life. The caller holds mu.
func (c *carrier) heard() {
	now := time.Now()
	c.pulse.hear(now)
	if patience := c.pulse.patience(c.silence()); !c.pulse.owed.IsZero() && !c.leaving && c.tickAt.Sub(now) > patience {
		c.again(patience) // it was late, or less was known of the path
	}
	c.signs++
	if c.listeners > 0 {
		c.line.proven.Broadcast()
	}
	if c.doubtful {
		c.doubtful = false
		c.line.proven.Broadcast()
		c.line.choose()
	}
}

// flowed is heard for data and its acknowledgments. The caller holds mu.
func (c *carrier) flowed() {
	c.heard()
	if c.pulse.isOld(c.pulse.heard) && !c.leaving {
		c.ask()
	}
}

// expect notes that the peer owes an answer. The caller holds mu.
func (c *carrier) expect() {
	if c.line.err == nil && c.pulse.owed.IsZero() && c.pulse.expect(time.Now()) && !c.leaving {
		c.again(c.pulse.patience(c.silence()))
	}
}

func (c *carrier) silence() time.Duration {
	if c.doubtful {
		return min(c.proveIn, c.line.config.Silence)
	}
	return c.line.config.Silence
}

// note notes when the carrier was heard last and since when it has been missed, unless that was done when the doubt began. The caller
// holds mu.
func (c *carrier) note() {
	if c.doubtful {
		return
	}
	c.spoke, c.missed = c.pulse.heard, time.Now()
	if !c.pulse.owed.IsZero() { // or else it is only the peer that misses it
		c.missed = c.pulse.waiting()
	}
}

// doubt has a carrier prove that it works before it is used again. What went out by it is sent again at once. The caller holds mu.
func (c *carrier) doubt(proveIn time.Duration) {
	c.line.out.lost(&c.flight)
	if c.leaving {
		return
	}
	c.note()
	c.doubtful, c.proveIn = true, proveIn
	c.pulse.heard, c.pulse.late = time.Time{}, false
	c.pulse.owed = time.Now()
	c.ask()
	c.again(c.silence())
}

// tick looks after the carrier from time to time.
func (c *carrier) tick() {
	if c.look() && c.line.config.Quiet != nil {
		c.line.config.Quiet()
	}
}

// look is tick, and tells whether an answer has become late.
func (c *carrier) look() bool {
	l := c.line
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	late := now.Sub(c.tickAt)
	switch {
	case c.fate != nil:
		return false
	case l.err != nil:
		c.lose(l.err)
		return false
	case c.leaving:
		c.leaves(now)
		return false
	case late > stall: // this machine slept, or was stopped: the answer may be there, and not yet read
		c.pulse.owed, c.pulse.late = now, false
		c.ask()
		c.again(c.pulse.patience(c.silence()))
		return false
	}
	found, next := c.pulse.judge(now, c.silence(), l.config.KeepAlive)
	switch found {
	case expired:
		c.lose(ErrSilent)
		return false
	case idle:
		c.ask()
	case overdue:
		if c.pulse.asked.IsZero() {
			c.ask()
		}
		l.suspect()
		if c == l.active {
			l.notify()
		}
	}
	c.again(next)
	return found == overdue && !c.doubtful
}

// ask has a ping sent. The caller holds mu.
func (c *carrier) ask() {
	c.pingDue = true
	c.wake.Signal()
}

// again has tick come after a while. The caller holds mu.
func (c *carrier) again(after time.Duration) {
	c.tickAt = time.Now().Add(after)
	c.timer.Reset(after)
}
