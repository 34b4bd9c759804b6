package line

import (
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"github.com/bodkin-p2p/bodkin/internal/deadline"
)

// A Line is one end of a reliable byte stream over changing carriers. It is a [net.Conn] whose methods are safe for
// concurrent use; one Read and one Write are at work at a time.
type Line struct {
	config  Config
	id      ID
	pool    pool
	changed chan struct{} // see Changed
	done    chan struct{} // closed when err is set

	reading, writing sync.Mutex // held by the one Read and the one Write at work

	mu       sync.Mutex // guards what follows
	readable sync.Cond
	writable sync.Cond
	proven   sync.Cond // a carrier was heard or lost
	readBy   deadline.Timer
	writeBy  deadline.Timer
	out      sender
	in       receiver
	layer    Layer // in the place of Read and Write; may be nil
	err      error // why the line is over

	known     bool        // the peer is known to know the line
	returns   bool        // and how to return to it
	returning []*carrier  // whose peer has not said where it is
	carriers  []*carrier  // attached and not lost
	closing   int         // lost ones whose connections are still to be closed
	active    *carrier    // which is sent by; nil while suspended
	since     time.Time   // when active was set last
	giveUp    *time.Timer // runs while suspended
	lost      error       // what became of the last carrier
	lostRTT   time.Duration
	choosing
	acknowledging
	spreading

	work sync.WaitGroup // goroutines; Add only with mu held and err nil, or in one of them
}

var _ net.Conn = (*Line)(nil)

// New makes a line that is suspended until Attach gives it its first carrier. The caller must close it.
func New(config Config) *Line {
	l := newLine(newID(), config)
	l.began = true
	return l
}

func newLine(id ID, config Config) *Line {
	config = config.withDefaults()
	l := &Line{config: config, id: id, changed: make(chan struct{}, 1), done: make(chan struct{})}
	l.readable.L, l.writable.L, l.proven.L = &l.mu, &l.mu, &l.mu
	l.out = sender{pool: &l.pool, buffer: config.Buffer, ahead: sendAhead, limit: firstLimit}
	l.in = receiver{pool: &l.pool, window: config.Window, offered: uint64(config.Window)}
	l.ackTimer = time.AfterFunc(time.Hour, l.ackLate)
	l.ackTimer.Stop()
	l.spread = newSpread(config.Spread)
	l.watchTimer = time.AfterFunc(time.Hour, l.watched)
	l.watchTimer.Stop()
	l.giveUp = time.AfterFunc(config.Wait, l.waited)
	return l
}

// ID names the line; it is the same at both ends.
func (l *Line) ID() ID { return l.id }

// Done is closed when the line is over.
func (l *Line) Done() <-chan struct{} { return l.done }

// Err tells why the line is over; nil while it is not.
func (l *Line) Err() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.err
}

// Read reads what the peer wrote. With no carrier it waits. It returns io.EOF behind the last byte that came before the
// peer closed the line.
func (l *Line) Read(p []byte) (n int, err error) {
	l.reading.Lock()
	defer l.reading.Unlock()
	l.mu.Lock()
	defer l.mu.Unlock()
	for {
		switch {
		case l.err == errClosed:
			return 0, errClosed
		case l.readBy.Passed():
			return 0, errTimeout
		case len(p) == 0:
			return 0, nil
		case l.in.read < l.in.next:
			return l.readReady(p), nil
		case l.err == ErrPeerClosed:
			return 0, io.EOF
		case l.err != nil:
			return 0, l.err
		}
		l.readable.Wait()
	}
}

// readReady copies what has come. It lets go of mu meanwhile: nobody else consumes.
func (l *Line) readReady(p []byte) (n int) {
	for n < len(p) {
		ready := l.in.ready()
		if len(ready) == 0 {
			break
		}
		l.mu.Unlock()
		copied := copy(p[n:], ready)
		l.mu.Lock()
		l.in.consume(copied)
		n += copied
	}
	if len(l.in.pieces) == 0 {
		for _, c := range l.carriers {
			c.takeBack()
		}
	}
	if l.in.limit()-l.in.offered >= uint64(l.in.window)/4 {
		l.ackNow()
	}
	return n
}

// Write hands bytes over to be sent, of which it keeps as many as Config.Buffer says. With no carrier it waits once 512 KiB,
// or up to 1,280 after fast writes, are unsent.
func (l *Line) Write(p []byte) (n int, err error) {
	l.writing.Lock()
	defer l.writing.Unlock()
	l.mu.Lock()
	defer l.mu.Unlock()
	for {
		switch {
		case l.err == ErrPeerClosed:
			return n, io.ErrClosedPipe
		case l.err != nil:
			return n, l.err
		case l.writeBy.Passed():
			return n, errTimeout
		case n == len(p):
			return n, nil
		}
		room := l.out.room()
		if room == 0 {
			l.writable.Wait()
			continue
		}
		next := p[n : n+min(room, len(p)-n, chunkSize)]
		space := l.out.reserve(len(next))
		filled := space
		l.mu.Unlock()
		filled.Put(next)
		l.mu.Lock()
		l.out.commit(space)
		n += len(next)
		l.wakeWriter()
	}
}

// Close ends the line at both ends, closes the carriers, and may be called twice. What was written goes out before, for which, and for
// the peer's answer, Close waits a second at most. That the peer has read it only the layer above can know.
func (l *Line) Close() error {
	l.mu.Lock()
	l.end(errClosed)
	l.mu.Unlock()
	l.work.Wait()
	return nil
}

// end makes an error the line's end, if it has none, and tells the peer. The caller holds mu.
func (l *Line) end(err error) {
	if l.err != nil {
		if err == errClosed {
			l.err = err
			l.wakeAll()
		}
		return
	}
	l.err = err
	close(l.done)
	if l.layer != nil {
		l.layer.Over(err)
	}
	l.giveUp.Stop()
	l.ackTimer.Stop()
	l.watchTimer.Stop()
	l.readBy.Stop()
	l.writeBy.Stop()
	l.wakeAll()
	for _, c := range l.carriers {
		c.closeDue = true
		c.wake.Signal()
		c.again(closeTime)
	}
	l.notify()
}

func (l *Line) wakeAll() {
	l.readable.Broadcast()
	l.writable.Broadcast()
}

// waited ends a line that had no carrier for as long as it may.
func (l *Line) waited() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.active != nil {
		return // one came as the timer fired
	}
	err := fmt.Errorf("%w for %v", ErrNoPath, l.config.Wait)
	if l.lost != nil {
		err = fmt.Errorf("%w: %w", err, l.lost)
	}
	l.end(err)
}

// wakeWriter has the carriers in use send what is due. The caller holds mu.
func (l *Line) wakeWriter() {
	for _, c := range l.carriers {
		if c == l.active || c.takes() > 0 {
			c.wake.Signal()
		}
	}
	if l.out.room() == 0 || l.out.sent-l.out.acked >= muchOnWay {
		l.watch()
	}
}

// LocalAddr is that of the carrier in use; without one an address of network "line".
func (l *Line) LocalAddr() net.Addr {
	if c, ok := l.Carrier(); ok {
		return c.Conn.LocalAddr()
	}
	return noAddr{}
}

// RemoteAddr is that of the carrier in use; without one an address of network "line".
func (l *Line) RemoteAddr() net.Addr {
	if c, ok := l.Carrier(); ok {
		return c.Conn.RemoteAddr()
	}
	return noAddr{}
}

type noAddr struct{}

func (noAddr) Network() string { return "line" }
func (noAddr) String() string  { return "suspended" }
