package session

import (
	"context"
	"sync"
	"time"

	"github.com/bodkin-p2p/bodkin/internal/session/line"
)

// A Session is the link between two nodes: any number of streams, opened by either side, over one line.
// Its methods are safe for concurrent use.
type Session struct {
	config  Config
	line    *line.Line
	backlog chan *Stream  // opened by the peer and not yet accepted
	done    chan struct{} // closed when cause is set
	closed  func() error  // closes and waits, once

	mu        *sync.Mutex // the line's; guards what follows
	cause     error       // why the session is over
	closing   bool        // Close was called: streams end, nothing begins
	leaving   bool        // the peer said goodbye
	streams   map[uint64]*Stream
	incoming  int // of streams, how many the peer opened
	lastIn    uint64
	nextOut   uint64
	opening   map[uint64]struct{} // streams opened here of which the peer has not said that it takes them
	opened    sync.Cond           // one of opening was taken, or a wait is to end
	asked     int                 // streams that the peer has opened and was not told of
	turns     turns
	store     store
	budget    budget
	collector collector
	left      int     // of the data that follows
	to        *Stream // whose data that is; nil if nobody takes it
	woken     []*Stream
	speech    speech
	pings     pings

	bytesIn, bytesOut uint64
}

// New makes a session over a line, which belongs to the session from now on. One end says client (who began the line, say), the
// other does not; which one matters for nothing else.
//
// A session has no goroutines of its own: the line's carriers do its work. It is over when the line is, when the peer closes the session
// or by Close, which waits for them.
func New(l *line.Line, client bool, config Config) *Session {
	config = config.withDefaults()
	s := &Session{
		config:  config,
		line:    l,
		backlog: make(chan *Stream, config.Backlog),
		done:    make(chan struct{}),
		mu:      l.Mutex(),
		streams: make(map[uint64]*Stream),
		opening: make(map[uint64]struct{}),
		store:   store{line: l, most: config.Buffer / 2},
		budget:  budget{left: config.Buffer},
		nextOut: 2,
	}
	if client {
		s.nextOut = 1
	}
	s.opened.L = s.mu
	s.closed = sync.OnceValue(s.close)
	s.mu.Lock()
	defer s.mu.Unlock()
	l.Run((*layer)(s))
	s.ping(nil) // for Stats
	return s
}

// Done is closed when the session is over, by Close or otherwise.
func (s *Session) Done() <-chan struct{} { return s.done }

// Err tells why the session is over: an error that wraps [net.ErrClosed] after Close, [ErrPeerClosed], [ErrCarrierLost]
// or [ErrProtocol]. It is nil before Done is closed.
func (s *Session) Err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.cause
}

// Stats are counters of a session.
type Stats struct {
	BytesIn, BytesOut uint64        // what streams read and wrote, without any overhead
	Streams           int           // opened, or come from the peer, and not yet closed on this side
	RTT               time.Duration // of the carrier in use, or else of the last Ping; zero while not yet measured
}

// Stats tells the session's counters.
func (s *Session) Stats() Stats {
	rtt := s.line.Stats().RTT
	s.mu.Lock()
	defer s.mu.Unlock()
	if rtt == 0 {
		rtt = s.pings.rtt
	}
	return Stats{s.bytesIn, s.bytesOut, len(s.streams), rtt}
}

// Close ends the session and waits for its line. Streams that are still open fail at once; what was written to
// streams that are closed already is handed over to the peer first, for which Close waits at most Config.Linger.
// It closes the line. Further calls wait for the first and return the same.
func (s *Session) Close() error { return s.closed() }

func (s *Session) close() error {
	s.mu.Lock()
	s.closing = true
	if s.cause == nil { // else streams go on telling why it is over
		for _, stream := range s.streams {
			stream.shut()
		}
	}
	s.opened.Broadcast()
	waits := s.cause == nil && s.config.Linger > 0
	if waits {
		s.speech.goodbye = true
		s.speak()
	}
	s.mu.Unlock()
	if waits {
		linger, cancel := context.WithTimeout(context.Background(), s.config.Linger) // Close has no context of its caller
		defer cancel()
		select {
		case <-s.done: // the peer has closed the line in answer
		case <-linger.Done():
		}
	}
	return s.line.Close()
}

// over notes why the session is over. The caller holds mu.
func (s *Session) over(err error) {
	s.cause = diagnose(err, s.closing, s.leaving)
	close(s.done)
	for _, stream := range s.streams {
		stream.wake()
	}
	s.opened.Broadcast()
	s.speech = speech{}
}
