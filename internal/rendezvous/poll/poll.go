// Package poll watches many connections without a goroutine or a buffer for each.
//
// On Linux an idle TCP connection costs here a descriptor and some 60 bytes: a [Loop] waits for all of them in one epoll, and a
// few workers lend their buffers to those that have something to say. Elsewhere, and for connections that are no
// sockets, the same interface is served by a goroutine for each connection.
//
// Sending never blocks. What the kernel does not take at once is kept, up to a limit, until it does.
package poll

import (
	"context"
	"errors"
	"net"
	"sync"
	"time"
)

// ErrFull means that the other end is too slow: more would be kept for it than Config.MaxPending.
var ErrFull = errors.New("poll: too much is waiting to be sent")

// A Handler is told what happens on a Socket.
type Handler interface {
	// Receive gets bytes from the network, which are good until it returns and may be overwritten. It is not called
	// concurrently with itself or Gone, and should not block: it occupies a worker.
	Receive(b []byte)
	// Drained tells that all that had to be kept is sent. It may be called concurrently with the others.
	Drained()
	// Gone tells that the connection ended: io.EOF, or what went wrong. The socket is closed, and nothing more is called. It
	// is not called after Close.
	Gone(err error)
}

// A Socket is a connection in a Loop. All its methods are safe for concurrent use and do not block.
type Socket interface {
	// Start begins to watch. Before it no method of the Handler is called.
	Start()
	// Send sends b and does not keep it. The error is ErrFull, net.ErrClosed, or the network's; what was sent is then unknown,
	// and nothing is left to do but to Close.
	Send(b []byte) error
	// Pending returns how many bytes wait to be sent, and since when some have.
	Pending() (bytes int, since time.Time)
	// Finish ends the sending direction (FIN) once all that waits is sent.
	Finish()
	// Close closes the connection at once. The Handler may still be in a call, but none begins after Close returned,
	// except Drained.
	Close()
}

// Config bounds a Loop. Zero values mean the defaults.
type Config struct {
	MaxPending   int           // bytes kept for a slow other end; zero: 64 KiB
	WriteTimeout time.Duration // a connection that takes nothing for so long may be closed (goroutine form only); zero: 15 s
}

// A Loop watches the connections that were added to it.
type Loop struct {
	config  Config
	backend backend // the operating system's way, if there is one

	mu      sync.Mutex
	closed  bool
	streams map[*stream]struct{}
	wanted  bool   // the backend has something to watch
	work    func() // starts the backend's workers; nil before Run

	running sync.WaitGroup // streams' goroutines; begun only while closed is false
}

// New returns a Loop that waits for Run.
func New(config Config) (*Loop, error) {
	if config.MaxPending == 0 {
		config.MaxPending = 64 << 10
	}
	if config.WriteTimeout == 0 {
		config.WriteTimeout = 15 * time.Second
	}
	l := &Loop{config: config, streams: map[*stream]struct{}{}}
	return l, l.backend.open(l)
}

// Run serves the sockets until ctx ends, closes those that are left, and returns when no Handler is in a call any
// more. It is to be called once.
func (l *Loop) Run(ctx context.Context) {
	var workers sync.WaitGroup
	l.mu.Lock()
	l.work = func() { l.backend.run(&workers) }
	if l.wanted {
		l.work()
	}
	l.mu.Unlock()
	<-ctx.Done()

	l.mu.Lock()
	l.closed = true
	streams := l.streams
	l.streams = nil
	l.mu.Unlock()
	for s := range streams {
		s.Close()
	}
	l.backend.close()
	workers.Wait()
	l.running.Wait()
}

// Add takes conn over, which is closed from now on or belongs to the Socket. On an error it still is the caller's.
func (l *Loop) Add(conn net.Conn, h Handler) (Socket, error) {
	if s, err := l.backend.add(conn, h); s != nil || err != nil {
		return s, err
	}
	return newStream(l, conn, h)
}

// want has the backend watch from now on. Its workers wait in the system, where no test's clock goes on, so there are none before.
func (l *Loop) want() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed || l.wanted {
		return
	}
	l.wanted = true
	if l.work != nil {
		l.work()
	}
}

// start runs f in a goroutine that Run waits for, unless Run is over.
func (l *Loop) start(f func()) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return false
	}
	l.running.Go(f)
	return true
}
