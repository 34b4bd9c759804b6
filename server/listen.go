package server

import (
	"context"
	"fmt"
	"net"
	"net/netip"

	"github.com/bodkin-p2p/bodkin/internal/netspace"
	"github.com/bodkin-p2p/bodkin/internal/reuseport"
)

// dialFrom opens a connection to a node from one of this machine's addresses.
func (s *Server) dialFrom(ctx context.Context, from netip.Addr, remote netip.AddrPort) (net.Conn, error) {
	return reuseport.Connect{Within: s.config.Within, Local: netip.AddrPortFrom(from, 0), Remote: remote}.Dial(ctx)
}

// dial opens a connection to a node, with plain TCP, as listenAll.
func (s *Server) dial(ctx context.Context, remote netip.AddrPort) (conn net.Conn, err error) {
	dialer := net.Dialer{}
	dialer.SetMultipathTCP(false)
	err = netspace.Space(s.config.Within).Do(func() error { // a literal address is dialled on this goroutine
		conn, err = dialer.DialContext(ctx, "tcp", remote.String())
		return err
	})
	return conn, err
}

// listen opens the listeners, and remembers in the home what invites are to say.
func (s *Server) listen() (err error) {
	if s.main, err = listenAll(s.config.Main); err != nil {
		return fmt.Errorf("main port: %w", err)
	}
	if s.hole, err = listenAll(s.config.Hole); err != nil {
		return fmt.Errorf("hole port: %w", err)
	}
	if s.config.HTTP != "" {
		if s.http, err = net.Listen("tcp", s.config.HTTP); err != nil {
			return fmt.Errorf("http: %w", err)
		}
	}
	if s.servers, err = advertised(s.config.Advertise, s.MainAddrs()); err != nil {
		return err
	}
	return writeAdvertised(s.config.Home, s.servers)
}

// listenAll listens on each address, with plain TCP: multipath TCP would only add state that punching nodes never use.
func listenAll(addrs []string) ([]net.Listener, error) {
	config := net.ListenConfig{Control: awaitFirstBytes}
	config.SetMultipathTCP(false)
	var listeners []net.Listener
	for _, addr := range addrs {
		l, err := config.Listen(context.Background(), "tcp", addr)
		if err != nil {
			closeAll(listeners)
			return nil, err
		}
		listeners = append(listeners, l)
	}
	return listeners, nil
}

// MainAddrs returns the addresses of the main listeners.
func (s *Server) MainAddrs() []netip.AddrPort { return bound(s.main) }

// HoleAddrs returns the addresses of the hole listeners.
func (s *Server) HoleAddrs() []netip.AddrPort { return bound(s.hole) }

// HTTPAddr returns the address of the metrics; the zero AddrPort if there are none.
func (s *Server) HTTPAddr() netip.AddrPort {
	if s.http == nil {
		return netip.AddrPort{}
	}
	return bound([]net.Listener{s.http})[0]
}

func bound(listeners []net.Listener) []netip.AddrPort {
	addrs := make([]netip.AddrPort, len(listeners))
	for i, l := range listeners {
		addrs[i] = l.Addr().(*net.TCPAddr).AddrPort()
	}
	return addrs
}

func closeAll(listeners []net.Listener) {
	for _, l := range listeners {
		l.Close()
	}
}
