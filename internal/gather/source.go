package gather

import (
	"net"
	"net/netip"

	"github.com/bodkin-p2p/bodkin/internal/netspace"
)

// Source returns the address of this machine from which it would connect to remote as its routes are now. Nothing is sent. It fails
// where there is no route.
func Source(within netspace.Space, remote netip.AddrPort) (source netip.Addr, err error) {
	err = within.Do(func() error {
		conn, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(remote)) // to connect UDP is to look up the route
		if err != nil {
			return err
		}
		defer conn.Close()
		source = conn.LocalAddr().(*net.UDPAddr).AddrPort().Addr().Unmap().WithZone("")
		return nil
	})
	return source, err
}
