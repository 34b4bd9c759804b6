package rendezvous

import (
	"math"
	"time"

	"github.com/bodkin-p2p/bodkin/internal/natbehavior"
	"github.com/bodkin-p2p/bodkin/internal/wire"
)

// registerAgain tells the server of a new profile.
func (s *mainConn) registerAgain(r Registration) {
	s.registering.Lock()
	defer s.registering.Unlock()
	s.told = r
	s.send(r.message(s.proxied, s.client.State().Behavior))
}

// registerBehavior tells the server how the networks behave, with the profile as it was sealed before: nobody in the room is told of that.
func (s *mainConn) registerBehavior() {
	s.registering.Lock()
	defer s.registering.Unlock()
	s.send(s.told.message(s.proxied, s.client.State().Behavior))
}

// message is r as it is sent.
func (r Registration) message(proxied bool, behaves natbehavior.Reports) *wire.ClientMessage {
	now := time.Now()
	behaves.IPv4.Search, behaves.IPv6.Search = r.Search, r.Search
	return &wire.ClientMessage{Body: &wire.ClientMessage_Register{Register: &wire.Register{
		Version: wire.Version, SealedProfile: r.Sealed, NameTag: r.NameTag[:], Primary: r.Primary,
		PortReuse: wire.PortReuse(r.PortReuse), Software: r.Software,
		Relay: wire.RelayPolicy(r.Relay), Proxied: proxied, Samples: r.Samples && !proxied,
		Behavior: behavior(behaves.IPv4, now), Behavior6: behavior(behaves.IPv6, now)}}}
}

// BehaviorMessage is r as it is sent at a time, nil if it says nothing. It is for nodes that tell each other.
func BehaviorMessage(r natbehavior.Report, now time.Time) *wire.Behavior { return behavior(r, now) }

// BehaviorReport is what b says, which was received at a time and may be nil. What this version has no word for is unknown.
func BehaviorReport(b *wire.Behavior, received time.Time) natbehavior.Report {
	return report(b, received)
}

// behavior is r as it is sent at a time, nil if it says nothing.
func behavior(r natbehavior.Report, now time.Time) *wire.Behavior {
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

// report is what b says, which was received at a time. What this version has no word for is unknown.
func report(b *wire.Behavior, received time.Time) natbehavior.Report {
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
