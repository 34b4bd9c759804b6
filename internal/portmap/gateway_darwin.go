package portmap

import (
	"fmt"
	"net/netip"

	"golang.org/x/net/route"
	"golang.org/x/sys/unix"
)

// defaultGateway reads the system's routing table.
func defaultGateway() (netip.Addr, error) {
	table, err := route.FetchRIB(unix.AF_INET, route.RIBTypeRoute, 0)
	if err != nil {
		return netip.Addr{}, fmt.Errorf("%w: %w", ErrNoGateway, err)
	}
	messages, err := route.ParseRIB(route.RIBTypeRoute, table)
	if err != nil {
		return netip.Addr{}, fmt.Errorf("%w: %w", ErrNoGateway, err)
	}
	for _, m := range messages {
		// Routes that hold for one interface only (RTF_IFSCOPE) come beside the one that holds for all.
		r, ok := m.(*route.RouteMessage)
		if !ok || r.Flags&(unix.RTF_UP|unix.RTF_GATEWAY|unix.RTF_IFSCOPE) != unix.RTF_UP|unix.RTF_GATEWAY || len(r.Addrs) <= unix.RTAX_NETMASK {
			continue
		}
		to, isDefault := r.Addrs[unix.RTAX_DST].(*route.Inet4Addr)
		via, isIPv4 := r.Addrs[unix.RTAX_GATEWAY].(*route.Inet4Addr)
		mask, hasMask := r.Addrs[unix.RTAX_NETMASK].(*route.Inet4Addr)
		if isDefault && isIPv4 && to.IP == [4]byte{} && (!hasMask || mask.IP == [4]byte{}) {
			return netip.AddrFrom4(via.IP), nil
		}
	}
	return netip.Addr{}, ErrNoGateway
}
