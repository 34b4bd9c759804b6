package portmap

import (
	"net/netip"

	"github.com/bodkin-p2p/bodkin/internal/netspace"
)

// Gateway returns the gateway of the default route, for IPv4. It fails with ErrNoGateway.
func Gateway(within netspace.Space) (gateway netip.Addr, err error) {
	err = within.Do(func() error {
		gateway, err = defaultGateway()
		return err
	})
	if err == nil && (!gateway.Is4() || gateway.IsUnspecified() || gateway.IsLoopback() || gateway.IsMulticast()) {
		err = ErrNoGateway // a link to everybody, as with PPP or in a tunnel
	}
	if err != nil {
		return netip.Addr{}, err
	}
	return gateway, nil
}
