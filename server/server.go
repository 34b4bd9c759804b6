// Package server is a rendezvous server: it introduces the nodes of a room to each other and tells them who is there.
// What they say to each other does not pass through it, but for two nodes that cannot connect directly: it relays their bytes, which
// are encrypted from end to end.
//
//	s, err := server.Open(server.Config{Home: "/var/lib/bodkin"})
//	...
//	invite, err := s.Invite(server.DefaultRoom)
//	err = s.Serve(ctx)
package server

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/bodkin-p2p/bodkin/internal/identity"
	"github.com/bodkin-p2p/bodkin/internal/relay"
	rendezvous "github.com/bodkin-p2p/bodkin/internal/rendezvous/server"
	"github.com/bodkin-p2p/bodkin/internal/reuseport"
)

// Addresses of the article that Bodkin grew out of: a main port, and a hole port for the second observation of a NAT.
const (
	DefaultMain = ":4000"
	DefaultHole = ":8000"
)

// ticketRotation is how often the server looks whether its TLS ticket keys have become old.
const ticketRotation = time.Hour

// fewDescriptors is how many open files are so few that an operator is told: most systems allow more, if asked, as Go does.
const fewDescriptors = 1024

// Config says what a server serves and where. Only Home is needed.
type Config struct {
	// Home is the folder of keys and rooms. It is made if it is missing.
	Home string

	// Main and Hole are the addresses to listen on. Zero means DefaultMain and DefaultHole.
	Main, Hole []string

	// Advertise is the hosts, or hosts with ports, that invites send nodes to. Zero means the addresses that Main
	// listens on, public ones first, as far as this machine knows them.
	Advertise []string

	// Within runs open, which opens a socket, where the connections that prove mapped ports of nodes are to be opened: in another
	// network namespace, for instance. Zero means here. Listeners are opened by Open, where that is called.
	Within func(open func() error) error

	// HTTP is the address of /metrics (Prometheus) and /healthz. Zero means none.
	HTTP string

	// NoRelay keeps this server from relaying bytes of nodes that have no direct path.
	NoRelay bool

	// RelayLimits bounds what is relayed. Zero means the defaults, which the fields tell.
	RelayLimits RelayLimits

	// Log is told what happens. Zero means silence.
	Log *slog.Logger
}

// RelayLimits bounds what the relay carries: connections, bytes, rates and times, of a node, of a room and in all.
type RelayLimits = relay.Limits

// A Server introduces nodes. Open makes one.
type Server struct {
	config     Config
	key        identity.Key
	tickets    *identity.TicketKeys
	tls        *tls.Config
	rooms      *rooms
	rendezvous *rendezvous.Server
	relay      *relay.Server // nil: none
	registry   *prometheus.Registry
	main, hole []net.Listener
	http       net.Listener // nil: none
	closed     *os.File     // keeps a port closed; nil: none
	servers    []string     // what invites say
	unlock     func() error // nil: the home is not locked
	over       atomic.Bool  // Serve or Close was called, and releases what Open took
}

// Open reads or makes the server's keys and its first room, and starts to listen. Nothing is answered before Serve. It
// fails if an address is in use, the home is damaged, or another server has it (ErrHomeInUse); the error says which. Serve
// releases what Open took when it ends; a server that is not served needs Close.
func Open(c Config) (*Server, error) {
	if c.Home == "" {
		return nil, errors.New("server: Config.Home is missing")
	}
	if len(c.Main) == 0 {
		c.Main = []string{DefaultMain}
	}
	if len(c.Hole) == 0 {
		c.Hole = []string{DefaultHole}
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if most := reuseport.Descriptors(); most < fewDescriptors {
		c.Log.Warn("this process may have few files open, and each node takes one: raise that limit (ulimit -n, LimitNOFILE)", "limit", most)
	}
	s := &Server{config: c, registry: newRegistry()}
	if err := s.open(); err != nil {
		s.release()
		return nil, err
	}
	return s, nil
}

func (s *Server) open() (err error) {
	if err := os.MkdirAll(s.config.Home, 0o700); err != nil {
		return err
	}
	if s.unlock, err = lockHome(s.config.Home); err != nil {
		return err
	}
	if s.key, err = identity.LoadOrCreateKey(filepath.Join(s.config.Home, keyFile)); err != nil {
		return err
	}
	if s.tickets, err = identity.LoadOrCreateTicketKeys(filepath.Join(s.config.Home, ticketsFile), time.Now()); err != nil {
		return err
	}
	if s.tls, err = identity.ServerConfig(s.key, s.tickets); err != nil {
		return err
	}
	if s.rooms, err = openRooms(s.config.Home); err != nil {
		return err
	}
	if err := s.listen(); err != nil {
		return err
	}
	holes, err := observers(s.HoleAddrs(), s.servers)
	if err != nil {
		return err
	}
	closedPort, closed, err := keepClosed()
	if err != nil {
		s.config.Log.Warn("no port to tell transparent proxies by", "err", err)
	}
	s.closed = closed
	relayed, err := s.openRelay()
	if err != nil {
		return err
	}
	s.rendezvous, err = rendezvous.New(rendezvous.Config{
		TLS: s.tls, RoomServed: s.rooms.served, Relay: relayed, Metrics: s.registry, Log: s.config.Log,
		Dial: s.dial, DialFrom: s.dialFrom, Holes: holes, ClosedPort: closedPort,
	})
	return err
}

// Serve serves until ctx ends, and then returns nil when everything is closed. Call it once. After Close it returns
// net.ErrClosed.
func (s *Server) Serve(ctx context.Context) error {
	if s.over.Swap(true) {
		return fmt.Errorf("server: Serve after Serve or Close: %w", net.ErrClosed)
	}
	defer s.release()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ended := make(chan error, 4)
	// The relay ends first, so that nodes still hear why by their main connections.
	untilRelayed, relayed := context.WithCancel(context.WithoutCancel(ctx))
	defer relayed()
	tasks := []func() error{
		func() error { return s.rendezvous.Serve(untilRelayed, s.main, s.hole) },
		func() error { defer relayed(); s.serveRelay(ctx); return nil },
		func() error { return s.rotateTickets(ctx) },
		func() error { return s.serveHTTP(ctx) },
	}
	for _, task := range tasks {
		go func() { ended <- task() }()
	}
	var first error
	for range tasks {
		if err := <-ended; err != nil && first == nil {
			first = err
			cancel()
		}
	}
	return first
}

// rotateTickets renews the TLS ticket keys when they are old, so that a stolen one opens little.
func (s *Server) rotateTickets(ctx context.Context) error {
	tick := time.NewTicker(ticketRotation)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case now := <-tick.C:
			changed, err := s.tickets.Rotate(now)
			if err != nil {
				s.config.Log.Error("TLS ticket keys not renewed", "err", err)
			}
			if changed {
				s.tickets.Apply(s.tls)
			}
		}
	}
}

// serveHTTP answers /metrics and /healthz until ctx ends.
func (s *Server) serveHTTP(ctx context.Context) error {
	if s.http == nil {
		return nil
	}
	server := newHTTPServer(s.handler())
	stop := context.AfterFunc(ctx, func() { server.Close() })
	defer stop()
	if err := server.Serve(s.http); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// Invite returns the invite (a bodkin.Invite) to a room, which is made if it is new.
func (s *Server) Invite(room string) (identity.Invite, error) {
	r, err := s.rooms.open(room)
	if err != nil {
		return identity.Invite{}, err
	}
	return identity.Invite{Servers: s.servers, Server: s.key.ServerID(), Room: r}, nil
}

// Close closes a server that is not served after all, so that another can open its home. Once Serve has been called it
// does nothing: the end of Serve's ctx ends everything.
func (s *Server) Close() error {
	if s.over.Swap(true) {
		return nil
	}
	return s.release()
}

// release gives back what open took.
func (s *Server) release() error {
	closeAll(s.main)
	closeAll(s.hole)
	if s.http != nil {
		s.http.Close()
	}
	if s.closed != nil {
		s.closed.Close()
	}
	if s.unlock == nil {
		return nil
	}
	return s.unlock()
}
