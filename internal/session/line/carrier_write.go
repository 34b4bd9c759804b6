package line

import "time"

// write sends what is due until the carrier is lost.
func (c *carrier) write() {
	l := c.line
	head := make([]byte, 0, smallData+8*headerSize)
	var parts []part
	l.mu.Lock()
	defer l.mu.Unlock()
	for {
		for c.fate == nil && !c.due() {
			l.starves()
			c.wake.Wait()
		}
		if c.fate != nil {
			return
		}
		head, parts = c.gather(head[:0], parts[:0])
		last, over := c.leaving, c.saidClose
		c.flushing = true
		l.mu.Unlock()
		began := time.Now()
		err := c.flush(head, parts)
		took := time.Since(began)
		l.mu.Lock()
		c.flushing = false
		c.wrote(parts, took)
		l.out.drop(parts)
		clear(parts)
		switch {
		case err != nil:
			c.lose(err)
		case over: // the peer answers, or ends the connection
			for _, other := range l.carriers {
				other.wake.Signal()
			}
			if l.err == ErrPeerClosed {
				c.lose(l.err)
			}
		case last:
			c.saidLast = true
			c.retire()
		}
	}
}

// wrote has the next batch be as large as the carrier is fast. The caller holds mu.
func (c *carrier) wrote(parts []part, took time.Duration) {
	n := 0
	for _, p := range parts {
		n += p.to - p.from
	}
	c.batch = nextBatch(c.batch, n, took)
	if c == c.line.active {
		c.line.out.ahead = sendAhead + c.batch - batch
	}
}

// nextBatch is the most that goes to a carrier at once after a write of n bytes took so long.
func nextBatch(before, n int, took time.Duration) int {
	switch {
	case took > batchTime:
		return max(before/2, batch)
	case n >= before && took <= batchTime/2: // then twice as much takes no longer than it may
		return min(2*before, mostBatch)
	}
	return before
}

// due tells whether there is anything to send. The caller holds mu.
func (c *carrier) due() bool {
	l := c.line
	switch {
	case c.closeDue:
		return !c.saidClose && (c.closes() || c.takes() > 0)
	case l.err != nil, c.saidLast:
		return false
	case c.pingDue, c.pongDue, c.leaving, c.cameDue, c.needDue, c.useDue, c.lossDue:
		return true
	}
	return c.acks() && l.ackDue || c.takes() > 0
}

// acks tells whether the carrier may bring acknowledgments: any that is in use, so that they do not wait where one is slow.
func (c *carrier) acks() bool { return c == c.line.active || c.used }

// closes tells whether the last word may be said on the carrier: behind all that was written, by whatever carrier that went.
func (c *carrier) closes() bool {
	l := c.line
	if l.err != errClosed || l.active == nil || l.active.fate != nil {
		return true
	}
	if c != l.active {
		return l.active.saidClose
	}
	for _, other := range l.carriers {
		if other != c && !l.out.landed(&other.flight) {
			return false
		}
	}
	return !l.out.pending()
}

// gather collects what is due: small things in head, the parts of large data behind it. The caller holds mu.
func (c *carrier) gather(head []byte, parts []part) ([]byte, []part) {
	l := c.line
	if c.closeDue && c.closes() {
		c.saidClose = true
		return header{kind: kindClose}.append(head), parts
	}
	if c.acks() && (l.ackDue || l.in.next-l.acked >= ackEvery/4 || l.acked < l.in.next && l.out.pending()) {
		l.ackDue = false
		l.acked = l.in.next
		l.in.offered = max(l.in.offered, l.in.limit())
		head = appendAck(head, l.in.next, l.in.offered)
		c.cameDue = c.came > c.cameSaid
	}
	if c.cameDue {
		c.cameDue, c.cameSaid = false, c.came
		head = header{kind: kindCame, value: c.came}.append(head)
	}
	if c.needDue {
		c.needDue = false
		head = header{kind: kindNeed, value: needValue(c.needs)}.append(head)
	}
	if c.useDue {
		c.useDue = false
		head = header{kind: kindUse, value: l.word}.append(head)
	}
	if c.lossDue {
		c.lossDue = false
		head = header{kind: kindLoss, value: c.loss.value()}.append(head)
	}
	if c.pongDue {
		c.pongDue = false
		head = header{kind: kindPong, value: c.pong}.append(head)
	}
	if c.pingDue {
		c.pingDue = false
		head = header{kind: kindPing, value: c.pulse.ping(time.Now())}.append(head)
	}
	if c.leaving && !c.closeDue {
		return header{kind: kindLeave}.append(head), parts
	}
	if most := c.takes(); most > 0 {
		s := l.out.take(&c.flight, most)
		now := time.Now()
		c.meter.left(now, &c.flight, s.len())
		l.fed(now)
		head = header{kindData, s.len(), s.from}.append(head)
		parts = l.out.hold(s, parts)
		if s.len() <= smallData {
			for _, p := range parts {
				head = append(head, p.bytes()...)
			}
			l.out.drop(parts)
			parts = parts[:0]
		}
		c.expect()
		l.roomy()
	}
	return head, parts
}

// flush writes to the connection, all at once if it can.
func (c *carrier) flush(head []byte, parts []part) error {
	if len(parts) == 0 || c.corked == nil {
		return c.writeParts(head, parts)
	}
	c.corked.Cork()
	err := c.writeParts(head, parts)
	if uncorked := c.corked.Uncork(); err == nil {
		err = uncorked
	}
	return err
}

func (c *carrier) writeParts(head []byte, parts []part) error {
	if _, err := c.Conn.Write(head); err != nil {
		return err
	}
	for _, p := range parts {
		if err := c.writePart(p); err != nil {
			return err
		}
	}
	return nil
}

func (c *carrier) writePart(p part) (err error) {
	if c.sealing != nil {
		_, err = c.sealing.WriteMarked(p.marked())
	} else {
		_, err = c.Conn.Write(p.bytes())
	}
	return err
}
