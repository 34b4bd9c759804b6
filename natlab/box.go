package natlab

import (
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"time"
)

// A NAT is a router between a network and its own inside, which translates. One made by Lab.NAT or
// NAT.NAT is Go code that does what its Behavior says, one made by KernelNAT is the Linux kernel's.
type NAT struct {
	name    string
	lab     *Lab
	outside *port
	inside  *network
	gateway *port // the NAT's own port in its inside
	box     box
	err     error

	mu    sync.Mutex
	addrs []netip.Addr // on the outside
}

// A box is what makes a NAT translate.
type box interface {
	fromInside(*frame)
	fromOutside(*frame)
	reboot() error
	age(time.Duration) error
	setExternal(addrs []netip.Addr) error
}

// NAT attaches a new NAT to the internet.
func (l *Lab) NAT(name string, b Behavior, list ...Option) *NAT {
	return l.core.newNAT(name, list, func(n *NAT) (box, error) { return newGoBox(n, b) })
}

// NAT attaches a new NAT to this one's inside, as a home's router is to a carrier-grade NAT.
func (n *NAT) NAT(name string, b Behavior, list ...Option) *NAT {
	return n.inside.newNAT(name, list, func(n *NAT) (box, error) { return newGoBox(n, b) })
}

func (w *network) newNAT(name string, list []Option, newBox func(*NAT) (box, error)) *NAT {
	n := &NAT{name: name, lab: w.lab}
	n.inside = newNetwork(w.lab, name, n)
	if w.owner != nil && w.owner.err != nil {
		n.err = w.owner.err
		return n
	}
	w.lab.building.Lock()
	defer w.lab.building.Unlock()
	if err := n.build(w, list, newBox); err != nil {
		n.err = fmt.Errorf("NAT %s: %w", name, err)
		w.lab.fail(n.err)
	}
	return n
}

func (n *NAT) build(w *network, list []Option, newBox func(*NAT) (box, error)) error {
	o, err := parseOptions(list)
	if err != nil {
		return err
	}
	if err := n.lab.claim(n.name); err != nil {
		return err
	}
	if n.addrs, err = w.choose(kindNAT, o.addrs); err != nil {
		return err
	}
	if n.inside.prefixes = o.inside; len(o.inside) == 0 {
		n.inside.prefixes = []netip.Prefix{n.lab.nextInside()}
	}
	fromOutside := func(f *frame) { n.box.fromOutside(f) }
	if n.outside, err = n.lab.newPort(n.name, o.link, fromOutside); err != nil {
		return err
	}
	fromInside := func(f *frame) { n.box.fromInside(f) }
	if n.gateway, err = n.lab.newPort(n.name, Link{}, fromInside); err != nil {
		return err
	}
	if n.box, err = newBox(n); err != nil {
		return err
	}
	var routed []netip.Prefix
	for _, p := range n.inside.prefixes {
		if p.Addr().Is6() {
			routed = append(routed, p)
		}
	}
	if err := n.inside.attachGateway(n.gateway, n.inside.own()); err != nil {
		return err
	}
	return w.attach(n.outside, n.addrs, routed)
}

// nextInside is the inside prefix by default: 10.1.0.0/24 for the first NAT, and so on.
func (l *Lab) nextInside() netip.Prefix {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.nats++
	return netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(l.nats), byte(l.nats >> 8)}), 24)
}

// Name is the name that the NAT was given.
func (n *NAT) Name() string { return n.name }

func (n *NAT) attachment() *port { return n.outside }

// Addr is the NAT's outside address, the IPv4 one if it has both.
func (n *NAT) Addr() netip.Addr {
	if addrs := n.Addrs(); len(addrs) > 0 {
		return addrs[0]
	}
	return netip.Addr{}
}

// Addrs are the NAT's outside addresses, IPv4 first.
func (n *NAT) Addrs() []netip.Addr {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Clone(n.addrs)
}

// Gateway is the NAT's own address in its inside, where its hosts send what is for elsewhere: the IPv4 one if it has both.
func (n *NAT) Gateway() netip.Addr {
	if n.err != nil {
		return netip.Addr{}
	}
	return n.inside.own()[0]
}

// Router is the namespace of a NAT made by KernelNAT, to run a router's programs in: its outside interface is wan, its
// inside one lan. A NAT in Go has none, and every call of what is returned for it fails.
func (n *NAT) Router() *Host {
	if b, ok := n.box.(interface{ routerHost() *Host }); ok {
		return b.routerHost()
	}
	err := n.err
	if err == nil {
		err = fmt.Errorf("natlab: NAT %s is no namespace", n.name)
	}
	return &Host{name: n.name, lab: n.lab, err: err}
}
