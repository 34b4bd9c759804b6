package natlab

import (
	"sync"
	"sync/atomic"
	"time"
)

// A port is where a host or one side of a NAT is attached to a network: its link, and the packets on their way to it.
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
	p.line = &line{now: l.now, toll: p.toll, arrive: p.arrive, alarm: a}
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
		f.free()
		return
	}
	p.take(f)
}

// accept lets a packet from another port, which leaves that one's link at ready, arrive after delay.
// It reports false if the packet is lost, and does not take it then.
func (p *port) accept(from *port, f *frame, ready, delay time.Duration) bool {
	link := p.link.Load()
	due := ready + delay
	if link.Rate > 0 {
		// Packets wait for the rate here in the order in which they come, which is not the order in which they were sent.
		return p.line.push(f, due, false)
	}
	due, ok := p.down.pass(link, len(f.data), due)
	if !ok {
		return false
	}
	if !link.Reorder {
		p.mu.Lock()
		due = max(due, p.last[from])
		p.last[from] = due
		p.mu.Unlock()
	}
	if due <= p.lab.now() {
		p.arrive(f)
		return true
	}
	return p.line.push(f, due, true)
}

// toll is what a packet that comes at due pays to a link with a rate: it tells when the packet arrives, or that it is lost.
func (p *port) toll(f *frame, due time.Duration) (time.Duration, bool) {
	link := p.link.Load()
	due, ok := p.down.pass(link, len(f.data), due)
	if !ok {
		return 0, false
	}
	if !link.Reorder {
		p.mu.Lock()
		due = max(due, p.lastDown)
		p.lastDown = due
		p.mu.Unlock()
	}
	return due, true
}
