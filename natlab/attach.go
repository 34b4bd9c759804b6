package natlab

import (
	"fmt"
	"net/netip"
	"slices"
)

// attach gives a port its addresses in the network, and the prefixes that are routed to it as a whole.
func (n *network) attach(p *port, addrs []netip.Addr, routed []netip.Prefix) error {
	err := n.change(func(t *table) error {
		for _, a := range addrs {
			if owner := t.hosts[a]; owner != nil {
				return fmt.Errorf("%s has the address %v", owner.name, a)
			}
			t.hosts[a] = p
		}
		for _, prefix := range routed {
			t.prefixes[prefix] = p
		}
		return nil
	})
	if err == nil {
		p.net.Store(n)
	}
	return err
}

// attachGateway makes a port the one that packets to other networks go to.
func (n *network) attachGateway(p *port, addrs []netip.Addr) error {
	if err := n.attach(p, addrs, nil); err != nil {
		return err
	}
	return n.change(func(t *table) error {
		t.gateway = p
		return nil
	})
}

// detach takes a port out of the network, with all that leads to it.
func (n *network) detach(p *port) {
	p.net.Store(nil)
	n.change(func(t *table) error {
		isP := func(owner *port) bool { return owner == p }
		deleteValues(t.hosts, isP)
		deleteValues(t.prefixes, isP)
		for pair := range t.delays {
			if pair[0] == p || pair[1] == p {
				delete(t.delays, pair)
			}
		}
		return nil
	})
}

func deleteValues[K comparable, V any](m map[K]V, match func(V) bool) {
	for k, v := range m {
		if match(v) {
			delete(m, k)
		}
	}
}

// choose returns the addresses asked for, IPv4 first, or a free one if there are none.
func (n *network) choose(kind string, number int, asked []netip.Addr) ([]netip.Addr, error) {
	if len(asked) == 0 {
		free, err := n.free(kind, number)
		return []netip.Addr{free}, err
	}
	addrs := slices.Clone(asked)
	slices.SortStableFunc(addrs, func(a, b netip.Addr) int { return a.BitLen() - b.BitLen() })
	for _, a := range addrs {
		if n.owner != nil && n.prefixOf(a) == (netip.Prefix{}) {
			return nil, fmt.Errorf("%v is not in the inside of %s", a, n.name)
		}
	}
	return addrs, nil
}

func (n *network) free(kind string, number int) (netip.Addr, error) {
	if n.owner == nil {
		return public(kind, number)
	}
	hosts := n.table.Load().hosts
	for _, prefix := range n.prefixes {
		for a := prefix.Addr().Next(); prefix.Contains(a); a = a.Next() {
			if hosts[a] == nil {
				return a, nil
			}
		}
	}
	return netip.Addr{}, errNoAddress
}

// own are the addresses of the NAT in its inside.
func (n *network) own() []netip.Addr {
	var own []netip.Addr
	for _, p := range n.prefixes {
		own = append(own, p.Addr().Next())
	}
	return own
}

// prefixOf is the inside prefix that an address is in, the zero Prefix if there is none.
func (n *network) prefixOf(a netip.Addr) netip.Prefix {
	for _, p := range n.prefixes {
		if p.Contains(a) {
			return p
		}
	}
	return netip.Prefix{}
}

// An ifconfig is how a kernel's interface is set up.
type ifconfig struct {
	addrs   []netip.Prefix // with the length of the network that is on the link
	routers []netip.Addr   // of the default routes; one that is unspecified means that everybody is on the link
}

// ifconfig is how an interface with these addresses has to be set up in the network.
func (n *network) ifconfig(addrs []netip.Addr) ifconfig {
	var c ifconfig
	for _, a := range addrs {
		router, bits := netip.IPv4Unspecified(), a.BitLen()
		if a.Is6() {
			router = netip.IPv6Unspecified()
		}
		if p := n.prefixOf(a); p.IsValid() {
			router, bits = p.Addr().Next(), p.Bits()
		}
		c.addrs = append(c.addrs, netip.PrefixFrom(a, bits))
		if !slices.Contains(c.routers, router) {
			c.routers = append(c.routers, router)
		}
	}
	return c
}
