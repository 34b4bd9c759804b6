//go:build !linux

package reuseport

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"syscall"

	"github.com/bodkin-p2p/bodkin/internal/netspace"
)

// connect dials from local to remote, with the options of every socket here. It calls started before.
func connect(ctx context.Context, within netspace.Space, started func(syscall.RawConn), local, remote netip.AddrPort) (net.Conn, error) {
	d := net.Dialer{
		LocalAddr:       net.TCPAddrFromAddrPort(local),
		KeepAliveConfig: keepAlive(),
		Control:         controlDial,
	}
	started(nil)
	var conn net.Conn
	err := within.Do(func() error {
		var err error
		conn, err = d.DialContext(ctx, network(remote.Addr()), remote.String())
		return err
	})
	if err != nil {
		return nil, err
	}
	if err := conn.(*net.TCPConn).SetLinger(lingerDefault); err != nil {
		_ = conn.Close()
		return nil, err
	}
	return conn, nil
}

func controlDial(network, address string, c syscall.RawConn) error {
	return errors.Join(controlReuse(network, address, c), setOption(c, resetOnClose))
}
