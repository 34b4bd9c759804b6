package natlab

import (
	"net/netip"
	"slices"
	"time"
)

// mappingKey names the mapping of a packet from inside: its source, and as much of its destination
// as Behavior.Mapping looks at.
func (n *nat) mappingKey(p *packet) flowKey {
	key := flowKey{protocol: p.protocol, local: p.from}
	if !n.translates() {
		return key
	}
	switch n.behavior.Mapping {
	case AddressDependent:
		key.remote = netip.AddrPortFrom(p.to.Addr(), 0)
	case AddressAndPortDependent:
		key.remote = p.to
	}
	return key
}

// allocate chooses the external endpoint for a packet from inside that begins a session of m.
// It reports false if there is none left.
func (n *nat) allocate(now time.Time, m *mapping, p *packet) (netip.AddrPort, bool) {
	if !n.translates() {
		return p.from, true
	}
	if m.newest != nil {
		external := m.newest.external
		if !n.behavior.Overloading || n.isFree(now, external, p) {
			return external, true
		}
	}
	addr, ok := n.pool(m.host)
	if !ok {
		return netip.AddrPort{}, false
	}
	port, ok := n.choosePort(now, addr, m.host, p)
	return netip.AddrPortFrom(addr, port), ok
}

// isFree reports whether a session for p can have this external endpoint: nobody uses it, or,
// overloaded, nobody uses it with the same remote endpoint.
func (n *nat) isFree(now time.Time, external netip.AddrPort, p *packet) bool {
	if n.behavior.Overloading {
		return n.live(n.incoming[flowKey{p.protocol, external, p.to}], now) == nil
	}
	return !n.reap(n.ports[endpoint{p.protocol, external}], now)
}

// pool chooses the external address of a new mapping, of the same family as the host's own.
func (n *nat) pool(h *host) (netip.Addr, bool) {
	if slices.Contains(n.external, h.external) {
		return h.external, true
	}
	var addrs []netip.Addr
	for _, addr := range n.external {
		if addr.Is4() == h.addr.Is4() {
			addrs = append(addrs, addr)
		}
	}
	if len(addrs) == 0 {
		return netip.Addr{}, false
	}
	if n.behavior.Pooling == PoolingArbitrary && n.behavior.Allocation != PortBlock {
		return addrs[n.rng.IntN(len(addrs))], true
	}
	h.external = addrs[n.paired%len(addrs)]
	n.paired++
	return h.external, true
}
