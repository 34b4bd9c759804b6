package rendezvous

import (
	"time"

	"github.com/bodkin-p2p/bodkin/internal/natbehavior"
	"github.com/bodkin-p2p/bodkin/internal/wire"
)

// A Registration is what a node tells the server of itself.
type Registration struct {
	Sealed    []byte // the profile, sealed for the room
	NameTag   [wire.NameTagLen]byte
	Primary   bool // reachable by others; false: this connection only dials
	PortReuse PortReuse
	Samples   bool   // the node answers ClientConfig.SampleAsked with a Sample, and takes part in rounds that need one
	Software  string // for the server's operator, at most 64 printable bytes
	Relay     RelayPolicy
	Search    bool // this node takes part in a search among random ports
}

// RelayPolicy is what a node wants of the relay, in the attempts of others too.
type RelayPolicy uint8

// The policies.
const (
	RelayAuto   RelayPolicy = 0 // where there is no direct path in time
	RelayNever  RelayPolicy = 1
	RelayAlways RelayPolicy = 2 // at once; nobody is told this node's addresses
)

// PortReuse is what the node's own check of its port found.
type PortReuse uint8

// What a check may find.
const (
	PortReuseUnknown PortReuse = iota // not checked
	PortReuseWorks
	PortReuseBroken
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
		Behavior: BehaviorMessage(behaves.IPv4, now), Behavior6: BehaviorMessage(behaves.IPv6, now)}}}
}
