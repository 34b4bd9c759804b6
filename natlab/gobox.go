package natlab

import (
	"net/netip"
	"sync"
	"time"
)

// A goBox is a NAT in Go. It translates, except for an IPv6 prefix of its inside, for which it is a
// firewall with the same filtering.
type goBox struct {
	of    *NAT
	alarm *alarm

	mu       sync.Mutex
	nat      *nat
	firewall *nat
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
	g := &goBox{
		of:       n,
		alarm:    a,
		nat:      newNAT(b, n.addrs, n.lab.newDice()),
		firewall: newNAT(filter, nil, n.lab.newDice()),
	}
	n.lab.own(g.run, g.close)
	return g, nil
}

func (g *goBox) fromInside(f *frame) {
	p, ok := parse(f.data)
	switch {
	case !ok, isLocal(p.dst().Addr()): // multicast: a router has nothing to say in it
		f.free()
	case g.isOwn(p.dst().Addr()):
		g.sendInside(noService(&p))
		f.free()
	case !p.takeHop():
		g.sendInside(icmpTimeExceeded(&p, g.of.inside.address(&p)))
		f.free()
	default:
		g.translate(f, g.side(p.src().Addr()).outbound)
	}
}

func (g *goBox) fromOutside(f *frame) {
	p, ok := parse(f.data)
	switch {
	case !ok:
		f.free()
	case !p.takeHop():
		g.sendOutside(icmpTimeExceeded(&p, p.dst().Addr()))
		f.free()
	default:
		g.translate(f, g.side(p.dst().Addr()).inbound)
	}
}

// isOwn reports whether an address is the NAT's own in its inside, where it offers no service.
func (g *goBox) isOwn(a netip.Addr) bool { return g.of.inside.table.Load().hosts[a] == g.of.gateway }

// side is the logic in charge of the packets of an address of the inside or the outside.
func (g *goBox) side(local netip.Addr) *nat {
	if local.Is6() && g.of.inside.prefixOf(local).IsValid() {
		return g.firewall
	}
	return g.nat
}

// noService is what a host answers on a port where nobody listens; nil for no answer.
func noService(p *packet) []byte {
	if p.protocol == protoTCP {
		return tcpReset(p)
	}
	return icmpUnreachable(p, unreachablePort)
}

func (g *goBox) sendInside(packet []byte) {
	if packet != nil {
		g.of.gateway.send(g.of.lab.frames.clone(packet))
	}
}

func (g *goBox) sendOutside(packet []byte) {
	if packet != nil {
		g.of.outside.send(g.of.lab.frames.clone(packet))
	}
}

// translate runs the logic on f, and sends what it says is to be sent.
func (g *goBox) translate(f *frame, logic func(time.Time, []byte) verdict) {
	var room [4]*frame
	g.mu.Lock()
	v := logic(time.Now().Add(g.aged), f.data)
	frames := g.frames(f, v.inside, room[:0])
	inside := len(frames)
	frames = g.frames(f, v.outside, frames)
	g.remind()
	g.mu.Unlock()
	for i, f := range frames {
		if i < inside {
			g.of.gateway.send(f)
		} else {
			g.of.outside.send(f)
		}
	}
	// A frame that is not sent is left to the garbage collector: the logic may have kept it.
}

// frames appends packets of a verdict as frames: f itself where the logic has changed it in place.
func (g *goBox) frames(f *frame, packets [][]byte, to []*frame) []*frame {
	for _, b := range packets {
		if len(f.data) > 0 && &b[0] == &f.data[0] {
			f.data = f.data[:len(b)]
			to = append(to, f)
		} else {
			to = append(to, g.of.lab.frames.clone(b))
		}
	}
	return to
}

// remind sets the alarm for what next becomes due by itself. g.mu is held.
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

// run does what becomes due by itself, until close.
func (g *goBox) run() {
	for g.alarm.wait() {
		for _, n := range []*nat{g.nat, g.firewall} {
			g.translate(&frame{}, func(now time.Time, _ []byte) verdict { return n.expire(now) })
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
