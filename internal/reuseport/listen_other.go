//go:build !linux

package reuseport

import (
	"context"
	"net"
	"net/netip"
)

// listen returns a listener that shares its port. A first listener without our
// options is the probe: it fails if anybody listens there, even somebody who would
// share. Between closing the probe and the second listen another process may slip
// in; there is no way known to close that gap on these systems.
func listen(ctx context.Context, local netip.AddrPort) (*net.TCPListener, error) {
	lc := listenConfig()
	probe, err := lc.Listen(ctx, network(local.Addr()), local.String())
	if err != nil {
		return nil, err
	}
	if err := probe.Close(); err != nil {
		return nil, err
	}
	lc.Control = controlReuse
	l, err := lc.Listen(ctx, network(local.Addr()), local.String())
	if err != nil {
		return nil, err
	}
	return l.(*net.TCPListener), nil
}
