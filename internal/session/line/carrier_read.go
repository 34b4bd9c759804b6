package line

import (
	"encoding/binary"
	"io"
	"time"
)

// read takes frames until the carrier is lost.
func (c *carrier) read(first func() error) {
	err := first()
	if err == nil {
		err = c.frames()
	}
	if err == io.EOF {
		err = errGone
	}
	l := c.line
	l.mu.Lock()
	defer l.mu.Unlock()
	if c.chunk != nil {
		l.pool.release(c.chunk)
	}
	if l.layer != nil {
		l.layer.Rested()
	}
	c.readFailed(err)
}

// frames reads frames until one of them, or the connection, is bad.
func (c *carrier) frames() error {
	buffer := make([]byte, 512)
	begin, end := 0, 0
	for {
		for end-begin < headerSize {
			if begin > 0 {
				end = copy(buffer, buffer[begin:end])
				begin = 0
			}
			c.rest()
			n, err := c.Conn.Read(buffer[end:])
			if end += n; err != nil && end < headerSize {
				return err
			}
		}
		h, err := parseHeader(buffer[begin:end])
		if err != nil {
			return err
		}
		begin += headerSize
		early := buffer[begin:min(end, begin+h.length)]
		begin += len(early)
		switch h.kind {
		case kindData:
			err = c.data(h, early)
		case kindAck:
			var limit [8]byte
			if _, err = io.ReadFull(c.Conn, limit[copy(limit[:], early):]); err == nil {
				err = c.ack(h.value, binary.BigEndian.Uint64(limit[:]))
			}
		case kindPing, kindPong, kindLeave, kindClose, kindCame, kindNeed, kindUse, kindLoss:
			err = c.control(h)
		default:
			_, err = io.CopyN(io.Discard, c.Conn, int64(h.length-len(early)))
		}
		if err != nil {
			return err
		}
	}
}

// data takes the data of a frame, of which the first bytes are there already.
func (c *carrier) data(h header, early []byte) error {
	offset, left := h.value, h.length
	if c.expecting != nil && left > len(early) {
		c.expecting.Expect(left - len(early))
	}
	for left > 0 {
		space := c.space(offset, left)
		var n int
		var err error
		if len(early) > 0 {
			n = copy(space, early)
			early = early[n:]
		} else {
			n, err = c.readInto(space)
		}
		if n > 0 {
			if err := c.arrived(offset, n); err != nil {
				return err
			}
			offset += uint64(n)
			left -= n
		}
		if err != nil && left > 0 {
			return err
		}
	}
	return nil
}

func (c *carrier) readInto(p []byte) (int, error) {
	if c.filling != nil {
		return c.filling.ReadInto(p)
	}
	return c.Conn.Read(p)
}

// space is memory for the next data. Behind it, up to its capacity, nothing is in use. It begins and ends where the sender's memory does.
func (c *carrier) space(offset uint64, most int) []byte {
	l := c.line
	l.mu.Lock()
	defer l.mu.Unlock()
	c.resting = false
	if c.chunk != nil && c.fill == chunkSize {
		l.pool.release(c.chunk)
		c.chunk = nil
	}
	if c.chunk == nil {
		c.chunk, c.fill = l.pool.get(), int(offset%chunkSize)
	}
	return c.chunk.data[c.fill : c.fill+min(chunkSize-c.fill, most)]
}

// rest lets memory be taken back during what may be a long wait for the next frame.
func (c *carrier) rest() {
	c.line.mu.Lock()
	defer c.line.mu.Unlock()
	c.resting = true
	c.takeBack()
}

// takeBack takes the memory of a reader that rests, if nothing in it is unread. The caller holds mu.
func (c *carrier) takeBack() {
	if c.resting && c.chunk != nil && c.chunk.uses == 1 {
		c.line.pool.release(c.chunk)
		c.chunk = nil
	}
}

// arrived gives n bytes of the chunk to the receiver.
func (c *carrier) arrived(offset uint64, n int) error {
	l := c.line
	l.mu.Lock()
	defer l.mu.Unlock()
	before := l.in.next
	err := l.in.accept(offset, part{c.chunk, c.fill, c.fill + n})
	c.fill += n
	c.came += uint64(n)
	c.flowed()
	c.tell(cameEvery)
	if c.pulse.flow() && !c.leaving && c.pulse.owed.IsZero() {
		c.again(pause)
	}
	switch {
	case l.in.next == before || err != nil:
	case l.layer == nil:
		l.readable.Signal()
	default:
		l.deliver()
		if c.telling == nil {
			l.layer.Rested()
		}
	}
	switch missing := l.in.next - l.acked; {
	case missing >= uint64(min(ackEvery, l.in.window/4)):
		l.ackNow()
	case missing > 0:
		l.ackSoon()
	case offset+uint64(n) <= before: // a repetition: the peer did not know, so it hears again
		l.ackNow()
	}
	return err
}

func (c *carrier) ack(received, limit uint64) error {
	l := c.line
	l.mu.Lock()
	defer l.mu.Unlock()
	c.flowed()
	err := l.out.ack(received, limit)
	l.roomy()
	l.wakeWriter() // the limit may have moved
	for _, other := range l.carriers {
		other.settled()
		other.retire()
	}
	return err
}

// settled notes whether the peer has all that went out by the carrier. The caller holds mu.
func (c *carrier) settled() {
	if c.line.out.landed(&c.flight) {
		if !c.doubtful { // which owes a pong, whatever another has brought
			c.pulse.answered()
		}
		if c.closeDue && c.line.active != nil {
			c.line.active.wake.Signal() // may say its last word now
		}
	}
}

// tell has the peer told how many bytes have come by the carrier, if it was not of so many. The caller holds mu.
func (c *carrier) tell(least uint64) {
	l := c.line
	switch unsaid := c.came - c.cameSaid; {
	case len(l.carriers) < 2 || unsaid == 0: // of a single one acknowledgments tell
	case unsaid >= least:
		c.cameDue = true
		c.wake.Signal()
	default:
		l.ackSoon()
	}
}

// hasCome takes the peer's word on how many bytes have come by the carrier. The caller holds mu.
func (c *carrier) hasCome(came uint64) error {
	l := c.line
	if came <= c.flight.came {
		return nil
	}
	if err := l.out.told(&c.flight, came); err != nil {
		return err
	}
	c.meter.arrived(time.Now(), &c.flight, l.several > 1)
	c.stuck = false
	c.settled()
	if c.takes() > 0 {
		c.wake.Signal()
	}
	return nil
}

func (c *carrier) control(h header) error {
	l := c.line
	l.mu.Lock()
	defer l.mu.Unlock()
	c.heard()
	switch h.kind {
	case kindPing:
		c.pong, c.pongDue = h.value, true
		c.wake.Signal()
	case kindPong:
		c.pulse.ponged(h.value, time.Now())
		c.settled()
	case kindCame:
		return c.hasCome(h.value)
	case kindNeed:
		c.peerNeeds = h.value != 0
		l.putDownSpares()
	case kindUse:
		l.obey(c, h.value)
	case kindLoss:
		c.peerLoss = lossOf(h.value)
	case kindLeave:
		c.peerLeft = true
		l.choose()
		c.retire()
	case kindClose:
		l.end(ErrPeerClosed)
		if l.err != ErrPeerClosed { // it answers our own last word
			return errClosed
		}
	}
	return nil
}
