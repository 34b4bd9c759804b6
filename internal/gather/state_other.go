//go:build !linux

package gather

import "net/netip"

// addrStates knows nothing: here every address counts as lasting.
func addrStates() map[netip.Addr]addrState { return nil }
