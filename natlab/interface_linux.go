package natlab

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

const queueLen = 10000 // packets that may wait in an interface for the lab to read them

// prepareDevices finds out how packets can travel.
func (l *Lab) prepareDevices(want Device) error {
	scratch, err := newSpace()
	if err != nil {
		return err
	}
	if want == DevicePacket {
		l.wires = scratch
	} else if err := tryTUN(scratch); err == nil {
		return scratch.close()
	} else if want == DeviceTUN {
		scratch.close()
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	l.wires = scratch
	l.atClose(func() { l.wires.close() })
	return nil
}

func tryTUN(s *space) error {
	d, err := openDevice(s, nil, "probe", nil)
	if err != nil {
		return err
	}
	return d.close()
}

// newHostSpace makes a namespace with one interface, which is not set up yet.
func (l *Lab) newHostSpace() (*space, error) {
	s, err := newSpace()
	if err != nil {
		return nil, err
	}
	l.atClose(func() { s.close() })
	return s, nil
}

// newInterface gives a namespace an interface that is set up for a port.
func (l *Lab) newInterface(s *space, name string, c ifconfig) (*device, error) {
	d, err := openDevice(s, l.wires, name, &l.frames)
	if err != nil {
		return nil, err
	}
	if err := s.do(func() error { return setUp(name, c) }); err != nil {
		d.close()
		return nil, err
	}
	return d, nil
}

// setUp brings up an interface of the calling thread's namespace.
func setUp(name string, c ifconfig) error {
	link, err := netlink.LinkByName(name)
	if err != nil {
		return fmt.Errorf("find interface %s: %w", name, err)
	}
	if err := netlink.LinkSetTxQLen(link, queueLen); err != nil {
		return fmt.Errorf("set queue length of %s: %w", name, err)
	}
	if err := quiet(name, c); err != nil {
		return fmt.Errorf("set up %s: %w", name, err)
	}
	if err := netlink.LinkSetUp(link); err != nil {
		return fmt.Errorf("bring up %s: %w", name, err)
	}
	return address(link, c)
}

// readdress gives an interface other addresses and routes.
func (s *space) readdress(name string, c ifconfig) error {
	return s.do(func() error {
		link, err := netlink.LinkByName(name)
		if err != nil {
			return fmt.Errorf("find interface %s: %w", name, err)
		}
		if err := quiet(name, c); err != nil {
			return err
		}
		return address(link, c)
	})
}

// quiet keeps the kernel from finding out by itself what the lab tells it.
func quiet(name string, c ifconfig) error {
	without6 := "1"
	if slices.ContainsFunc(c.routers, netip.Addr.Is6) || slices.ContainsFunc(c.addrs, is6) {
		without6 = "0"
	}
	for _, parameter := range []struct{ name, value string }{
		{"net.ipv6.conf." + name + ".disable_ipv6", without6},
		{"net.ipv6.conf." + name + ".accept_ra", "0"},
		{"net.ipv6.conf." + name + ".accept_dad", "0"},
		{"net.ipv6.conf." + name + ".router_solicitations", "0"},
		{"net.ipv4.conf." + name + ".rp_filter", "0"},
	} {
		if err := trySysctl(parameter.name, parameter.value); err != nil {
			return err
		}
	}
	return nil
}

// address replaces the addresses and default routes of an interface that is up.
func address(link netlink.Link, c ifconfig) error {
	old, err := netlink.AddrList(link, netlink.FAMILY_ALL)
	if err != nil {
		return fmt.Errorf("list addresses: %w", err)
	}
	for _, a := range old {
		if a.Scope == unix.RT_SCOPE_UNIVERSE {
			if err := netlink.AddrDel(link, &a); err != nil {
				return fmt.Errorf("remove address %v: %w", a.IPNet, err)
			}
		}
	}
	for _, p := range c.addrs {
		a := &netlink.Addr{IPNet: ipNet(p), Flags: unix.IFA_F_NODAD}
		if err := netlink.AddrAdd(link, a); err != nil {
			return fmt.Errorf("add address %v: %w", p, err)
		}
	}
	for _, router := range c.routers {
		err := netlink.RouteReplace(defaultRoute(link, router))
		if err != nil && !errors.Is(err, unix.EEXIST) {
			return fmt.Errorf("add route by %v: %w", router, err)
		}
	}
	return awaitAddresses(c.addrs)
}

// awaitAddresses returns when packets to the addresses are taken in. The kernel puts that off for
// IPv6, without end to speak of while it takes down the namespaces of other labs.
func awaitAddresses(addrs []netip.Prefix) error {
	deadline := time.Now().Add(10 * time.Second)
	for _, p := range addrs {
		for !isTakenIn(p.Addr()) {
			if time.Now().After(deadline) {
				return fmt.Errorf("address %v is not in use after 10 s", p)
			}
			<-time.After(time.Millisecond) // no message of netlink's tells when
		}
	}
	return nil
}

func isTakenIn(a netip.Addr) bool {
	routes, err := netlink.RouteGet(a.AsSlice())
	return err == nil && len(routes) > 0 && routes[0].Type == unix.RTN_LOCAL
}

func is6(p netip.Prefix) bool { return p.Addr().Is6() }

func defaultRoute(link netlink.Link, router netip.Addr) *netlink.Route {
	everything := netip.PrefixFrom(netip.IPv4Unspecified(), 0)
	if router.Is6() {
		everything = netip.PrefixFrom(netip.IPv6Unspecified(), 0)
	}
	route := &netlink.Route{LinkIndex: link.Attrs().Index, Dst: ipNet(everything)}
	if router.IsUnspecified() {
		route.Scope = netlink.SCOPE_LINK
	} else {
		route.Gw = router.AsSlice()
	}
	return route
}

func ipNet(p netip.Prefix) *net.IPNet {
	return &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
}
