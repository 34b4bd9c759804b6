package natlab

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
)

var errNoAddress = errors.New("no address left")

// attach gives a port its addresses in the network, and the prefixes routed to it as a whole.
func (n *network) attach(p *port, addrs []netip.Addr, routed []netip.Prefix) error {
	err := n.change(func(t *table) error {
		for _, prefix := range routed {
			t.prefixes[prefix] = p
		}
		return t.assign(p, addrs)
	})
	if err == nil {
		p.net.Store(n)
	}
	return err
}

// attachGateway makes a port the one that packets to other networks go to.
func (n *network) attachGateway(p *port, addrs []netip.Addr) error {
	err := n.change(func(t *table) error {
		t.gateway = p
		return t.assign(p, addrs)
	})
	p.net.Store(n)
	return err
}

// detach takes a port out of the network, with all that leads to it.
func (n *network) detach(p *port) {
	p.net.Store(nil)
	n.change(func(t *table) error {
		t.remove(p)
		return nil
	})
}

// choose returns the addresses asked for, IPv4 first, or a free one if there are none.
func (n *network) choose(kind string, asked []netip.Addr) ([]netip.Addr, error) {
	if len(asked) == 0 {
		free, err := n.free(kind)
		return []netip.Addr{free}, err
	}
	addrs := slices.Clone(asked)
	slices.SortStableFunc(addrs, func(a, b netip.Addr) int { return a.BitLen() - b.BitLen() })
	for _, a := range addrs {
		if n.owner != nil && !n.prefixOf(a).IsValid() {
			return nil, fmt.Errorf("%v is not in the inside of %s", a, n.name)
		}
	}
	return addrs, nil
}

// free returns an address that nobody has. On the internet it is one of 203.0.113.10 and up for
// hosts, and of 198.51.100.1 and up for NATs (RFC 5737).
func (n *network) free(kind string) (netip.Addr, error) {
	prefixes, skip := n.prefixes, 1
	if n.owner == nil && kind == kindHost {
		prefixes, skip = []netip.Prefix{netip.MustParsePrefix("203.0.113.0/24")}, 10
	} else if n.owner == nil {
		prefixes = []netip.Prefix{netip.MustParsePrefix("198.51.100.0/24")}
	}
	hosts := n.table.Load().hosts
	for _, prefix := range prefixes {
		a := prefix.Addr()
		for range skip {
			a = a.Next()
		}
		for ; prefix.Contains(a.Next()); a = a.Next() { // the last one is for broadcast
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
	routers []netip.Addr   // of the default routes; unspecified if everybody is on the link
}

// ifconfig is how an interface with these addresses has to be set up in the network.
func (n *network) ifconfig(addrs []netip.Addr) ifconfig {
	var c ifconfig
	for _, a := range addrs {
		bits := a.BitLen()
		if p := n.prefixOf(a); p.IsValid() {
			bits = p.Bits()
		}
		c.addrs = append(c.addrs, netip.PrefixFrom(a, bits))
		if router := n.router(a); !slices.Contains(c.routers, router) {
			c.routers = append(c.routers, router)
		}
	}
	return c
}

// router is the address of the NAT in its inside that has the family of a, unspecified on the
// internet.
func (n *network) router(a netip.Addr) netip.Addr {
	for _, p := range n.prefixes {
		if p.Addr().Is4() == a.Is4() {
			return p.Addr().Next()
		}
	}
	if a.Is4() {
		return netip.IPv4Unspecified()
	}
	return netip.IPv6Unspecified()
}
