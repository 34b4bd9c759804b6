package main

import (
	"bufio"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"time"
)

// A lossModel says how long a dial by crossing SYNs should take where packets are lost and late: the same exchange, with the kernel's
// timers. SYNs leave when a side is introduced and are sent again every second (Linux: tcp_syn_linear_timeouts), as is the SYN+ACK
// that answers one. What is lost on an open connection is sent again after a round trip and 200 ms, then after twice as much.
type lossModel struct {
	loss   float64
	jitter time.Duration
	dice   *rand.Rand
}

const (
	synTimer    = time.Second
	leastRTO    = 200 * time.Millisecond // beyond the round trip
	attemptTime = 6 * time.Second

	// Flights of TLS 1.3 with a hybrid key, and on the callee's side a certificate.
	helloSegments, answerSegments = 2, 2
)

// trip is how long a packet takes one way; false if it is lost.
func (m lossModel) trip(oneWay time.Duration) (time.Duration, bool) {
	if m.dice.Float64() < m.loss {
		return 0, false
	}
	if half := int64(m.jitter / 2); half > 0 { // of each of the two links
		oneWay += time.Duration(m.dice.Int64N(half) + m.dice.Int64N(half))
	}
	return oneWay, true
}

// flight is how long it takes until all of some segments on an open connection are there.
func (m lossModel) flight(oneWay time.Duration, segments int) (whole time.Duration) {
	for range segments {
		var waited time.Duration
		for timeout := 2*oneWay + leastRTO; ; timeout *= 2 {
			if d, ok := m.trip(oneWay); ok {
				whole = max(whole, waited+d)
				break
			}
			waited += timeout
		}
	}
	return whole
}

// dial is one dial's time to the first protected byte; false if the attempt ends before.
func (m lossModel) dial() (time.Duration, bool) {
	asked := m.flight(delayDialer, 1)
	dialer, callee := asked+m.flight(delayDialer, 1), asked+m.flight(delayCallee, 1)
	up, ok := m.cross([2]time.Duration{dialer, callee})
	if !ok {
		return 0, false
	}
	hello := max(up[0]+m.flight(delayPair, helloSegments), up[1])
	return hello + m.flight(delayPair, answerSegments), true
}

// States of TCP (RFC 9293, section 3.3.2), and its segments.
const (
	listening = iota // not begun: the NAT drops what comes
	synSent
	synReceived
	established

	segSYN = iota
	segSYNACK
	segACK
	segTimer // no segment: the retransmission timer
)

// A happening is a segment that arrives at a side, or its timer.
type happening struct {
	at   time.Duration
	side int
	what int
}

// cross is when TCP is up on each side, if each sends its first SYN at the given time; false if it is not in time.
func (m lossModel) cross(start [2]time.Duration) (up [2]time.Duration, ok bool) {
	var state [2]int
	queue := []happening{{start[0], 0, segTimer}, {start[1], 1, segTimer}}
	deadline := max(start[0], start[1]) + attemptTime
	for len(queue) > 0 && (state[0] != established || state[1] != established) {
		next := 0
		for i := range queue {
			if queue[i].at < queue[next].at {
				next = i
			}
		}
		h := queue[next]
		queue = slices.Delete(queue, next, next+1)
		if h.at > deadline {
			return up, false
		}
		send := func(what int) {
			if d, there := m.trip(delayPair); there {
				queue = append(queue, happening{h.at + d, 1 - h.side, what})
			}
		}
		was := state[h.side]
		switch {
		case h.what == segTimer && was == established, h.what != segTimer && was == listening:
			continue
		case h.what == segTimer:
			state[h.side] = max(was, synSent)
			send(map[bool]int{true: segSYNACK, false: segSYN}[was == synReceived])
			queue = append(queue, happening{h.at + synTimer, h.side, segTimer})
		case h.what == segSYN && was == synSent:
			state[h.side] = synReceived
			send(segSYNACK)
		case h.what == segSYN, h.what == segSYNACK && was == established:
			send(segACK)
		case h.what == segSYNACK:
			state[h.side] = established
			send(segACK)
		case was == synReceived:
			state[h.side] = established
		}
		if was != established && state[h.side] == established {
			up[h.side] = h.at
		}
	}
	return up, state[0] == established && state[1] == established
}

// spread is how times are distributed, in shares of all dials.
type spread struct {
	Median, P90, P99          float64 // ms
	Fast, Second, Two, Slower float64 // below 0.5 s, 1.5 s, 2.5 s, and beyond
	None                      float64
}

func spreadOf(times []float64, failed int) spread {
	var s spread
	all := float64(len(times) + failed)
	if all == 0 {
		return s
	}
	sorted := slices.Sorted(slices.Values(times))
	at := func(q float64) float64 {
		if len(sorted) == 0 {
			return 0
		}
		return sorted[min(len(sorted)-1, int(q*float64(len(sorted))))]
	}
	s.Median, s.P90, s.P99 = at(0.5), at(0.9), at(0.99)
	for _, t := range sorted {
		switch {
		case t < 500:
			s.Fast += 1 / all
		case t < 1500:
			s.Second += 1 / all
		case t < 2500:
			s.Two += 1 / all
		default:
			s.Slower += 1 / all
		}
	}
	s.None = float64(failed) / all
	return s
}

func (s spread) row(name string) string {
	return fmt.Sprintf("| %s | %.0f | %.0f | %.0f | %.1f %% | %.1f %% | %.1f %% | %.1f %% | %.1f %% |\n", name, s.Median, s.P90, s.P99,
		100*s.Fast, 100*s.Second, 100*s.Two, 100*s.Slower, 100*s.None)
}

// writeLoss writes what the model expects, beside what was measured over all pairs that need no guess and whose SYNs cross.
func (r *report) writeLoss(w io.Writer, o options) error {
	m := lossModel{o.Loss, o.Jitter, rand.New(rand.NewPCG(1, 2))}
	var expected, measured []float64
	var missed, failed, moved int
	for range 20_000 {
		if d, ok := m.dial(); ok {
			expected = append(expected, ms(d))
		} else {
			missed++
		}
	}
	for _, p := range r.pairs {
		if t := p.theory(); t.Prospect != certain || t.Floor != floorOut {
			continue
		}
		for _, one := range r.byPair[p.String()] {
			switch {
			case one.Marked:
			case one.Path == "direct":
				measured = append(measured, one.FirstMS)
			default:
				failed++
				if one.MovedMS > 0 {
					moved++
				}
			}
		}
	}
	b := bufio.NewWriter(w)
	fmt.Fprintf(b, "\nTime to a direct path at a loss of %.1f %% and a jitter of up to %v on every path, %d dials between pairs with a floor of %v:\n\n",
		100*o.Loss, o.Jitter, len(measured)+failed, floorOut)
	fmt.Fprintln(b, "| | median, ms | 90 % | 99 % | below 0.5 s | 0.5-1.5 s | 1.5-2.5 s | later | not direct |")
	fmt.Fprintln(b, "|---|---|---|---|---|---|---|---|---|")
	fmt.Fprint(b, spreadOf(expected, missed).row("model, 20,000 dials"), spreadOf(measured, failed).row("measured"))
	if moved > 0 {
		fmt.Fprintf(b, "\nOf the %d that were not direct at first %d moved to a direct path, within 45 s of the dial.\n", failed, moved)
	}
	return b.Flush()
}
