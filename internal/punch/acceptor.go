package punch

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/bodkin-p2p/bodkin/internal/reuseport"
	"github.com/bodkin-p2p/bodkin/internal/wire"
)

const (
	// DefaultLimit and DefaultPerAddress are an Acceptor's bounds if it names none. The port is open to the world where
	// a NAT filters nothing: 128 strangers cost some 2 MiB. A peer needs one connection, a room behind one NAT a few.
	DefaultLimit      = 128
	DefaultPerAddress = 8

	// identifyTimeout is what an inbound connection has to name its attempt and for that to be expected. The preface
	// leaves with the peer's first segment, so this is one lost packet (1 s, 2 s) more than ever needed.
	identifyTimeout = 3 * time.Second

	// maxPause is the longest wait after a failed Accept: too many open files, which passes.
	maxPause = time.Second
)

// Listener is where inbound connections come from, as *[reuseport.Port].
type Listener interface {
	// Accept waits for the next connection. An error that is [net.ErrClosed] is the last one.
	Accept() (net.Conn, error)
}

// Acceptor hands inbound connections of a node's port to the attempts that they name in their prefaces. All others it
// closes without a word: the oldest first where there are too many, so that strangers who wait keep nobody out. A node has
// one; the zero value works.
type Acceptor struct {
	Limit      int // connections at a time that no attempt has taken yet. Zero: DefaultLimit
	PerAddress int // of these, from one IPv4 address or IPv6 /64. Zero: DefaultPerAddress

	// Answer returns what a connection by which the server proves a mapped port is to be answered, nil for none. It must
	// return at once. Nil: none is answered. It is to be set before Serve.
	Answer func(challenge [wire.ProofLen]byte) []byte

	// Unexpected is asked once about an inbound connection whose attempt is not expected. It returns true if it has begun to expect
	// it. It must return at once. Nil: none is. It is to be set before Serve.
	Unexpected func(attempt wire.AttemptID, from netip.AddrPort) bool

	mu      sync.Mutex
	guests  []*guest // oldest first
	inboxes map[wire.AttemptID]*inbox
	changed chan struct{} // closed, and replaced, when an attempt is expected
}

// inbox is where an attempt takes its connections.
type inbox struct {
	conns     chan net.Conn
	forgotten chan struct{}
}

// Expect has connections that name the attempt delivered to the returned channel, their prefaces read, until forget is
// called. Nothing is lost in between: a connection is either received or closed. The channel is never closed. A
// connection that comes a little before its attempt is expected (the introduction is late on this side) is kept waiting.
// Expecting an attempt that is expected already takes its place.
func (a *Acceptor) Expect(attempt wire.AttemptID) (accepted <-chan net.Conn, forget func()) {
	box := &inbox{conns: make(chan net.Conn), forgotten: make(chan struct{})}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.inboxes == nil {
		a.inboxes = make(map[wire.AttemptID]*inbox)
	}
	a.inboxes[attempt] = box
	if a.changed != nil {
		close(a.changed)
		a.changed = nil
	}
	return box.conns, sync.OnceFunc(func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		close(box.forgotten)
		if a.inboxes[attempt] == box {
			delete(a.inboxes, attempt)
		}
	})
}

// Serve takes connections from l until its Accept fails with [net.ErrClosed], and then returns nil, or until ctx ends
// and Accept returns once more. So close the listener to stop it. Connections that no attempt has taken by then are closed.
func (a *Acceptor) Serve(ctx context.Context, l Listener) error {
	ctx, stop := context.WithCancel(ctx)
	var work sync.WaitGroup
	defer work.Wait()
	defer stop()
	var pause time.Duration
	for ctx.Err() == nil {
		c, err := l.Accept()
		switch {
		case err == nil:
			pause = 0
			a.admit(ctx, &work, c)
		case errors.Is(err, net.ErrClosed):
			return nil
		default:
			pause = min(max(2*pause, 5*time.Millisecond), maxPause)
			wait(ctx, pause)
		}
	}
	return ctx.Err()
}

// admit starts to identify c if there is room for it.
func (a *Acceptor) admit(ctx context.Context, work *sync.WaitGroup, c net.Conn) {
	ctx, cancel := context.WithCancel(ctx)
	g := &guest{source: sourceOf(remoteAddr(c).Addr()), leave: cancel}
	if !a.enter(g) {
		cancel()
		_ = reuseport.Abort(c)
		return
	}
	work.Go(func() {
		defer cancel()
		defer a.exit(g)
		if err := a.identify(ctx, g, c); err != nil {
			_ = reuseport.Abort(c)
		}
	})
}

// identify reads c's preface and delivers c to the attempt. If it returns an error, c is the caller's.
func (a *Acceptor) identify(ctx context.Context, g *guest, c net.Conn) error {
	ctx, cancel := context.WithTimeout(ctx, identifyTimeout)
	defer cancel()
	interrupt := context.AfterFunc(ctx, func() { _ = c.SetReadDeadline(time.Unix(1, 0)) })
	var b [wire.PrefaceLen]byte
	if _, err := io.ReadFull(c, b[:]); err != nil {
		return err // and the caller closes c, whether or not the deadline is still to come
	}
	if !interrupt() {
		return ctx.Err() // too late: the deadline is set, or will be
	}
	preface, err := wire.ParsePreface(b[:])
	if err != nil {
		return err
	}
	if preface.Kind == wire.Proof {
		return a.prove(c, preface)
	}
	for asked := false; ; {
		box, changed := a.find(preface.Attempt)
		if box == nil && !asked && a.Unexpected != nil {
			asked = true
			if a.Unexpected(preface.Attempt, remoteAddr(c)) {
				continue
			}
		}
		if box == nil {
			select {
			case <-changed:
				continue
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		if !a.settle(g) {
			return context.Canceled
		}
		select {
		case box.conns <- c:
			return nil
		case <-box.forgotten:
			return net.ErrClosed
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// errProof is the end of a connection that was a proof.
var errProof = errors.New("the connection was the proof of a mapped port")

// prove answers the server's proof and waits for it to close the connection, so that the answer is not lost in a reset of ours.
func (a *Acceptor) prove(c net.Conn, preface wire.Preface) error {
	if a.Answer == nil {
		return errProof
	}
	answer := a.Answer(preface.Challenge)
	if answer == nil {
		return errProof
	}
	if _, err := c.Write(answer); err != nil { // a few bytes, which fit the send buffer
		return err
	}
	_ = c.SetReadDeadline(time.Now().Add(identifyTimeout))
	var b [1]byte
	c.Read(b[:]) // until the end
	return errProof
}

// find is the inbox of an attempt, or what is closed when another attempt is expected.
func (a *Acceptor) find(attempt wire.AttemptID) (*inbox, <-chan struct{}) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if box := a.inboxes[attempt]; box != nil {
		return box, nil
	}
	if a.changed == nil {
		a.changed = make(chan struct{})
	}
	return nil, a.changed
}

// wait returns after d, or when ctx ends.
func wait(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
