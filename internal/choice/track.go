package choice

import (
	"fmt"
	"math"
	"slices"
	"time"
)

const (
	// window is over how many readings a round trip is taken: their median counts.
	window = 5
	// cleanLoss is the share of repeated packets that costs nothing; beyond, TCP's throughput falls with the square root of the loss
	// (Mathis et al., 1997), and so the cost of a path rises.
	cleanLoss = 0.002
	// memory is over how many packets a loss is taken; of a path that is not used any more over unused, so that pings show what it is like now.
	memory = 2000
	unused = 300
	// Where the kernel tells nothing a ping counts as a packet, and one that took lateBy more than the least as one that was sent again, there
	// or back.
	lateBy = 150 * time.Millisecond
)

// A Loss is the share of the packets on a path that had to be sent again.
type Loss struct{ sent, again float64 } // the older ones count less

// Note takes in so many packets, of which some were sent again.
func (l *Loss) Note(sent, again float64) {
	l.sent += sent
	l.again += min(again, sent)
	l.fade(memory)
}

func (l *Loss) fade(to float64) {
	if l.sent > to {
		l.again *= to / l.sent
		l.sent = to
	}
}

// Share is how much of what is sent is lost at least: a few losses in a row are not taken for a rule.
func (l Loss) Share() float64 {
	if l.sent == 0 {
		return 0
	}
	return max(0, l.again-2*math.Sqrt(l.again)) / l.sent
}

// A track is what is known of one path over time.
type track struct {
	relayed bool
	since   time.Time
	rtts    []time.Duration // the newest last, at most window
	least   time.Duration
	loss    Loss
	peer    float64 // the share that the peer had to repeat
	seen    bool    // in this reading
}

// note takes in a reading.
func (t *track) note(p Path) {
	t.seen, t.peer = true, p.PeerLoss
	if p.RTT > 0 {
		if t.rtts = append(t.rtts, p.RTT); len(t.rtts) > window {
			t.rtts = t.rtts[1:]
		}
		if t.least == 0 || p.RTT < t.least {
			t.least = p.RTT
		}
	}
	switch {
	case p.Known:
		t.loss.Note(float64(p.Sent), float64(p.Repeated))
	case p.RTT > t.least+lateBy:
		t.loss.Note(1, 0.5)
	case p.RTT > 0:
		t.loss.Note(1, 0)
	}
	if !p.InUse {
		t.loss.fade(unused)
	}
}

// rtt is the median of the newest round trips; zero until there are three.
func (t *track) rtt() time.Duration {
	if len(t.rtts) < 3 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(t.rtts))
	return sorted[len(sorted)/2]
}

// lost is the loss in the worse direction.
func (t *track) lost() float64 { return max(t.loss.Share(), t.peer) }

// cost is the round trip, made longer by loss as TCP's throughput is made less; zero if not known.
func (t *track) cost() time.Duration {
	return time.Duration(float64(t.rtt()) * math.Sqrt(max(1, t.lost()/cleanLoss)))
}

// fault is what is wrong with a path.
func (t *track) fault() string {
	if lost := t.lost(); lost >= badLoss {
		return fmt.Sprintf("direct path loses %.0f %%", 100*lost)
	}
	return fmt.Sprintf("direct path takes %v", t.rtt().Round(time.Millisecond))
}
