package candidate

import "net/netip"

// Dialable reports whether there are nodes that may dial addr: it is a public or a
// private unicast address. Others are not worth telling a peer.
func Dialable(addr netip.Addr) bool { return forbidden(addr.Unmap()) == "" }

// forbidden returns why nobody may dial addr, or "". An IPv4 address is in its own
// form. The documentation prefixes are not among them: test networks consist of them.
func forbidden(addr netip.Addr) string {
	switch {
	case !addr.IsValid():
		return "no address"
	case addr.Zone() != "":
		return "an address with a zone"
	case addr.IsLoopback():
		return "a loopback address"
	case within(addr, "0.0.0.0/8", "::/128"):
		return "an unspecified address"
	case within(addr, "169.254.169.254/32", "100.100.100.200/32", "168.63.129.16/32", "192.0.0.192/32",
		"fd00:ec2::/32", "fd20:ce::254/128"):
		return "the metadata service of a cloud"
	case addr.IsLinkLocalUnicast():
		return "a link-local address"
	case addr.IsMulticast():
		return "a multicast address"
	case within(addr, "255.255.255.255/32"):
		return "the broadcast address"
	case within(addr, "240.0.0.0/4", "192.0.0.0/24"),
		addr.Is6() && !within(addr, "2000::/3", "fc00::/7"): // NAT64 and other disguises of IPv4, too
		return "a reserved address"
	}
	return ""
}

// Private reports whether addr means different machines in different networks, so that it is no address to the world.
func Private(addr netip.Addr) bool { return isPrivate(addr.Unmap()) }

// isPrivate reports whether addr means different machines in different networks: RFC
// 1918, the shared space of carriers (RFC 6598), and IPv6 ULA (RFC 4193).
func isPrivate(addr netip.Addr) bool { return addr.IsPrivate() || within(addr, "100.64.0.0/10") }

// isEdgeOf reports whether addr is the first or the last address of an IPv4 link,
// which mean the link itself and everybody on it.
func isEdgeOf(link netip.Prefix, addr netip.Addr) bool {
	if !addr.Is4() || link.Bits() > 30 || !link.Contains(addr) {
		return false
	}
	return addr == link.Masked().Addr() || !link.Contains(addr.Next())
}

// within reports whether one of the prefixes contains addr.
func within(addr netip.Addr, prefixes ...string) bool {
	for _, p := range prefixes {
		if netip.MustParsePrefix(p).Contains(addr) {
			return true
		}
	}
	return false
}
