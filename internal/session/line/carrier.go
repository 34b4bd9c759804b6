package line

import (
	"encoding/binary"
	"io"
	"net"
	"sync"
	"time"
)

// A Carrier is a connection for a line to use.
type Carrier struct {
	// Conn ends at the peer, which has proven its key. It belongs to the line, which closes it.
	Conn net.Conn

	// Rank says how good the carrier is beside others: the highest is used. The word of the side that speaks first counts.
	Rank uint8

	// Beside asks for the carrier to be used in addition to those that the line has, up to Config.Spread, and not instead of
	// them. The word of the side that speaks first counts.
	Beside bool

	// Abort ends the connection at once, after it has been silent for so long that an orderly end would lead nowhere.
	// Nil means Conn.Close.
	Abort func()

	// Label is the owner's own, and comes back from Line.Carrier.
	Label any
}

// A carrier is a Carrier at work: a goroutine that reads and one that writes.
type carrier struct {
	Carrier
	line    *Line
	name    uint64   // the same at both ends
	under   net.Conn // Conn, or what is below its TLS
	corked  corked   // Conn, if it can gather
	telling telling  // Conn, if it tells of waits
	filling filling  // Conn, if it can read into spare memory

	// What follows is guarded by line.mu.
	wake      sync.Cond // the writer waits here
	flight    flight
	meter     meter
	used      bool      // data goes out by it
	usedAt    time.Time // when it was last
	stuck     bool      // what went out by it stands still, and goes by others
	needs     bool      // this end needs it beside others, the peer was told
	needDue   bool      // or is to be
	peerNeeds bool      // the peer does
	came      uint64    // bytes of data that have come by it
	cameSaid  uint64    // and that the peer was told of
	cameDue   bool      // it is to be told
	pulse     pulse
	timer     *time.Timer
	tickAt    time.Time     // when it fires
	doubtful  bool          // the peer thinks it dead
	proveIn   time.Duration // how long it then has to show that it is not
	signs     uint64        // of life: how often it was heard
	listeners int           // how many wait for the next
	spoke     time.Time     // when it was heard last before it was doubted or lost
	missed    time.Time     // and since when it was missed
	leaving   bool          // for a better one: nothing but a last frame is sent
	saidLast  bool          // that frame is away
	peerLeft  bool          // the peer's has come
	pingDue   bool
	pongDue   bool
	pong      uint64
	closeDue  bool // the line is over, and the peer is to be told
	saidClose bool
	fate      error // why it is lost
	flushing  bool  // the writer is writing

	chunk   *chunk // where the reader puts data
	fill    int    // only the reader uses it
	resting bool   // the reader waits for a frame
}

// corked is a connection that can gather small writes into a large one.
type corked interface {
	Cork()
	Uncork() error
}

// telling is a connection that reads ahead, and tells when it has nothing more at hand.
type telling interface{ OnWait(func()) }

// filling is a connection that saves a copy if it may use the memory behind what it fills.
type filling interface{ ReadInto([]byte) (int, error) }

func (l *Line) newCarrier(given Carrier, name uint64) *carrier {
	c := &carrier{Carrier: given, line: l, name: name, needs: true, peerNeeds: true, usedAt: time.Now()}
	c.wake.L = &l.mu
	under := given.Conn
	if t, ok := under.(interface{ NetConn() net.Conn }); ok { // crypto/tls
		under = t.NetConn()
	}
	c.under = under
	c.corked, _ = given.Conn.(corked)
	c.filling, _ = given.Conn.(filling)
	if c.telling, _ = given.Conn.(telling); c.telling != nil {
		c.telling.OnWait(l.rested)
	}
	return c
}

// start sets the goroutines of a carrier to work. The caller holds mu.
func (c *carrier) start(first func() error) {
	c.pulse.heard = time.Now()
	c.pulse.timed = c.pulse.heard // the first ping comes when there is a pause
	c.tickAt = c.pulse.heard.Add(c.line.config.KeepAlive)
	c.timer = time.AfterFunc(c.line.config.KeepAlive, c.tick)
	c.line.carriers = append(c.line.carriers, c)
	c.line.work.Go(func() { c.read(first) })
	c.line.work.Go(c.write)
}

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
		err := c.flush(head, parts)
		l.mu.Lock()
		c.flushing = false
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

// due tells whether there is anything to send. The caller holds mu.
func (c *carrier) due() bool {
	l := c.line
	switch {
	case c.closeDue:
		return !c.saidClose && (c.closes() || c.takes() > 0)
	case l.err != nil, c.saidLast:
		return false
	case c.pingDue, c.pongDue, c.leaving, c.cameDue, c.needDue:
		return true
	}
	return c.acks() && l.ackDue || c.takes() > 0
}

// acks tells whether the carrier may bring acknowledgements: any that is in use, so that they do not wait where one is slow.
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
		if _, err := c.Conn.Write(p.bytes()); err != nil {
			return err
		}
	}
	return nil
}

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
		case kindPing, kindPong, kindLeave, kindClose, kindCame, kindNeed:
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
	case len(l.carriers) < 2 || unsaid == 0: // of a single one acknowledgements tell
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
