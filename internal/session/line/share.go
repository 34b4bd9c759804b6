package line

import (
	"cmp"
	"slices"
	"time"
)

// How the carriers in use share what is to be sent: whoever is ready takes the next piece. Ready is a carrier whose last write is over
// and by which less is on its way than its measured rate needs, so that each gets what it can bring, and what a slow one holds it
// brings within about its round trip. What stands still goes again by another.

// An offer is what a carrier could take now.
type offer struct {
	active bool // it is the one that is used first: small things go by it alone
	alone  bool // no other is in use
	slow   bool // it would hold others back
	way    int  // bytes on their way by it
	allow  int  // how many may be
	batch  int  // what it takes at once while it is alone
	piece  int  // and else
	again  bool // something is to be sent again
	unsent int  // bytes that were not sent yet
}

// take tells how many bytes the carrier takes at most; none if it must wait.
func (o offer) take() int {
	switch {
	case !o.again && o.unsent == 0:
		return 0
	case o.alone:
		return o.batch
	case o.slow, o.way >= o.allow:
		return 0
	case o.active, o.again, o.unsent >= o.piece:
		return o.piece
	}
	return 0
}

// takes is how many bytes the carrier may take now. The caller holds mu.
func (c *carrier) takes() int {
	if !c.used || c.stuck || len(c.flight.order) >= maxOrder {
		return 0
	}
	out := &c.line.out
	return offer{
		active: c.line.active == c, alone: c.line.several == 1,
		slow: c.line.several > 1 && c.meter.slow(time.Now()) && c.outpaced(),
		way:  c.flight.way(), allow: c.meter.allowance(), batch: c.batch, piece: c.meter.piece(out.buffer),
		again: len(out.again) > 0, unsent: out.unsent(),
	}.take()
}

// outpaced tells whether another carrier that takes its part is faster. The caller holds mu.
func (c *carrier) outpaced() bool {
	for _, other := range c.line.carriers {
		if other.used && !other.stuck && other.meter.rate > c.meter.rate {
			return true
		}
	}
	return false
}

// assign decides which carriers data goes by: the active one, and the fastest of those that may be used beside it, as many as are
// wanted. The caller holds mu.
func (l *Line) assign(now time.Time) {
	others := l.beside()
	slices.SortStableFunc(others, func(a, b *carrier) int { return cmp.Compare(b.meter.rate, a.meter.rate) })
	l.several = 0
	for _, c := range l.carriers {
		if c.used {
			c.used, c.usedAt = false, now
		}
	}
	if l.active == nil {
		return
	}
	for i, c := range append([]*carrier{l.active}, others...) {
		if i >= l.spread.want {
			break
		}
		c.used = true
		l.several++
	}
	if l.several == 1 {
		l.active.stuck = false // there is no other
	}
	if len(others) > 0 {
		l.watch()
	}
}

// beside is the carriers that may be used in addition to the active one. The caller holds mu.
func (l *Line) beside() []*carrier {
	var others []*carrier
	for _, c := range l.carriers {
		if l.active != nil && c != l.active && !c.doubtful && !c.leaving && c.besides(l.active) {
			others = append(others, c)
		}
	}
	return others
}

// full tells whether a carrier may not come beside or aside of those that are there. The caller holds mu.
func (l *Line) full(given Carrier) bool {
	beside, aside := 0, 0
	for _, c := range l.carriers {
		switch {
		case c.leaving || c.peerLeft:
		case c.Aside:
			aside++
		default:
			beside++
		}
	}
	return given.Beside && beside >= l.config.Spread || given.Aside && aside >= maxAside
}

// Shed puts down the carriers of which is tells so among those that are beside the one that is used first.
func (l *Line) Shed(is func(Carrier) bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	shed := false
	for _, c := range l.beside() {
		if is(c.Carrier) {
			c.leave()
			shed = true
		}
	}
	if shed && l.err == nil {
		l.assign(time.Now())
		l.wakeWriter()
	}
}

// besides tells whether c stays when best is sent by: both may be in use at once.
func (c *carrier) besides(best *carrier) bool {
	return (c.Beside || best.Beside) && c.Rank == best.Rank && !c.Aside && !c.peerLeft
}
