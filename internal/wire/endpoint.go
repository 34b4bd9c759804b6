package wire

import "net/netip"

// NewEndpoint is addr as a message. An IPv4-mapped IPv6 address becomes the IPv4 address it stands for, a zone is lost.
func NewEndpoint(addr netip.AddrPort) *Endpoint {
	return &Endpoint{Ip: addr.Addr().Unmap().AsSlice(), Port: uint32(addr.Port())}
}

// AddrPort is the address that e holds, the zero AddrPort if e is nil or not valid.
func (e *Endpoint) AddrPort() netip.AddrPort {
	ip, ok := netip.AddrFromSlice(e.GetIp())
	if !ok || ip.Is4In6() || e.GetPort() == 0 || e.GetPort() > 65535 {
		return netip.AddrPort{}
	}
	return netip.AddrPortFrom(ip, uint16(e.GetPort()))
}

// AddrPorts is the addresses that endpoints hold, in their order.
func AddrPorts(endpoints []*Endpoint) []netip.AddrPort {
	addrs := make([]netip.AddrPort, len(endpoints))
	for i, e := range endpoints {
		addrs[i] = e.AddrPort()
	}
	return addrs
}
