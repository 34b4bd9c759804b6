//go:build !race

// Under the race detector a day takes 16 s, most of the time that the whole suite has.

package bodkin

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/bodkin-p2p/bodkin/internal/gather"
	"github.com/bodkin-p2p/bodkin/internal/identity"
	"github.com/bodkin-p2p/bodkin/internal/memnet"
	"github.com/bodkin-p2p/bodkin/internal/netwatch"
	"github.com/bodkin-p2p/bodkin/internal/relay"
	rendezvous "github.com/bodkin-p2p/bodkin/internal/rendezvous/server"
	"github.com/bodkin-p2p/bodkin/internal/wire"
)

// memory is the system of a node on a host in memory.
type memory struct{ host *memnet.Host }

func (m memory) Open(_ context.Context, number uint16) (localPort, error) {
	if number == 0 {
		number = m.host.Port()
	}
	return &memoryPort{Listener: m.host.Listen(number), host: m.host, number: number}, nil
}

func (m memory) Connect(ctx context.Context, local, remote netip.AddrPort, started func()) (net.Conn, error) {
	if started != nil {
		started()
	}
	port := local.Port()
	if port == 0 {
		port = m.host.Port()
	}
	return m.host.Dial(ctx, port, remote)
}

func (m memory) Dial(ctx context.Context, _, address string) (net.Conn, error) {
	return m.Connect(ctx, netip.AddrPort{}, netip.MustParseAddrPort(address), nil)
}

func (m memory) Interfaces() ([]gather.Interface, error) {
	return []gather.Interface{{Name: "eth0", Addrs: []gather.Addr{{Prefix: netip.PrefixFrom(m.host.Addr(), 32)}}}}, nil
}

func (m memory) Source(remote netip.AddrPort) (netip.Addr, error) {
	if remote.Addr().Is6() {
		return netip.Addr{}, errors.New("no IPv6")
	}
	return m.host.Addr(), nil
}

func (m memory) Gateway() string { return "" }

func (m memory) Watch(ctx context.Context, config netwatch.Config) error {
	for {
		select {
		case <-m.host.Changes():
			config.Changed(netwatch.Change{})
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

type memoryPort struct {
	*memnet.Listener
	host   *memnet.Host
	number uint16
}

func (p *memoryPort) Dial(ctx context.Context, remote netip.AddrPort) (net.Conn, error) {
	return p.host.Dial(ctx, p.number, remote)
}
func (p *memoryPort) Number() uint16              { return p.number }
func (p *memoryPort) Check(context.Context) error { return nil }

// A memoryServer is the rendezvous server with its relay, on a host in memory: what package server makes of the two on real sockets.
type memoryServer struct {
	host    *memnet.Host
	key     identity.Key
	tickets *identity.TicketKeys
	room    identity.Room
	stop    func()
}

func newMemoryServer(t *testing.T, host *memnet.Host) *memoryServer {
	key, err := identity.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	tickets, err := identity.LoadOrCreateTicketKeys(filepath.Join(t.TempDir(), "tickets"), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	room, err := identity.NewRoom()
	if err != nil {
		t.Fatal(err)
	}
	return &memoryServer{host: host, key: key, tickets: tickets, room: room}
}

func (s *memoryServer) invite() Invite {
	return Invite{Servers: []string{netip.AddrPortFrom(s.host.Addr(), 4000).String()}, Server: s.key.ServerID(), Room: s.room}
}

// start serves until stop is called.
func (s *memoryServer) start(t *testing.T) {
	config, err := identity.ServerConfig(s.key, s.tickets)
	if err != nil {
		t.Fatal(err)
	}
	wrapping, err := identity.RelayServerConfig(s.key)
	if err != nil {
		t.Fatal(err)
	}
	var server *rendezvous.Server
	relayed := relay.NewServer(relay.Config{Over: func(o relay.Owner, attempt wire.AttemptID, status wire.RelayStatus) {
		server.RelayOver(o.Connection, attempt, status)
	}})
	connect := func(ctx context.Context, remote netip.AddrPort) (net.Conn, error) {
		return s.host.Dial(ctx, s.host.Port(), remote)
	}
	server, err = rendezvous.New(rendezvous.Config{
		TLS: config,
		Relay: &rendezvous.Relay{
			Token: func(attempt wire.AttemptID, role wire.Role, node, room, connection uint64) []byte {
				return relayed.Token(relay.Ticket{Attempt: attempt, Role: role, Owner: relay.Owner{Node: node, Room: room, Connection: connection}})
			},
			Keep: func(attempt wire.AttemptID, role wire.Role, node, room, connection uint64) []byte {
				return relayed.Keep(relay.Ticket{Attempt: attempt, Role: role, Owner: relay.Owner{Node: node, Room: room, Connection: connection}})
			},
			Take: relayed.Take,
			TLS:  wrapping,
		},
		Dial: connect,
		DialFrom: func(ctx context.Context, _ netip.Addr, remote netip.AddrPort) (net.Conn, error) {
			return connect(ctx, remote)
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var serving sync.WaitGroup
	main, hole := s.host.Listen(4000), s.host.Listen(8000)
	serving.Go(func() { relayed.Serve(ctx) })
	serving.Go(func() { server.Serve(ctx, []net.Listener{main}, []net.Listener{hole}) })
	s.stop = sync.OnceFunc(func() {
		cancel()
		serving.Wait()
	})
}
