package line

import "time"

// A line uses the carrier of the highest rank, unless the owner of the end that began it has measured that another is better. That one
// is aside meanwhile: both ends keep it, and it is used when there is no other. One frame moves the line to it, and puts the one in use aside
// instead, so that the way back is open.

// maxAside bounds how many carriers are kept aside.
const maxAside = 2

// A Loss tells how one end's data fares on a carrier.
type Loss struct {
	PerMille int  // so many of a thousand packets were sent again
	Pressed  bool // there was more to send than the path takes
}

// value is how a Loss travels.
func (s Loss) value() uint64 {
	v := uint64(min(max(s.PerMille, 0), 1000))
	if s.Pressed {
		v |= 1 << 10
	}
	return v
}

func lossOf(value uint64) Loss {
	return Loss{PerMille: int(min(value&(1<<10-1), 1000)), Pressed: value&(1<<10) != 0}
}

// A Gauge is what is known of a carrier.
type Gauge struct {
	Carrier  Carrier
	Name     uint64        // of the carrier; the same at both ends
	InUse    bool          // it is the one that is used first
	RTT      time.Duration // the least of the pings that were answered since the last Gauges; zero: none
	Waits    time.Duration // for how long the ping that is on its way has been; zero: none is
	PeerLoss Loss          // the peer's last word
}

// Began tells whether this end began the line: then its Use counts.
func (l *Line) Began() bool { return l.began }

// Chosen tells whether the carrier in use is used because of a Use, at either end, and not because of its rank.
func (l *Line) Chosen() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.chosen
}

// Pressed tells whether there is more to send than the carriers take.
func (l *Line) Pressed() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.out.unsent() > 0 && l.out.sent-l.out.acked >= muchOnWay
}

// Gauges returns what is known of the carrier in use and of those that are aside.
func (l *Line) Gauges() []Gauge {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	var all []Gauge
	for _, c := range l.carriers {
		if c.leaving || c.peerLeft || c.doubtful || c != l.active && !c.Aside {
			continue
		}
		g := Gauge{Carrier: c.Carrier, Name: c.name, InUse: c == l.active, RTT: c.pulse.least, PeerLoss: c.peerLoss}
		if !c.pulse.asked.IsZero() {
			g.Waits = now.Sub(c.pulse.asked)
		}
		c.pulse.least = 0
		all = append(all, g)
	}
	return all
}

// Measure has a ping sent by the carrier in use and by those that are aside, unless one is on its way.
func (l *Line) Measure() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err != nil {
		return
	}
	for _, c := range l.carriers {
		if (c == l.active || c.Aside) && !c.leaving && !c.doubtful && c.pulse.asked.IsZero() {
			c.ask()
		}
	}
}

// Tell tells the peer how this end's data fares on a carrier.
func (l *Line) Tell(name uint64, loss Loss) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if c := l.named(name); c != nil && c.loss != loss {
		c.loss, c.lossDue = loss, true
		c.wake.Signal()
	}
}

// Use moves both ends to a carrier that is aside, and puts the one in use aside. It tells whether this end may say so and the carrier is
// there.
func (l *Line) Use(name uint64) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	c := l.named(name)
	if c == nil || !l.began || !c.Aside || c.peerLeft {
		return false
	}
	l.word++
	for _, other := range l.carriers {
		other.useDue = other == c // an older word has lost its sense
	}
	l.use(c)
	c.wake.Signal()
	return true
}

// PutDown gives up a carrier that is aside.
func (l *Line) PutDown(name uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if c := l.named(name); c != nil && c.Aside {
		c.leave()
	}
}

// named returns a carrier by its name; nil if it is not there or is being put down. The caller holds mu.
func (l *Line) named(name uint64) *carrier {
	for _, c := range l.carriers {
		if c.name == name && !c.leaving && l.err == nil {
			return c
		}
	}
	return nil
}

// obey takes the peer's word on which carrier is used. An older one than the last, which came later by another carrier, changes nothing.
// The caller holds mu.
func (l *Line) obey(c *carrier, word uint64) {
	if l.began || word <= l.word || l.err != nil || c.leaving || c.fate != nil {
		return
	}
	l.word = word
	l.use(c)
}

// use moves to a carrier. What is on its way by the one that was in use goes again at once: it was left because it is slow. The caller
// holds mu.
func (l *Line) use(c *carrier) {
	for _, other := range l.carriers {
		switch {
		case other == c || other.leaving || other.Aside:
		case other == l.active && !other.peerLeft:
			other.Aside, other.used, other.stuck = true, false, false
			l.out.lost(&other.flight)
		default:
			other.leave()
		}
	}
	c.Aside = false
	l.choose()
	l.chosen = l.active == c
	l.wakeWriter()
}

// choosing is the word of the end that began the line on which carrier is used.
type choosing struct {
	began  bool   // by this end, whose word counts
	word   uint64 // the number of the last one
	chosen bool   // the active carrier is used because of it
}
