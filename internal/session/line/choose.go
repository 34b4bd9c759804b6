package line

import (
	"errors"
	"slices"
	"time"
)

// better tells whether c is to be used rather than other. Both ends come to the same answer, so that they do not put down each
// other's choice.
func (c *carrier) better(other *carrier) bool {
	switch {
	case other == nil:
		return true
	case c.Aside != other.Aside:
		return other.Aside
	case c.peerLeft != other.peerLeft: // the peer has got a successor, which is on its way to this end, too
		return other.peerLeft
	case c.Rank != other.Rank:
		return c.Rank > other.Rank
	case c.Beside != other.Beside:
		return other.Beside
	}
	return c.name > other.name
}

// choose decides by which carrier is sent, and puts the others down. The caller holds mu.
func (l *Line) choose() {
	var best *carrier
	for _, c := range l.carriers {
		if !c.doubtful && !c.leaving && c.better(best) {
			best = c
		}
	}
	if best != l.active && l.err == nil {
		l.chosen = l.chosen && best != nil && l.active != nil && best.Rank == l.active.Rank // or the new one is used for want of another
		if best != nil {
			best.Aside = false
		}
		l.active, l.since = best, time.Now()
		if best == nil {
			l.giveUp.Reset(l.config.Wait)
		} else {
			l.giveUp.Stop()
			l.ackNow() // the last one may have been lost with its carrier
		}
		l.notify()
	}
	if l.err != nil {
		return
	}
	defer l.assign(time.Now())
	if best == nil {
		return
	}
	room := l.config.Spread - 1
	for _, c := range l.carriers {
		if c == best || c.doubtful || c.leaving || c.Aside && !c.peerLeft {
			continue
		}
		if room > 0 && c.besides(best) {
			room--
		} else {
			c.leave()
		}
	}
}

// leave puts a carrier down: it says its last on it. The caller holds mu.
func (c *carrier) leave() {
	c.leaving = true
	c.used = false
	c.wake.Signal()
	c.leftAt, c.still = time.Now(), c.line.out.acked
	c.again(min(c.pulse.patience(c.silence()), retireTime))
}

// leaves looks after a carrier that was put down. If the peer gets nothing more while something is on it, it may have died unnoticed just
// before: that goes again by another, while it has the rest of its time. The caller holds mu.
func (c *carrier) leaves(now time.Time) {
	left := retireTime - now.Sub(c.leftAt)
	if left <= 0 {
		c.lose(errRetired)
		return
	}
	out := &c.line.out
	if out.acked == c.still && !out.landed(&c.flight) {
		out.lost(&c.flight)
		c.line.wakeWriter()
	}
	c.still = out.acked
	c.again(min(c.pulse.patience(c.silence()), left))
}

// retire ends a carrier once both sides have said their last on it, and all came over. The caller holds mu.
func (c *carrier) retire() {
	if c.saidLast && c.peerLeft && c.line.out.landed(&c.flight) {
		c.lose(errRetired)
	}
}

// lose takes a carrier out, and has sent again by another what went out by it and is not acknowledged. The caller holds mu.
func (c *carrier) lose(err error) {
	if c.fate != nil {
		return
	}
	l := c.line
	c.fate = err
	c.timer.Stop()
	l.carriers = slices.DeleteFunc(slices.Clone(l.carriers), func(other *carrier) bool { return other == c })
	l.out.lost(&c.flight)
	c.wake.Signal()
	l.proven.Broadcast()
	if err != errRetired && l.err == nil {
		l.lost = err
		if c.pulse.rtt != 0 {
			l.lostRTT = c.pulse.rtt
		}
		l.suspect()
	}
	// Of several that die together, of one cause but at other ages, one tells the owner.
	died := l.err == nil && !c.leaving && !c.peerLeft && !c.Beside && (c.doubtful || c.pulse.late)
	if died {
		c.note()
	}
	stuck := c.flushing
	l.closing++
	l.work.Go(func() {
		c.end(stuck)
		l.mu.Lock()
		l.closing--
		l.proven.Broadcast()
		l.mu.Unlock()
		if died && l.config.Died != nil {
			l.config.Died(c.Carrier, c.spoke, c.missed) // nothing sets them any more
		}
	})
	l.choose()
	l.wakeWriter()
	if l.err != nil { // another may say the last word now
		for _, other := range l.carriers {
			other.wake.Signal()
		}
	}
}

// mute tells whether nothing was heard by a carrier since an answer by it, or by another of its rank, was missed that is late by now: what
// ended that one has ended those on the same path, although less may be due by them. The caller holds mu.
func (l *Line) mute(c *carrier) bool {
	for _, other := range l.carriers {
		if other.pulse.late && !other.doubtful && !other.leaving && (other == c || other.Rank == c.Rank && !c.pulse.heard.After(other.pulse.waiting())) {
			return true
		}
	}
	return false
}

// suspect has the carriers that are left show that they work: what ended one, or made it late, may have ended others, on which nothing
// tells. The caller holds mu.
func (l *Line) suspect() {
	for _, c := range l.carriers {
		if !c.leaving && c.pulse.owed.IsZero() {
			c.ask()
			c.expect()
		}
	}
}

// end ends the connection, which stops the carrier's goroutines. Only a connection that works is ended with TLS's own last word, which
// would wait behind a write that is stuck.
func (c *carrier) end(stuck bool) {
	orderly := c.fate == errRetired || c.fate == errClosed || c.fate == ErrPeerClosed
	if c.Abort != nil && c.fate == ErrSilent {
		c.Abort()
	}
	if stuck || !orderly {
		c.under.Close()
	}
	c.Conn.Close()
}

// readFailed takes the error that ended the reader. The caller holds mu.
func (c *carrier) readFailed(err error) {
	if errors.Is(err, ErrProtocol) || errors.Is(err, ErrUnknown) || errors.Is(err, ErrVersion) {
		c.line.end(err)
	}
	if c.closeDue && !c.saidClose && c.line.err == ErrPeerClosed {
		return // the writer answers the peer's last word first
	}
	c.lose(err)
}
