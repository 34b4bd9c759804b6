package rendezvous

import (
	"math"
	"time"

	"github.com/bodkin-p2p/bodkin/internal/natbehavior"
	"github.com/bodkin-p2p/bodkin/internal/wire"
)

// BehaviorMessage is r as it is sent at a time, nil if it says nothing.
func BehaviorMessage(r natbehavior.Report, now time.Time) *wire.Behavior {
	if r == (natbehavior.Report{}) {
		return nil
	}
	b := &wire.Behavior{
		Mapping:     wire.Dependence(r.Mapping),
		Filtering:   wire.Dependence(r.Filtering),
		Unsolicited: wire.UnsolicitedAnswer(r.Unsolicited),
		Allocation:  wire.PortAllocation(r.Allocation),
		Delta:       int32(min(max(r.Delta, -wire.MaxDelta), wire.MaxDelta)),
		Rate:        uint32(min(max(r.Rate, 0), wire.MaxRate)),
		Pooling:     wire.PortPooling(r.Pooling),
		Hairpin:     wire.Ternary(r.Hairpin),
		LifetimeS:   uint32(min(max(r.Lifetime/time.Second, 0), wire.MaxLifetime)),
		Proxied:     r.Proxied,
		Search:      r.Search,
	}
	if r.BlockFirst <= r.BlockLast {
		b.BlockFirst, b.BlockLast = uint32(r.BlockFirst), uint32(r.BlockLast)
	}
	if r.Last.IsValid() && r.Last.Port() != 0 {
		b.Last, b.LastAgeMs = wire.NewEndpoint(r.Last), milliseconds(now.Sub(r.LastAt))
	}
	return b
}

// BehaviorReport is what b says, which was received at a time and may be nil. What this version has no word for is unknown.
func BehaviorReport(b *wire.Behavior, received time.Time) natbehavior.Report {
	if b == nil {
		return natbehavior.Report{}
	}
	r := natbehavior.Report{
		Mapping:     known(b.Mapping, natbehavior.AddressAndPortDependent),
		Filtering:   known(b.Filtering, natbehavior.AddressAndPortDependent),
		Unsolicited: known(b.Unsolicited, natbehavior.ICMP),
		Allocation:  known(b.Allocation, natbehavior.Random),
		Delta:       int(b.Delta),
		Rate:        int(b.Rate),
		BlockFirst:  uint16(b.BlockFirst),
		BlockLast:   uint16(b.BlockLast),
		Last:        b.Last.AddrPort(),
		Pooling:     known(b.Pooling, natbehavior.Arbitrary),
		Hairpin:     known(b.Hairpin, natbehavior.No),
		Lifetime:    time.Duration(b.LifetimeS) * time.Second,
		Proxied:     b.Proxied,
		Search:      b.Search,
	}
	if r.Last.IsValid() {
		r.LastAt = received.Add(-time.Duration(b.LastAgeMs) * time.Millisecond)
	}
	return r
}

// known is value as the type of last, the greatest that there is of it; zero if it is none of them.
func known[E ~int32, T ~uint8](value E, last T) T {
	if value < 0 || value > E(last) {
		return 0
	}
	return T(value)
}

// milliseconds is d as a field of a message.
func milliseconds(d time.Duration) uint32 {
	return uint32(min(max(d.Milliseconds(), 0), math.MaxUint32))
}
