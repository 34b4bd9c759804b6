package natlab

import (
	"math/rand/v2"
	"sync"
	"time"
)

// A Link is how an attachment is connected to its network, the same in both directions. The zero
// value carries everything at once.
type Link struct {
	// Delay is the one-way delay. A packet between two attachments is delayed by both links, unless
	// SetDelay says otherwise.
	Delay time.Duration
	// Jitter is the most by which a packet is delayed on top of that, equally distributed. It does
	// not change the order of packets between two attachments, unless Reorder is set.
	Jitter  time.Duration
	Reorder bool
	// Loss is the probability that a packet is lost, 0 to 1, in each direction.
	Loss float64
	// Rate is in bits per second in each direction, headers counted from IP on; zero means no
	// limit.
	Rate int64
	// FlowRate is in bits per second for each flow in each direction by itself, as providers shape TCP
	// connections; zero means no limit. A flow is the packets of one protocol between two endpoints.
	// Segments that are one packet for the kernels stay so, and wait together. Flows overtake each
	// other, and with Jitter the packets of one do, too.
	FlowRate int64
	// Queue is how many bytes may wait for Rate, and those of each flow for FlowRate, before packets
	// are dropped; zero means what the rate carries in 100 ms, at least 32 KiB.
	Queue int
}

// plain reports whether the link treats several segments in one packet like that many packets.
func (l *Link) plain() bool { return l.Loss == 0 && l.Rate == 0 }

// shaped reports whether packets wait for a rate.
func (l *Link) shaped() bool { return l.Rate > 0 || l.FlowRate > 0 }

func (l *Link) queueFor(rate int64) int {
	if l.Queue > 0 {
		return l.Queue
	}
	return max(32<<10, int(rate/8/10))
}

// A wire is one direction of a link: it remembers until when it is busy, and throws its dice.
type wire struct {
	mu    sync.Mutex
	dice  *rand.Rand
	busy  time.Duration          // when the last packet accepted will have been sent
	lanes map[lane]time.Duration // and that of each flow, where those have a rate
}

// loses throws the dice for one packet.
func (w *wire) loses(probability float64) bool {
	if probability == 0 {
		return false
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.dice.Float64() < probability
}

// pass returns when a packet of n bytes of a flow that comes at now is through the link's loss, rate and
// jitter, but not its delay. It reports false for a packet that is lost.
func (w *wire) pass(l *Link, flow lane, n int, now time.Duration) (time.Duration, bool) {
	if l.plain() && l.Jitter == 0 && l.FlowRate == 0 {
		return now, true
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if l.Loss > 0 && w.dice.Float64() < l.Loss {
		return 0, false
	}
	if l.FlowRate > 0 {
		sent, ok := w.shape(l, flow, n, now)
		if !ok {
			return 0, false
		}
		now = sent
	}
	if l.Rate > 0 {
		begin := max(now, w.busy)
		if queued(begin-now, l.Rate)+n > l.queueFor(l.Rate) {
			return 0, false
		}
		now = begin + lasts(n, l.Rate)
		w.busy = now
	}
	if l.Jitter > 0 {
		now += time.Duration(w.dice.Int64N(int64(l.Jitter)))
	}
	return now, true
}
