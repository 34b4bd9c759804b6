package rounds

import (
	"time"

	"github.com/bodkin-p2p/bodkin/internal/natbehavior"
)

// Certainty is how surely one more connection opens between a new port of one side and the usual port of the other, with nobody there
// to see the mapping of the new port.
type Certainty uint8

// The certainties.
const (
	Hopeless Certainty = iota // the side that stays has another mapping for each remote endpoint, which nobody knows
	Blind                     // nobody can tell where the new port is mapped, but somebody may see it
	Foretold                  // the network keeps port numbers, so the mapping can be told in advance
	Sure                      // the side that stays lets the new port in, wherever that is mapped
)

// Fresh is the certainty if one side leaves from a new port and the other stays at its usual one.
func Fresh(leaves, stays Side) Certainty {
	switch {
	case stays.IsOpen():
		return Sure
	case stays.Mapping.IsEndpointDependent(), stays.Proxied, leaves.Proxied:
		return Hopeless
	case stays.Filtering == natbehavior.AddressDependent: // it has sent to the other's address
		return Sure
	case leaves.Mapping == natbehavior.None, leaves.Allocation == natbehavior.Preserving, leaves.Allocation == natbehavior.AllocationUnknown:
		return Foretold // of what is not known at all the usual is hoped
	case leaves.Mapping.IsEndpointDependent():
		return Hopeless
	}
	return Blind
}

// AskedDelay is how long the side that was asked for one more connection waits after its reply before its first SYN, if question and
// reply take rtt together. The asker begins when the reply comes: half of rtt later, so that both SYNs leave at the same time, and each
// arrives after the other's has left. A side whose network rejects what is early goes first.
func AskedDelay(rtt time.Duration, asker, asked Side) time.Duration {
	together := min(max(rtt, 0)/2, maxWait)
	switch {
	case asker.rejects() && !asked.rejects():
		return together + lead
	case asked.rejects() && !asker.rejects():
		return 0
	}
	return together
}
