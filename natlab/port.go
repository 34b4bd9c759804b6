package natlab

import (
	"sync"
	"sync/atomic"
	"time"
)

// A port is where a host or one side of a NAT is attached to a network: its link, and the packets
// on their way to it.
type port struct {
	name string
	lab  *Lab
	line *line
	take func(*frame) // gets the packets that arrive

	net  atomic.Pointer[network]
	link atomic.Pointer[Link]
	cut  atomic.Bool

	up, down wire // to the network, from it

	mu       sync.Mutex
	last     map[*port]time.Duration // when the last packet from each other port is due
	lastDown time.Duration           // when the last packet that waited for the rate is due
}

func (l *Lab) newPort(name string, link Link, take func(*frame)) (*port, error) {
	p := &port{name: name, lab: l, take: take, last: make(map[*port]time.Duration)}
	p.up.dice, p.down.dice = l.newDice(), l.newDice()
	p.link.Store(&link)
	a, err := newAlarm()
	if err != nil {
		return nil, err
	}
	p.line = &line{now: l.now, toll: p.toll, arrive: p.arrive, lose: p.lose, alarm: a}
	l.own(p.line.run, p.line.close)
	return p, nil
}

// send brings a packet to the network, if the port is attached to one.
func (p *port) send(f *frame) {
	n := p.net.Load()
	if n == nil {
		f.free()
		return
	}
	n.carry(p, f)
}

// arrive gets a packet at the end of its way.
func (p *port) arrive(f *frame) {
	if p.cut.Load() {
		p.lose(f)
		return
	}
	p.take(f)
}

// lose ends a packet that was on its way.
func (p *port) lose(f *frame) {
	p.lab.trace.lose(f)
	f.free()
}

// reserve finds out when a packet of n bytes from another port is here if it would be at due
// without this port's link. It reports false for a packet that is lost. Where the link has a rate,
// the packet has yet to pay for it when it comes.
func (p *port) reserve(from *port, n int, due time.Duration) (at time.Duration, paid, ok bool) {
	link := p.link.Load()
	if link.shaped() {
		// Packets wait for the rate in the order in which they come, which is not the order in
		// which they were sent.
		return due, false, true
	}
	due, ok = p.down.pass(link, lane{}, n, due)
	if !ok {
		return 0, true, false
	}
	if !link.Reorder && from.link.Load().FlowRate == 0 { // flows with rates of their own overtake each other
		p.mu.Lock()
		defer p.mu.Unlock()
		due = max(due, p.last[from])
		p.last[from] = due
	}
	return due, true, true
}

// accept takes over a packet that reserve was asked about.
func (p *port) accept(f *frame, due time.Duration, paid bool) {
	switch {
	case paid && due <= p.lab.now():
		p.arrive(f)
	case !p.line.push(f, due, paid):
		p.lose(f)
	}
}

// toll is what a packet that comes at due pays to a link with a rate: it tells when the packet
// arrives, or that it is lost.
func (p *port) toll(f *frame, due time.Duration) (time.Duration, bool) {
	link := p.link.Load()
	var flow lane
	if packet, ok := parse(f.data); ok {
		flow = link.lane(&packet)
	}
	due, ok := p.down.pass(link, flow, len(f.data), due)
	if !ok {
		return 0, false
	}
	if !link.Reorder && link.FlowRate == 0 {
		p.mu.Lock()
		defer p.mu.Unlock()
		due = max(due, p.lastDown)
		p.lastDown = due
	}
	return due, true
}
