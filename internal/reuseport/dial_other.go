//go:build !linux

package reuseport

import (
	"context"
	"net"
	"net/netip"
)

// connect dials from local to remote, with the options of every socket here.
func connect(ctx context.Context, within func(func() error) error, local, remote netip.AddrPort) (net.Conn, error) {
	d := net.Dialer{
		LocalAddr:       net.TCPAddrFromAddrPort(local),
		KeepAliveConfig: keepAlive(),
		Control:         controlReuse,
	}
	var conn net.Conn
	err := within(func() error {
		var err error
		conn, err = d.DialContext(ctx, network(remote.Addr()), remote.String())
		return err
	})
	if err != nil {
		return nil, err
	}
	return conn, nil
}
