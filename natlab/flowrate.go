package natlab

import (
	"net/netip"
	"time"
)

// maxLanes bounds how many flows one direction of a link remembers.
const maxLanes = 4096

// A lane is one flow in one direction, as a shaper tells flows apart.
type lane struct {
	src, dst netip.AddrPort
	protocol protocol
}

// lane is that of a packet, where the link has a rate for each.
func (l *Link) lane(p *packet) lane {
	if l.FlowRate == 0 {
		return lane{}
	}
	return lane{p.src(), p.dst(), p.protocol}
}

// shape returns when a packet of n bytes that comes at now has been sent at the rate of its flow, behind those of the same
// flow that wait. It reports false if they are too many. The caller holds the wire's lock.
func (w *wire) shape(l *Link, flow lane, n int, now time.Duration) (time.Duration, bool) {
	if len(w.lanes) >= maxLanes {
		for other, busy := range w.lanes {
			if busy <= now {
				delete(w.lanes, other)
			}
		}
	}
	begin := max(now, w.lanes[flow])
	if queued(begin-now, l.FlowRate)+n > l.queueFor(l.FlowRate) {
		return 0, false
	}
	if w.lanes == nil {
		w.lanes = map[lane]time.Duration{}
	}
	w.lanes[flow] = begin + lasts(n, l.FlowRate)
	return w.lanes[flow], true
}

// queued is how many bytes a rate takes some time for.
func queued(wait time.Duration, rate int64) int { return int(wait.Seconds() * float64(rate) / 8) }

// lasts is how long n bytes take at a rate.
func lasts(n int, rate int64) time.Duration {
	return time.Duration(float64(n) * 8 / float64(rate) * float64(time.Second))
}
