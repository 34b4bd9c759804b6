package rendezvous

import (
	"net/netip"
	"time"

	"github.com/bodkin-p2p/bodkin/internal/identity"
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

// Role is a node's part in an attempt, and its TLS role on every connection of it.
type Role uint8

// The two roles.
const (
	Dialer Role = 1 // TLS client; nominates
	Callee Role = 2 // TLS server
)

func (r Role) String() string {
	if r == Dialer {
		return "dialer"
	}
	return "callee"
}

// An Introduction starts one round of an attempt to connect to Peer, which gets its own in the same tick.
type Introduction struct {
	Attempt  wire.AttemptID
	Request  uint64 // of the Introduce that it answers, if any
	Round    int    // 1..3
	Role     Role
	Peer     identity.NodeID
	Sealed   []byte // the peer's profile
	NameTag  [wire.NameTagLen]byte
	Observed []netip.AddrPort    // where the server sees the peer, newest first, at most 4; none: it is not to be dialled
	Mapped   []netip.AddrPort    // where the server has proven that a gateway forwards to the peer, at most 2
	Received time.Time           // when it came; Delay counts from here, and Deadline from round 1's
	Delay    time.Duration       // to wait before the first SYN, at most 1 s
	Deadline time.Duration       // of the whole attempt, at most 10 s
	Relay    *RelayOffer         // nil: no relay
	Behavior natbehavior.Reports // how the peer's networks treat TCP, as the peer measured it: a claim

	Sample netip.AddrPort // the newest mapping of the peer's network, seen just now; zero: none was asked for
	Beside bool           // the two have a connection, which stays as it is: another is wanted beside it
	Fresh  netip.AddrPort // this round leaves from the port of the last Sample, to here; zero: from the usual port

	Relayed bool // only a relayed connection is wanted, to be compared with one that the two have

	Returning bool   // with Relayed: at once, in the place of one that is late
	Kept      []byte // a token for the relay, for later, of the attempt's Kept; nil: none
}

// A RelayOffer lets this node open one relayed connection, to the server's main port.
type RelayOffer struct {
	Token     []byte
	HeadStart time.Duration // of a direct connection, counted from Received; at most 2 s
	RTT       time.Duration // both sides' round trips to the server together, at most 2 s; zero: unknown
}

// Carrier is what an attempt ended with.
type Carrier uint8

// The carriers.
const (
	NoCarrier Carrier = iota
	DirectCarrier
	RelayedCarrier
)

// A Failure is an endpoint from which something came that another SYN now would not change.
type Failure struct {
	Remote netip.AddrPort
	Kind   FailureKind
}

// FailureKind is what came back.
type FailureKind uint8

// What may come back. The first three make the server start another round.
const (
	FailureRefused     FailureKind = 1 // RST
	FailureUnreachable FailureKind = 2 // ICMP
	FailureTupleBusy   FailureKind = 3 // an earlier connection holds the local 4-tuple
	FailureUnverified  FailureKind = 4 // connected, but not to the peer
	FailureOther       FailureKind = 5
)

// OverReason is why the server starts no further round.
type OverReason uint8

// The reasons.
const (
	OverRounds       OverReason = 1 // all rounds or all time used
	OverPeerGone     OverReason = 2 // the peer left the server
	OverPeerFinished OverReason = 3 // the peer gave up
)

func (r OverReason) String() string {
	switch r {
	case OverRounds:
		return "all rounds used"
	case OverPeerGone:
		return "peer left"
	case OverPeerFinished:
		return "peer gave up"
	}
	return "unknown reason"
}

// State is what a Client knows of its connection.
type State struct {
	Connected bool      // registered now; the rest is of the latest registration
	Since     time.Time // when its connection was begun
	Server    string    // as configured
	Proxied   bool      // through a proxy: Remote is zero, and Observed is the proxy's
	Remote    netip.AddrPort
	Local     netip.AddrPort
	Observed  netip.AddrPort // this node as the server sees it on the main connection
	RTT       time.Duration  // to the server; zero: not measured yet
	Holes     []Observation

	// How the networks between node and server treat TCP, and what that was read off.
	Behavior   natbehavior.Reports
	IPv4, IPv6 natbehavior.Evidence
	Measured   bool // all of it, but for the lifetime

	Mapped netip.AddrPort // where a gateway forwards to this node, as SetMapped was told; zero: nowhere
	Proof  Proof          // what the server says of it
}

// An Observation is what a hole connection showed.
type Observation struct {
	Server netip.AddrPort // where it went
	Seen   netip.AddrPort // where it came from, as the server saw it
}

// A Target is whom to be introduced to.
type Target struct {
	node identity.NodeID
	name *[wire.NameTagLen]byte // nil: by node

	directOnly bool
	sampling   bool
	beside     bool
	relayed    bool
	returning  bool
}

// DirectOnly is the target for an attempt without the relay.
func (t Target) DirectOnly() Target {
	t.directOnly = true
	return t
}

// Sampling is the target for an attempt before which the node shows a Sample by itself, at the same time.
func (t Target) Sampling() Target {
	t.sampling = true
	return t
}

// Beside is the target for an attempt that makes a connection beside one that the two have, from new ports on both sides.
func (t Target) Beside() Target {
	t.beside = true
	return t
}

// Relayed is the target for an attempt that makes a relayed connection beside one that the two have, and no other.
func (t Target) Relayed() Target {
	t.relayed, t.beside = true, true // for a server that knows only the latter
	return t
}

// Returning is the target for a relayed connection at once, in the place of one that is late. Another attempt between the two may run beside it.
func (t Target) Returning() Target {
	t = t.Relayed()
	t.returning = true
	return t
}

// IsBeside tells whether it is one of Beside.
func (t Target) IsBeside() bool { return t.beside }

// ByNode is the node of that id.
func ByNode(id identity.NodeID) Target { return Target{node: id} }

// ByNameTag is the node that holds the name of that tag.
func ByNameTag(tag [wire.NameTagLen]byte) Target { return Target{name: &tag} }
