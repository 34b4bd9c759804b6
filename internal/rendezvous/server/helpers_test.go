package server_test

import (
	"context"
	"crypto/tls"
	"net"
	"net/netip"
	"path/filepath"
	"testing"
	"time"

	"github.com/bodkin-p2p/bodkin/internal/identity"
	"github.com/bodkin-p2p/bodkin/internal/rendezvous"
	"github.com/bodkin-p2p/bodkin/internal/rendezvous/server"
	"github.com/bodkin-p2p/bodkin/internal/wire"
)

// patience is how long a test waits for what must happen. It is far above what it takes.
const patience = 60 * time.Second

// A site is a server with its keys, which outlive it.
type site struct {
	id      identity.ServerID
	key     identity.Key
	tickets *identity.TicketKeys
	main    string
	hole    string
	server  *server.Server
	stop    func() // waits until Serve has returned
}

// start runs a server on loopback until the test ends.
func start(t testing.TB, config server.Config) *site {
	t.Helper()
	key := must(identity.NewKey())
	tickets := must(identity.LoadOrCreateTicketKeys(filepath.Join(t.TempDir(), "tickets"), time.Now()))
	s := &site{id: key.ServerID(), key: key, tickets: tickets, main: "127.0.0.1:0", hole: "127.0.0.1:0"}
	s.restart(t, config)
	return s
}

// restart runs a server with the same keys at the same addresses.
func (s *site) restart(t testing.TB, config server.Config) {
	t.Helper()
	config.TLS = must(identity.ServerConfig(s.key, s.tickets))
	s.server = must(server.New(config))
	mainListener := must(net.Listen("tcp", s.main))
	s.main = mainListener.Addr().String()
	var holes []net.Listener
	if s.hole != "" {
		holes = append(holes, must(net.Listen("tcp", s.hole)))
		s.hole = holes[0].Addr().String()
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.server.Serve(ctx, []net.Listener{mainListener}, holes) }()
	stopped := false
	s.stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		select {
		case err := <-done:
			if err != nil {
				t.Errorf("Serve returned %v", err)
			}
		case <-time.After(patience):
			t.Error("Serve did not return")
		}
	}
	t.Cleanup(s.stop)
}

// A node is a client with what it was told.
type node struct {
	*rendezvous.Client
	id         identity.NodeID
	key        identity.Key
	introduced chan rendezvous.Introduction
	over       chan rendezvous.OverReason
	ended      chan error // Run's
	stop       context.CancelFunc
}

// A person is how a node comes to a server.
type person struct {
	room      identity.Room
	key       *identity.Key // nil: a new one
	name      string
	transient bool
	cache     tls.ClientSessionCache
	dial      func(context.Context, netip.AddrPort) (net.Conn, error)
	source    string // address to dial from; empty: any
}

func (s *site) join(t testing.TB, p person) *node {
	t.Helper()
	key := must(identity.NewKey())
	if p.key != nil {
		key = *p.key
	}
	if p.dial == nil {
		p.dial = func(ctx context.Context, remote netip.AddrPort) (net.Conn, error) {
			d := net.Dialer{}
			if p.source != "" {
				d.LocalAddr = &net.TCPAddr{IP: net.ParseIP(p.source)}
			}
			return d.DialContext(ctx, "tcp", remote.String())
		}
	}
	n := &node{key: key, id: key.NodeID(), introduced: make(chan rendezvous.Introduction, 100), over: make(chan rendezvous.OverReason, 100), ended: make(chan error, 1)}
	n.Client = rendezvous.NewClient(rendezvous.ClientConfig{
		Servers: []string{s.main},
		Dial:    p.dial,
		TLS:     must(identity.NodeConfig(key, p.room, s.id, p.cache)),
		Profile: func() rendezvous.Registration {
			return rendezvous.Registration{Sealed: p.room.Seal(n.id, []byte(p.name)), NameTag: p.room.NameTag(p.name), Primary: !p.transient, Software: "test"}
		},
		Introduced: func(i rendezvous.Introduction) { n.introduced <- i },
		Over:       func(_ wire.AttemptID, reason rendezvous.OverReason) { n.over <- reason },
	})
	var ctx context.Context
	ctx, n.stop = context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { n.ended <- n.Run(ctx); close(done) }()
	t.Cleanup(func() { n.stop(); <-done })
	return n
}

// joined is join, and waits until the node is registered.
func (s *site) joined(t testing.TB, p person) *node {
	t.Helper()
	n := s.join(t, p)
	n.awaitRegistered(t)
	return n
}

func (n *node) awaitRegistered(t testing.TB) rendezvous.State {
	t.Helper()
	state, err := n.Registered(deadline(t))
	if err != nil {
		t.Fatalf("not registered: %v", err)
	}
	return state
}

func deadline(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

// receive returns the next value of c.
func receive[T any](t testing.TB, c <-chan T) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(patience):
		t.Fatalf("no %T came", *new(T))
		panic("unreachable")
	}
}

// eventually waits until condition holds.
func eventually(t testing.TB, what string, condition func() bool) {
	t.Helper()
	ticker := time.NewTicker(5 * time.Millisecond)
	defer ticker.Stop()
	for end := time.Now().Add(patience); !condition(); <-ticker.C {
		if time.Now().After(end) {
			t.Fatalf("never: %s", what)
		}
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
