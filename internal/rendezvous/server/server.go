// Package server is the rendezvous server S: it knows which nodes of a room are here and where it sees them, tells them of each
// other, and introduces two of them in the same tick, again for up to three rounds. It sees neither their names nor their bytes.
//
// An idle node costs no goroutine and no buffer: after the handshake its connection goes to a [poll.Loop], with its keys in a
// [record.Channel]. What arrives there is handled by a worker, to the end and without blocking; what is sent is
// sealed and written at once, or kept up to a limit for a node that reads slowly.
//
//	accept -> admission -> handshake -> conn (record, frames) -> handle -> room    (register, find, news)
//	                                                                    -> attempts (introduce, report)
//	                                    conn <- announcer <- room.news             (presence)
package server

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/bodkin-p2p/bodkin/internal/identity"
	"github.com/bodkin-p2p/bodkin/internal/rendezvous/poll"
	"github.com/bodkin-p2p/bodkin/internal/wire"
)

// Config is what a Server is made from. Only TLS is needed.
type Config struct {
	TLS        *tls.Config                // of identity.ServerConfig
	RoomServed func(identity.RoomID) bool // asked at each registration, and now and then of rooms with nodes; nil: every room is
	Relay      *Relay                     // nil: none
	HolePorts  []uint16                   // told to nodes, where it is not the ports of the hole listeners; at most 8
	Limits     Limits

	// Holes is where the hole listeners are reached, on all of the server's addresses, at most 8. Nodes connect there that are
	// connected to another address, and those addresses are what nodes are dialled back from.
	Holes []netip.AddrPort
	// ClosedPort is a port that nobody listens on. Zero: not known.
	ClosedPort uint16

	// Dial opens a connection to a mapped port of a node, to prove it. Nil: net.Dialer's.
	Dial func(ctx context.Context, remote netip.AddrPort) (net.Conn, error)
	// DialFrom opens one to a node from one of the server's addresses, with an error of package reuseport. Nil: its Connect.
	DialFrom func(ctx context.Context, from netip.Addr, remote netip.AddrPort) (net.Conn, error)

	Metrics prometheus.Registerer // bodkin_server_*; nil: none
	Log     *slog.Logger          // nil: silence
}

// A Server introduces nodes. Its methods are safe for concurrent use.
type Server struct {
	tls        *tls.Config
	roomServed func(identity.RoomID) bool
	relay      *Relay
	holePorts  []uint32
	holeAddrs  []netip.AddrPort
	closedPort uint16
	limits     Limits
	log        *slog.Logger
	metrics    *metrics
	started    time.Time
	served     atomic.Bool

	connections *admission // of main connections
	handshaking *admission // of those in their handshake
	holes       *admission
	loop        *poll.Loop
	table       table
	registry    registry
	attempts    *attempts
	prover      *prover
	holds       *holds
	dials       *dials
	announcer   *announcer
	sweeper     *sweeper
	tokens      *tokens

	pong    atomic.Pointer[[]byte] // the frame; see renewPong
	buffers sync.Pool
}

// Stats is how much a Server has of what.
type Stats struct {
	Connections int // main connections after their handshake
	Nodes       int // reachable ones
	Rooms       int // with a connection
	Attempts    int // under way
}

// New returns a Server that waits for Serve.
func New(config Config) (*Server, error) {
	if config.TLS == nil {
		return nil, errors.New("rendezvous server: no TLS configuration")
	}
	if len(config.HolePorts) > wire.MaxHolePorts || len(config.Holes) > wire.MaxHolePorts {
		return nil, errors.New("rendezvous server: more than 8 hole ports")
	}
	limits := config.Limits.withDefaults()
	loop, err := poll.New(poll.Config{MaxPending: limits.QueueBytes, WriteTimeout: limits.WriteTimeout})
	if err != nil {
		return nil, err
	}
	s := &Server{
		tls:         config.TLS,
		roomServed:  config.RoomServed,
		relay:       config.Relay,
		holeAddrs:   config.Holes,
		closedPort:  config.ClosedPort,
		limits:      limits,
		log:         config.Log,
		started:     time.Now(),
		connections: newAdmission(limits.Connections, limits.ConnectionsPerAddress),
		handshaking: newAdmission(limits.Handshakes, limits.HandshakesPerAddress),
		holes:       newAdmission(limits.HoleConnections, limits.HoleConnectionsPerAddress),
		loop:        loop,
		registry:    registry{rooms: map[identity.RoomID]*room{}},
		dials:       newDials(limits),
		announcer:   newAnnouncer(),
		tokens:      newTokens(),
		buffers:     sync.Pool{New: func() any { return new([]byte) }},
	}
	for _, port := range config.HolePorts {
		s.holePorts = append(s.holePorts, uint32(port))
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	s.renewPong()
	s.attempts = newAttempts(s)
	s.prover = newProver(s, config)
	s.holds = newHolds(s)
	s.sweeper = newSweeper(s)
	s.metrics, err = newMetrics(config.Metrics, s)
	return s, err
}

// Stats counts. It goes through all rooms, so it is not for every second.
func (s *Server) Stats() Stats {
	rooms, nodes := s.registry.count()
	return Stats{Connections: s.table.count(), Nodes: nodes, Rooms: rooms, Attempts: s.attempts.count()}
}

// Serve serves nodes on the main listeners and hole connections on the hole listeners until ctx ends. It then closes them and all
// connections, waits for everything and returns nil. It is to be called once.
func (s *Server) Serve(ctx context.Context, mainListeners, holeListeners []net.Listener) error {
	listeners := slices.Concat(mainListeners, holeListeners)
	defer closeAll(listeners)
	if s.served.Swap(true) {
		return errors.New("rendezvous server: Serve called twice")
	}
	s.learnHolePorts(holeListeners)

	var running sync.WaitGroup
	loopCtx, stopLoop := context.WithCancel(context.WithoutCancel(ctx))
	running.Go(func() { s.loop.Run(loopCtx) })
	running.Go(func() { s.announcer.run(ctx) })
	running.Go(func() { s.sweeper.run(ctx) })

	s.prover.open(ctx)

	var accepting sync.WaitGroup
	handshakeSlots := make(chan struct{}, s.limits.Handshakes)
	for _, l := range mainListeners {
		accepting.Go(func() { s.accept(ctx, l, handshakeSlots, s.admitMain, s.greet) })
	}
	holeSlots := make(chan struct{}, s.limits.HoleConnections)
	for _, l := range holeListeners {
		accepting.Go(func() { s.accept(ctx, l, holeSlots, s.admitHole, s.serveHole) })
	}
	<-ctx.Done()
	closeAll(listeners)
	accepting.Wait()
	s.prover.close()
	s.holds.close()
	s.attempts.close()
	stopLoop()
	running.Wait()
	return nil
}

// learnHolePorts takes the ports of the hole listeners if the Config named none.
func (s *Server) learnHolePorts(listeners []net.Listener) {
	if len(s.holePorts) > 0 {
		return
	}
	for _, l := range listeners {
		port := uint32(addrPort(l.Addr()).Port())
		if port != 0 && !slices.Contains(s.holePorts, port) && len(s.holePorts) < wire.MaxHolePorts {
			s.holePorts = append(s.holePorts, port)
		}
	}
}

// now is the time since the server started, which takes less room than a time.Time.
func (s *Server) now() time.Duration { return time.Since(s.started) }

// isAlive tells whether a node was heard of within the allowed silence.
func (s *Server) isAlive(c *conn) bool {
	return s.now()-time.Duration(c.heard.Load()) <= s.limits.silence()
}

// drop ends a connection and forgets it everywhere. It may be called again, but not with a lock held.
func (s *Server) drop(c *conn, outcome string) {
	if c.dropped.Swap(true) {
		return
	}
	c.socket.Close()
	c.mu.Lock()
	c.closing = true
	c.mu.Unlock()
	s.sweeper.spare(c)
	s.table.remove(c)
	c.room.leave(c)
	s.announcer.announce(c.room)
	s.attempts.leave(c)
	s.prover.leave(c)
	s.holds.leave(c)
	s.registry.leave(c.room)
	s.connections.leave(c.remote.Addr())
	count(s.metrics.closed, outcome)
}

func closeAll[C io.Closer](list []C) {
	for _, c := range list {
		c.Close()
	}
}
