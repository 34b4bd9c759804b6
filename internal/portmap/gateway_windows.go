package portmap

import (
	"fmt"
	"net/netip"
	"unsafe"

	"golang.org/x/sys/windows"
)

// defaultGateway reads the system's routing table.
func defaultGateway() (netip.Addr, error) {
	var table *windows.MibIpForwardTable2
	if err := windows.GetIpForwardTable2(windows.AF_INET, &table); err != nil {
		return netip.Addr{}, fmt.Errorf("%w: %w", ErrNoGateway, err)
	}
	defer windows.FreeMibTable(unsafe.Pointer(table))
	var gateway netip.Addr
	best := uint64(0)
	for _, row := range table.Rows() {
		via := ipv4(row.NextHop)
		if row.DestinationPrefix.PrefixLength != 0 || !via.IsValid() || via.IsUnspecified() {
			continue
		}
		metric := uint64(row.Metric) + interfaceMetric(row.InterfaceLuid)
		if !gateway.IsValid() || metric < best {
			gateway, best = via, metric
		}
	}
	if !gateway.IsValid() {
		return netip.Addr{}, ErrNoGateway
	}
	return gateway, nil
}

// interfaceMetric is what an interface adds to the metric of its routes.
func interfaceMetric(luid uint64) uint64 {
	if windows.NewLazySystemDLL("iphlpapi.dll").NewProc("GetIpInterfaceEntry").Find() != nil {
		return 0 // Wine has none, and the call would panic
	}
	row := windows.MibIpInterfaceRow{Family: windows.AF_INET, InterfaceLuid: luid}
	if windows.GetIpInterfaceEntry(&row) != nil {
		return 0
	}
	return uint64(row.Metric)
}

// ipv4 is the address in a union of sockaddr_in and sockaddr_in6; invalid if it is no IPv4 address.
func ipv4(a windows.RawSockaddrInet) netip.Addr {
	if a.Family != windows.AF_INET {
		return netip.Addr{}
	}
	return netip.AddrFrom4((*windows.RawSockaddrInet4)(unsafe.Pointer(&a)).Addr)
}
