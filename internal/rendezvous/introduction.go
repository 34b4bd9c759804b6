package rendezvous

import (
	"net/netip"
	"time"

	"github.com/bodkin-p2p/bodkin/internal/identity"
	"github.com/bodkin-p2p/bodkin/internal/natbehavior"
	"github.com/bodkin-p2p/bodkin/internal/wire"
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
