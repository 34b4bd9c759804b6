// Package wire is every message of Bodkin: its types (bodkin.proto), framing, limits, and the clear preface of a
// connection between nodes. It is pure: no sockets, no clock. docs/protocol.md tells the flows.
//
// A frame is a protobuf message behind its length (an unsigned varint). The length of a frame is at most [MaxFrame].
//
// Unknown fields and unknown messages (a nil Body) are passed over, so that a newer version may add some; what is
// known must keep the limits of bodkin.proto, which [Decode] and [Read] enforce.
package wire

import "crypto/sha256"

//go:generate go -C gen run .

// Version is the protocol version that this package speaks. The two ends of a main connection must agree on it.
const Version = 1

// Limits of messages, in bytes unless said otherwise.
const (
	MaxFrame         = 8 << 10 // a whole frame without its length; the largest legal message is below 4 KiB
	MaxSealedProfile = 2 << 10
	MaxCandidates    = 16 // in a profile
	MaxObserved      = 4  // endpoints in an introduction
	MaxMapped        = 2  // as well
	MaxHolePorts     = 8
	MaxDialBacks     = 4  // tries in an answer
	MaxFailures      = 16 // in a report
	MaxName          = 63 // of a node, as a DNS label
	MaxService       = 128
	MaxText          = 256 // of a reason for people
	MaxSoftware      = 64
	MaxRounds        = 3 // in an attempt

	// MaxDelayMicros bounds Introduction.delay_us, MaxDeadlineMillis its deadline_ms, so that no server can keep a
	// node's sockets waiting.
	MaxDelayMicros    = 1_000_000
	MaxDeadlineMillis = 10_000

	// MaxHeadStartMicros bounds RelayOffer.head_start_us: a server may not keep a node from the relay until it gives up.
	MaxHeadStartMicros = 2_000_000

	// MaxRTTMicros bounds the round trips that nodes tell each other, half of which they wait before the first SYN of an attempt.
	MaxRTTMicros = 2_000_000

	MaxDelta    = 4096    // of Behavior.delta, either way
	MaxRate     = 100_000 // of Behavior.rate
	MaxLifetime = 86_400  // of Behavior.lifetime_s
	MaxHold     = 7440    // of HoleHello.hold_s: 2 h 4 min, what RFC 5382 has a NAT keep an idle connection for
)

// Lengths of binary fields, in bytes.
const (
	NodeIDLen    = 32
	AttemptIDLen = 16
	NameTagLen   = 16
	ProofLen     = 16 // of the key, the challenge and the answer of a proof
	MinTokenLen  = 16
	MaxTokenLen  = 64
)

// AttemptID names one attempt to connect two nodes. The server draws it at random; it is no secret.
type AttemptID [AttemptIDLen]byte

// Kept is the attempt under which both sides of this one may meet at the relay later, with the tokens that they keep: [Introduction].kept.
func (id AttemptID) Kept() AttemptID {
	sum := sha256.Sum256(append([]byte("bodkin kept relay"), id[:]...))
	return AttemptID(sum[:AttemptIDLen])
}
