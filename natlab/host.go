package natlab

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
)

const (
	kindHost = "host"
	kindNAT  = "NAT"
)

// A Host is a network namespace with one interface, eth0, and the real kernel's TCP/IP.
type Host struct {
	name  string
	lab   *Lab
	port  *port
	space *space
	err   error

	mu    sync.Mutex
	addrs []netip.Addr
}

// Host attaches a new host to the internet.
func (l *Lab) Host(name string, list ...Option) *Host {
	return l.core.newHost(name, list)
}

// Host attaches a new host to the NAT's inside.
func (n *NAT) Host(name string, list ...Option) *Host {
	return n.inside.newHost(name, list)
}

func (n *network) newHost(name string, list []Option) *Host {
	h := &Host{name: name, lab: n.lab}
	if n.owner != nil && n.owner.err != nil {
		h.err = n.owner.err
		return h
	}
	n.lab.building.Lock()
	defer n.lab.building.Unlock()
	if err := h.build(n, list); err != nil {
		h.err = fmt.Errorf("host %s: %w", name, err)
		n.lab.fail(h.err)
	}
	return h
}

func (h *Host) build(n *network, list []Option) error {
	o, err := parseOptions(list)
	if err != nil {
		return err
	}
	if err := h.lab.claim(h.name); err != nil {
		return err
	}
	if h.addrs, err = n.choose(kindHost, o.addrs); err != nil {
		return err
	}
	if h.space, err = h.lab.newHostSpace(); err != nil {
		return err
	}
	dev, err := h.lab.newInterface(h.space, "eth0", n.ifconfig(h.addrs))
	if err != nil {
		return err
	}
	if h.port, err = h.lab.newPort(h.name, o.link, dev.write); err != nil {
		return err
	}
	h.lab.own(func() { pump(dev, h.port) }, func() { dev.close() })
	return n.attach(h.port, h.addrs, nil)
}

// pump sends what a device reads until it is closed.
func pump(dev *device, p *port) {
	for {
		f, err := dev.read()
		if err != nil {
			return
		}
		p.send(f)
	}
}

// Name is the name that the host was given.
func (h *Host) Name() string { return h.name }

func (h *Host) attachment() *port { return h.port }

// Addr is the host's address, the IPv4 one if it has both.
func (h *Host) Addr() netip.Addr {
	if addrs := h.Addrs(); len(addrs) > 0 {
		return addrs[0]
	}
	return netip.Addr{}
}

// Addrs are all the host's addresses, IPv4 first.
func (h *Host) Addrs() []netip.Addr {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.addrs)
}

// Do runs fn on this goroutine, locked to a thread that is in the host's namespace, and returns
// fn's error.
//
// Sockets that fn opens are the host's, and stay so when used elsewhere later. Goroutines that fn
// starts are not in the namespace: so fn must dial literal addresses, one at a time, because
// package net looks up names and races addresses on other goroutines. Listening, and whatever is
// accepted by the listener later, is safe.
func (h *Host) Do(fn func() error) error {
	if h.err != nil {
		return h.err
	}
	return h.space.do(fn)
}

// Listen is net.Listen on the host. The address must be literal, such as ":4000" or "[::]:0".
func (h *Host) Listen(network, address string) (l net.Listener, err error) {
	err = h.Do(func() error {
		l, err = net.Listen(network, address)
		return err
	})
	return l, err
}

// Dial is net.Dialer.DialContext from the host. The address must be literal.
func (h *Host) Dial(ctx context.Context, network, address string) (c net.Conn, err error) {
	err = h.Do(func() error {
		var d net.Dialer
		c, err = d.DialContext(ctx, network, address)
		return err
	})
	return c, err
}

// Sysctl sets a kernel parameter of the host's namespace, such as net.ipv4.tcp_syn_retries.
func (h *Host) Sysctl(name, value string) error {
	return h.Do(func() error { return sysctl(name, value) })
}
