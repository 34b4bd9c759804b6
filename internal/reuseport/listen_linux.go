package reuseport

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"syscall"
)

// listen returns a listener that shares its port from now on, but was alone on it
// when it began. It first listens with SO_REUSEADDR only (package net sets that),
// which Linux grants to one listener at a time, and adds SO_REUSEPORT afterwards.
// So of two processes that want the same port in the same moment one fails, and
// TIME_WAIT does not count. To bind once as a probe and then again would leave a
// gap between the two.
func listen(ctx context.Context, local netip.AddrPort) (*net.TCPListener, error) {
	l, err := listenConfig().Listen(ctx, network(local.Addr()), local.String())
	if err != nil {
		return nil, err
	}
	tcp := l.(*net.TCPListener)
	if err := share(tcp); err != nil {
		_ = tcp.Close()
		return nil, fmt.Errorf("share %v: %w", local, err)
	}
	return tcp, nil
}

func share(c syscall.Conn) error {
	raw, err := c.SyscallConn()
	if err != nil {
		return err
	}
	return controlReuse("", "", raw)
}
