//go:build !linux && !darwin && !windows

package portmap

import "net/netip"

// defaultGateway is not known here.
func defaultGateway() (netip.Addr, error) { return netip.Addr{}, ErrNoGateway }
