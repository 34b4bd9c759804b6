package natlab

import (
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// A kernelBox is a namespace that routes between two interfaces, wan and lan.
type kernelBox struct {
	of       *NAT
	parent   *network
	router   *Host
	wan, lan *device
}

func newKernelBox(n *NAT, w *network, k Kernel) (box, error) {
	b := &kernelBox{of: n, parent: w, router: &Host{name: n.name, lab: n.lab}}
	var err error
	if b.router.space, err = n.lab.newHostSpace(); err != nil {
		return nil, err
	}
	if err := b.router.Do(func() error { return forwarding(k) }); err != nil {
		return nil, err
	}
	if b.wan, err = n.lab.newInterface(b.router.space, "wan", b.outside(n.addrs)); err != nil {
		return nil, err
	}
	lan := n.inside.ifconfig(n.inside.own())
	lan.routers = nil
	if b.lan, err = n.lab.newInterface(b.router.space, "lan", lan); err != nil {
		b.wan.close()
		return nil, err
	}
	n.lab.own(func() { pump(b.wan, n.outside) }, func() { b.wan.close() })
	n.lab.own(func() { pump(b.lan, n.gateway) }, func() { b.lan.close() })
	return b, k.load(b.router)
}

// outside is how the interface wan has to be set up. A prefix that is routed to the NAT needs no
// address there.
func (b *kernelBox) outside(addrs []netip.Addr) ifconfig {
	c := b.parent.ifconfig(addrs)
	for _, p := range b.of.inside.prefixes {
		if router := b.parent.router(p.Addr()); !slices.Contains(c.routers, router) {
			c.routers = append(c.routers, router)
		}
	}
	return c
}

// forwarding makes a router of the calling thread's namespace.
func forwarding(k Kernel) error {
	for _, parameter := range []struct{ name, value string }{
		{"net.ipv4.ip_forward", "1"},
		{"net.ipv6.conf.all.forwarding", "1"},
		{"net.ipv4.conf.all.rp_filter", "0"},
		{"net.ipv4.conf.all.send_redirects", "0"},
		{"net.ipv4.conf.default.send_redirects", "0"},
	} {
		if err := trySysctl(parameter.name, parameter.value); err != nil {
			return fmt.Errorf("set up routing: %w", err)
		}
	}
	if k.Liberal {
		return sysctl("net.netfilter.nf_conntrack_tcp_be_liberal", "1")
	}
	return nil
}

func (b *kernelBox) routerHost() *Host { return b.router }

func (b *kernelBox) fromInside(f *frame)  { b.lan.write(f) }
func (b *kernelBox) fromOutside(f *frame) { b.wan.write(f) }

func (b *kernelBox) reboot() error {
	return b.router.Do(func() error { return netlink.ConntrackTableFlush(netlink.ConntrackTable) })
}

func (b *kernelBox) age(d time.Duration) error {
	return b.router.Do(func() error {
		for _, family := range []netlink.InetFamily{unix.AF_INET, unix.AF_INET6} {
			_, err := netlink.ConntrackDeleteFilters(netlink.ConntrackTable, family, olderThan(d))
			if err != nil {
				return fmt.Errorf("delete conntrack entries: %w", err)
			}
		}
		return nil
	})
}

// olderThan matches the entries that have no more than this time to live.
type olderThan time.Duration

// MatchConntrackFlow implements netlink.CustomConntrackFilter.
func (d olderThan) MatchConntrackFlow(flow *netlink.ConntrackFlow) bool {
	return time.Duration(flow.TimeOut)*time.Second <= time.Duration(d)
}

func (b *kernelBox) setExternal(addrs []netip.Addr) error {
	return b.router.space.readdress("wan", b.outside(addrs))
}
