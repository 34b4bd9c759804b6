package natlab

import (
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"time"
)

// A NAT is a router between a network and its own inside, which translates. One made by Lab.NAT or NAT.NAT is Go code that
// does what its Behavior says, one made by KernelNAT is the Linux kernel's.
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
	if n.outside, err = n.lab.newPort(n.name, o.link, func(f *frame) { n.box.fromOutside(f) }); err != nil {
		return err
	}
	if n.gateway, err = n.lab.newPort(n.name, Link{}, func(f *frame) { n.box.fromInside(f) }); err != nil {
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

// A goBox is a box in Go: for IPv4, and for IPv6 with an outside IPv6 address, it translates. What is routed to it is filtered.
type goBox struct {
	of    *NAT
	alarm *alarm

	mu       sync.Mutex
	nat      *nat
	firewall *nat          // for the prefix that is routed
	aged     time.Duration // by how much the clock of both is ahead
	closed   bool
}

func newGoBox(n *NAT, b Behavior) (box, error) {
	a, err := newAlarm()
	if err != nil {
		return nil, err
	}
	filter := b
	filter.Allocation = PortUntranslated
	g := &goBox{of: n, alarm: a, nat: newNAT(b, n.addrs, n.lab.newDice()), firewall: newNAT(filter, nil, n.lab.newDice())}
	n.lab.own(g.run, g.close)
	return g, nil
}

func (g *goBox) fromInside(f *frame) {
	p, ok := parse(f.data)
	if !ok {
		f.free()
		return
	}
	if g.of.gateway == g.of.inside.table.Load().hosts[p.dst().Addr()] {
		g.refuse(&p)
		f.free()
		return
	}
	if !p.takeHop() {
		g.sendInside(icmpTimeExceeded(&p, g.of.inside.address(&p)))
		f.free()
		return
	}
	g.translate(f, func(now time.Time) verdict { return g.side(&p, p.src().Addr()).outbound(now, f.data) })
}

func (g *goBox) fromOutside(f *frame) {
	p, ok := parse(f.data)
	if !ok {
		f.free()
		return
	}
	if !p.takeHop() {
		f.free()
		return
	}
	g.translate(f, func(now time.Time) verdict { return g.side(&p, p.dst().Addr()).inbound(now, f.data) })
}

// side is the logic that is in charge of a packet from or to the given address.
func (g *goBox) side(p *packet, local netip.Addr) *nat {
	for _, prefix := range g.of.inside.prefixes {
		if prefix.Addr().Is6() && prefix.Contains(local) {
			return g.firewall
		}
	}
	return g.nat
}

// refuse answers what is meant for the router itself, which offers no service.
func (g *goBox) refuse(p *packet) {
	if p.protocol == protoTCP {
		g.sendInside(tcpReset(p))
	} else {
		g.sendInside(icmpUnreachable(p, unreachablePort))
	}
}

func (g *goBox) sendInside(packet []byte) {
	if packet != nil {
		g.of.gateway.send(g.of.lab.frames.clone(packet))
	}
}

// translate runs the logic on f, and sends what it returns.
func (g *goBox) translate(f *frame, logic func(now time.Time) verdict) {
	g.mu.Lock()
	var storage [4]*frame
	v := logic(time.Now().Add(g.aged))
	inside, rest := g.take(f, v.inside, storage[:0])
	outside, _ := g.take(f, v.outside, rest)
	g.remind()
	g.mu.Unlock()
	for _, f := range inside {
		g.of.gateway.send(f)
	}
	for _, f := range outside {
		g.of.outside.send(f)
	}
}

// take turns packets of a verdict into frames: f itself where the logic has changed it in place.
func (g *goBox) take(f *frame, packets [][]byte, storage []*frame) (taken, rest []*frame) {
	taken = storage
	for _, b := range packets {
		if f != nil && len(b) > 0 && &b[0] == &f.data[0] {
			f.data = f.data[:len(b)]
			taken = append(taken, f)
			continue
		}
		taken = append(taken, g.of.lab.frames.clone(b))
	}
	return taken, taken[len(taken):]
}

// remind sets the alarm for the next thing that becomes due by itself.
func (g *goBox) remind() {
	if g.closed {
		return
	}
	first, ok := g.nat.next()
	if at, also := g.firewall.next(); also && (!ok || at.Before(first)) {
		first, ok = at, true
	}
	if ok {
		g.alarm.set(time.Until(first) - g.aged)
	}
}

func (g *goBox) run() {
	for g.alarm.wait() {
		for _, n := range []*nat{g.nat, g.firewall} {
			g.translate(nil, n.expire)
		}
	}
}

func (g *goBox) close() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.closed = true
	g.alarm.close()
}

func (g *goBox) reboot() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.nat.reboot()
	g.firewall.reboot()
	return nil
}

func (g *goBox) age(d time.Duration) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.aged += d
	g.remind()
	return nil
}

func (g *goBox) setExternal(addrs []netip.Addr) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.nat.setExternal(addrs)
	return nil
}
