package choice

import (
	"time"
)

// isBad tells whether a direct path is so bad that others are worth looking at.
func (j *Judge) isBad(r Reading, t *track) bool {
	return t.rtt() > 0 && (t.lost() >= badLoss || tooFar(r, t.rtt()))
}

// isFar tells whether the last round trip by a direct path was too long, which calls for more of them.
func (j *Judge) isFar(r Reading, t *track) bool {
	return !t.relayed && len(t.rtts) > 0 && tooFar(r, t.rtts[len(t.rtts)-1])
}

// tooFar tells whether a round trip is so long that others may be shorter by far.
func tooFar(r Reading, rtt time.Duration) bool {
	if r.RelayRTT == 0 {
		return rtt > badAlone
	}
	return rtt > min(time.Duration(badFactor*float64(r.RelayRTT))+badBeyond, badEver)
}

// wins tells whether a cost is less than another by a factor and beyond.
func wins(cost, than time.Duration, factor float64, beyond time.Duration) bool {
	return cost > 0 && than > 0 && cost <= time.Duration(factor*float64(than)) && than-cost >= beyond
}

// recovered tells whether a direct path is good enough to be used again rather than the relay.
func recovered(direct, relay *track) bool {
	if direct.rtt() == 0 || relay.rtt() == 0 {
		return false
	}
	most := func(d time.Duration) time.Duration { return time.Duration(backFactor * float64(d)) }
	return direct.cost() <= most(relay.cost()) || direct.lost() < goodLoss && direct.rtt() <= most(relay.rtt())
}

// bestOf is the path that is better than the one in use by as much as it takes; zero: none.
func (j *Judge) bestOf(current *track) (best uint64) {
	var least time.Duration
	for id, t := range j.tracks {
		cost := t.cost()
		var is bool
		switch {
		case t == current:
		case current.relayed && t.relayed:
		case current.relayed:
			is = recovered(t, current)
		case t.relayed:
			is = wins(cost, current.cost(), relayFactor, relayBeyond)
		default:
			is = wins(cost, current.cost(), directFactor, directBeyond)
		}
		if is && t.relayed { // of two that are good enough the direct one, unless the relay is far better than that, too
			cost = time.Duration(float64(cost) / relayFactor)
		}
		if is && (best == 0 || cost < least || cost == least && id < best) {
			best, least = id, cost
		}
	}
	return best
}
