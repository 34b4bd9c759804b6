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
	// Queue is how many bytes may wait for Rate before packets are dropped; zero means what Rate
	// carries in 100 ms, at least 32 KiB.
	Queue int
}

// plain reports whether the link treats several segments in one packet like that many packets.
func (l *Link) plain() bool { return l.Loss == 0 && l.Rate == 0 }

func (l *Link) queue() int {
	if l.Queue > 0 {
		return l.Queue
	}
	return max(32<<10, int(l.Rate/8/10))
}

// A wire is one direction of a link: it remembers until when it is busy, and throws its dice.
type wire struct {
	mu   sync.Mutex
	dice *rand.Rand
	busy time.Duration // when the last packet accepted will have been sent
}

// pass returns when a packet of n bytes that comes at now is through the link's loss, rate and
// jitter, but not its delay. It reports false for a packet that is lost.
func (w *wire) pass(l *Link, n int, now time.Duration) (time.Duration, bool) {
	if l.plain() && l.Jitter == 0 {
		return now, true
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if l.Loss > 0 && w.dice.Float64() < l.Loss {
		return 0, false
	}
	if l.Rate > 0 {
		begin := max(now, w.busy)
		waiting := (begin - now).Seconds() * float64(l.Rate) / 8
		if int(waiting)+n > l.queue() {
			return 0, false
		}
		now = begin + time.Duration(float64(n)*8/float64(l.Rate)*float64(time.Second))
		w.busy = now
	}
	if l.Jitter > 0 {
		now += time.Duration(w.dice.Int64N(int64(l.Jitter)))
	}
	return now, true
}
