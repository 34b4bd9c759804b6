package server

import (
	"bytes"
	"net/netip"
	"strconv"
	"time"

	"github.com/bodkin-p2p/bodkin/internal/natbehavior"
	"github.com/bodkin-p2p/bodkin/internal/rounds"
	"github.com/bodkin-p2p/bodkin/internal/wire"
)

// sampleTimeout is how long a round waits for samples: a connection of the nodes to this server, with one lost segment's time on a
// short way. Without them it begins all the same, and does what can be done.
const sampleTimeout = 700 * time.Millisecond

// beginLocked begins with the first round. The dialer may be sampling already.
func (a *attempt) beginLocked(isSampling bool) {
	for i := range a.ends {
		e := &a.ends[i]
		e.rtt = e.conn.measuredRTT()
		e.samples = e.conn.room.answersSample(e.conn)
	}
	a.prepareLocked(1, false, isSampling)
}

// sideLocked is what the plan may know of an end. What its peer's SYNs have met counts more than what it measured.
func (a *attempt) sideLocked(i int) rounds.Side {
	c := a.ends[i].conn
	v4, v6 := c.room.behavior(c)
	b := v4
	if c.remote.Addr().Is6() {
		b = v6
	}
	s := rounds.Side{RTT: a.ends[i].rtt, Mapped: c.room.isMapped(c), Report: reported(b)}
	if a.ends[1-i].rejected {
		s.Unsolicited = natbehavior.Reset
	}
	return s
}

// reported is what a plan needs of a behavior. Values from a newer version fit no case of the plan, and so count as unknown.
func reported(b *wire.Behavior) natbehavior.Report {
	return natbehavior.Report{
		Mapping:     natbehavior.Dependence(b.GetMapping()),
		Filtering:   natbehavior.Dependence(b.GetFiltering()),
		Unsolicited: natbehavior.Answer(b.GetUnsolicited()),
		Allocation:  natbehavior.Allocation(b.GetAllocation()),
		Delta:       int(b.GetDelta()),
		Rate:        int(b.GetRate()),
		BlockFirst:  uint16(b.GetBlockFirst()),
		BlockLast:   uint16(b.GetBlockLast()),
		Pooling:     natbehavior.Pooling(b.GetPooling()),
		Search:      b.GetSearch(),
		Proxied:     b.GetProxied(),
	}
}

// prepareLocked begins a round once the samples that it needs are there. A round from new ports needs one of both sides. The plan is made
// anew each time, since nodes measure their networks while they dial.
func (a *attempt) prepareLocked(number int, failed, isSampling bool) {
	a.plan = rounds.Plan(a.sideLocked(0), a.sideLocked(1))
	r := rounds.At(a.plan, number, failed, a.ends[0].busy || a.ends[1].busy)
	if a.relayed {
		a.plan, r = nil, rounds.Round{Way: rounds.Crossing}
	}
	r.Fresh = (r.Fresh || a.beside && !a.relayed) && a.ends[0].samples && a.ends[1].samples
	a.prepared = &r
	for i, part := range []rounds.Part{r.Dialer, r.Callee} {
		e := &a.ends[i]
		e.sampled, e.fresh = netip.AddrPort{}, netip.AddrPort{}
		e.awaited = e.samples && (part.Sample || r.Fresh)
		if e.awaited && !(isSampling && i == 0 && !r.Fresh) {
			e.conn.sendMessage(&wire.ServerMessage{Body: &wire.ServerMessage_Sample{Sample: &wire.Sample{Attempt: a.id[:], Keep: r.Fresh}}})
		}
	}
	if !a.ends[0].awaited && !a.ends[1].awaited {
		a.startRoundLocked()
		return
	}
	a.setNextLocked(sampleTimeout)
}

// startRoundLocked sends the introductions of the prepared round to both sides in the same tick: both are made before one is sent.
func (a *attempt) startRoundLocked() {
	r := *a.prepared
	a.prepared, a.nextAt = nil, time.Time{}
	if a.beside && r.Fresh && !(a.ends[0].sampled.IsValid() && a.ends[1].sampled.IsValid()) {
		a.endLocked("no_sample", wire.AttemptOver_REASON_PEER_GONE, nil) // one of the two is not there: its way here may have died, too
		return
	}
	if a.round == 0 {
		a.endsAt = time.Now().Add(attemptTimeout)
	}
	a.round++
	dialer, callee := &a.ends[0], &a.ends[1]
	hasFresh := r.Fresh && dialer.sampled.IsValid() && callee.sampled.IsValid()
	for i := range a.ends {
		e := &a.ends[i]
		e.failed, e.late, e.awaited = failedNot, false, false
		e.rtt = e.conn.measuredRTT()
		if hasFresh {
			e.fresh = e.sampled
		}
	}
	if r.Fresh && !hasFresh {
		r = rounds.Round{Way: rounds.Crossing}
	}
	dialerDelay, calleeDelay := r.Delays(a.round, a.sideLocked(0), a.sideLocked(1))
	toDialer, toCallee := a.introductionLocked(dialer, dialerDelay), a.introductionLocked(callee, calleeDelay)

	a.began = time.Now()
	callee.conn.send(toCallee)
	a.all.server.metrics.skew.Observe(time.Since(a.began).Seconds())
	dialer.conn.send(toDialer)
	a.answerAlsoLocked()
	count(a.all.server.metrics.rounds, strconv.Itoa(a.round))
	a.timer.Reset(time.Until(a.endsAt))
	if a.round < len(a.plan) && dialer.samples && callee.samples { // else one of them takes no part in what the plan has next
		wait := patience(dialer.rtt, callee.rtt) + max(dialerDelay, calleeDelay)
		if a.round == 2 && a.plan[2].Way == rounds.Staggered {
			wait = max(wait, lateSide) // the last round is kept for what may fail, or be found, meanwhile
		}
		a.setNextLocked(wait)
		a.isQuiet = true
	}
}

// answerAlsoLocked gives the introduction to those who dialled again while samples were awaited.
func (a *attempt) answerAlsoLocked() {
	for i := range a.ends {
		e := &a.ends[i]
		for _, e.request = range e.also {
			e.conn.send(a.introductionLocked(e, 0))
		}
		e.also = nil
	}
}

// setNextLocked has the timer begin the next round, or the one that is prepared.
func (a *attempt) setNextLocked(wait time.Duration) {
	a.nextAt, a.isQuiet = time.Now().Add(wait), false
	a.timer.Reset(min(wait, time.Until(a.endsAt)))
}

// considerLocked does what the reports call for.
func (a *attempt) considerLocked() {
	if a.prepared != nil {
		return // the next round is on its way already
	}
	wait, due := nextRound(a.round, time.Since(a.began), a.ends[0].side, a.ends[1].side)
	switch {
	case !due:
	case wait == 0:
		a.nextLocked(true)
	case a.nextAt.IsZero() || a.isQuiet || time.Now().Add(wait).Before(a.nextAt):
		a.setNextLocked(wait)
	}
}

// nextLocked begins the next round, or tells that there is none.
func (a *attempt) nextLocked(failed bool) {
	switch {
	case a.prepared != nil, a.relayed:
	case a.round == wire.MaxRounds:
		a.endLocked("rounds", wire.AttemptOver_REASON_ROUNDS, nil)
	default:
		a.prepareLocked(a.round+1, failed, false)
	}
}

// fire is called by the timer.
func (a *attempt) fire() {
	a.mu.Lock()
	defer a.mu.Unlock()
	switch now := time.Now(); {
	case a.over:
	case a.nextAt.IsZero() || !now.Before(a.endsAt):
		a.endLocked("timeout", wire.AttemptOver_REASON_ROUNDS, nil)
	case now.Before(a.nextAt): // was put off as the timer went
		a.timer.Reset(time.Until(a.nextAt))
	case a.prepared != nil:
		a.startRoundLocked()
	default:
		a.nextLocked(!a.isQuiet)
	}
}

// sampled notes the mapping of a new port of c, for the attempt that it names; the zero one is for every attempt that waits for a sample
// of c, and no attempt for none: the node measures.
func (s *attempts) sampled(c *conn, attempt []byte, seen netip.AddrPort) {
	if len(attempt) == 0 {
		return
	}
	var anybody wire.AttemptID
	for _, a := range s.of(c) {
		a.mu.Lock()
		e := a.endOfLocked(c)
		isMeant := bytes.Equal(attempt, a.id[:]) || bytes.Equal(attempt, anybody[:]) && a.prepared != nil && !a.prepared.Fresh
		if !a.over && a.prepared != nil && isMeant && e != nil && e.awaited {
			e.sampled, e.awaited = seen, false
			if !a.ends[0].awaited && !a.ends[1].awaited {
				a.startRoundLocked()
			}
		}
		a.mu.Unlock()
	}
}

// measuredRTT is the round trip to the node, zero if it is not known.
func (c *conn) measuredRTT() time.Duration { return time.Duration(c.rtt.Load()) * time.Microsecond }

func endpointOf(addr netip.AddrPort) *wire.Endpoint {
	if !addr.IsValid() {
		return nil
	}
	return wire.NewEndpoint(addr)
}
