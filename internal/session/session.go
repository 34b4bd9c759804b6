package session

import (
	"context"
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/libp2p/go-yamux/v5"
)

// A Session is the link between two nodes: any number of streams, opened by either side, over one carrier.
// Its methods are safe for concurrent use.
type Session struct {
	config  Config
	carrier *carrier
	mux     *yamux.Session
	backlog chan *Stream // greeted and not yet accepted
	done    chan struct{}
	cause   error // why the session is over; set before done is closed

	bytesIn, bytesOut atomic.Uint64

	mu        sync.Mutex // guards what follows
	closing   bool       // Close was called: streams end, nothing begins
	leaving   bool       // the peer said goodbye
	streams   map[*Stream]struct{}
	incoming  int                  // of streams, how many the peer opened
	greetings map[*Stream]struct{} // opened by the peer, header still to come
	work      sync.WaitGroup       // goroutines; Add only while !closing, or in serve, which is one of them
	greeted   sync.WaitGroup       // greetings under way; Add only while !leaving
	closed    func() error         // closes and waits, once
}

// New makes a session over a carrier, which belongs to the session from now on, also if New fails.
// One end says client (the TLS client, say), the other does not; which one matters for nothing else.
//
// New starts the goroutines that serve the carrier. They end when the carrier fails, when the peer closes the session
// or by Close, which waits for them.
func New(conn net.Conn, client bool, config Config) (*Session, error) {
	config = config.withDefaults()
	s := &Session{
		config:    config,
		carrier:   &carrier{Conn: conn},
		backlog:   make(chan *Stream, config.Backlog),
		done:      make(chan struct{}),
		streams:   make(map[*Stream]struct{}),
		greetings: make(map[*Stream]struct{}),
	}
	s.closed = sync.OnceValue(s.close)
	join := yamux.Server
	if client {
		join = yamux.Client
	}
	mux, err := join(s.carrier, config.mux(), newBudget(config.Buffer).share)
	if err != nil {
		conn.Close()
		return nil, err
	}
	s.mux = mux
	s.work.Go(s.serve)
	return s, nil
}

// Done is closed when the session is over, by Close or otherwise.
func (s *Session) Done() <-chan struct{} { return s.done }

// Err tells why the session is over: an error that wraps [net.ErrClosed] after Close, [ErrPeerClosed], [ErrCarrierLost]
// or [ErrProtocol]. It is nil before Done is closed.
func (s *Session) Err() error {
	select {
	case <-s.done:
		return s.cause
	default:
		return nil
	}
}

// Ping measures the round trip to the peer's session, without waiting behind queued data of streams on this side.
// It fails when the session is over, when ctx is, or when no answer comes for twice Config.Timeout.
func (s *Session) Ping(ctx context.Context) (time.Duration, error) {
	type answer struct {
		rtt time.Duration
		err error
	}
	answered := make(chan answer, 1)
	if !s.spawn(func() {
		rtt, err := s.mux.Ping()
		answered <- answer{rtt, err}
	}) {
		return 0, errClosed
	}
	select {
	case a := <-answered:
		return a.rtt, s.explain(a.err)
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}

// Stats are counters of a session.
type Stats struct {
	BytesIn, BytesOut uint64        // what streams read and wrote, without any overhead
	Streams           int           // opened or accepted and not yet closed on this side
	RTT               time.Duration // smoothed; zero while not yet measured
}

// Stats tells the session's counters.
func (s *Session) Stats() Stats {
	s.mu.Lock()
	streams := len(s.streams)
	s.mu.Unlock()
	return Stats{s.bytesIn.Load(), s.bytesOut.Load(), streams, s.mux.RTT()}
}

// Close ends the session and waits for its goroutines. Streams that are still open fail at once; what was written to
// streams that are closed already is handed over to the peer first, for which Close waits at most Config.Linger.
// It closes the carrier. Further calls wait for the first and return the same.
func (s *Session) Close() error { return s.closed() }

func (s *Session) close() error {
	s.mu.Lock()
	s.closing = true
	if s.Err() == nil { // else streams go on telling why it is over
		for stream := range s.streams {
			stream.closed.Store(true)
			stream.cut()
		}
	}
	s.mu.Unlock()
	if s.config.Linger > 0 {
		s.sayGoodbye()
	}
	err := s.mux.Close()
	s.work.Wait()
	return err
}

// spawn runs work in a goroutine that Close waits for. It tells whether it did: not while closing.
func (s *Session) spawn(work func()) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closing {
		return false
	}
	s.work.Go(work)
	return true
}

// add makes a stream one of the session's open ones. It fails while closing, and for an incoming stream over the limit.
func (s *Session) add(stream *Stream) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closing:
		return errClosed
	case stream.incoming && s.incoming >= s.config.MaxStreams:
		return ErrBusy
	}
	s.streams[stream] = struct{}{}
	if stream.incoming {
		s.incoming++
	}
	return nil
}

// remove forgets a stream that was closed on this side.
func (s *Session) remove(stream *Stream) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, open := s.streams[stream]; !open {
		return
	}
	delete(s.streams, stream)
	if stream.incoming {
		s.incoming--
	}
}

// finish notes why the session is over. Only serve calls it.
func (s *Session) finish(err error) {
	s.mu.Lock()
	closing, leaving := s.closing, s.leaving
	s.mu.Unlock()
	s.cause = diagnose(err, closing, leaving, s.carrier.failure())
	close(s.done)
}

// explain turns an error of the multiplexer into one of this package's.
func (s *Session) explain(err error) error {
	switch {
	case err == nil:
		return nil
	case s.mux.IsClosed():
		<-s.done // follows at once, and knows why
		return s.cause
	case errors.Is(err, yamux.ErrTimeout):
		return errTimeout
	}
	return err
}
