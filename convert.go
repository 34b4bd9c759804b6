package bodkin

import (
	"github.com/bodkin-p2p/bodkin/internal/candidate"
	"github.com/bodkin-p2p/bodkin/internal/punch"
	"github.com/bodkin-p2p/bodkin/internal/rendezvous"
	"github.com/bodkin-p2p/bodkin/internal/wire"
)

// The parts do not import each other, so each has its own words for what it shares with another. These tables are where
// the words meet.

var punchRoles = map[rendezvous.Role]punch.Role{
	rendezvous.Dialer: punch.Dialer,
	rendezvous.Callee: punch.Callee,
}

var relayPolicies = map[RelayPolicy]rendezvous.RelayPolicy{
	RelayAuto:   rendezvous.RelayAuto,
	RelayNever:  rendezvous.RelayNever,
	RelayAlways: rendezvous.RelayAlways,
}

var wireTypes = map[candidate.Type]wire.CandidateType{
	candidate.Host:            wire.CandidateType_CANDIDATE_TYPE_HOST,
	candidate.Mapped:          wire.CandidateType_CANDIDATE_TYPE_MAPPED,
	candidate.ServerReflexive: wire.CandidateType_CANDIDATE_TYPE_SERVER_REFLEXIVE,
	candidate.Relayed:         wire.CandidateType_CANDIDATE_TYPE_RELAYED,
}

var reportedFailures = map[wire.FailureKind]rendezvous.FailureKind{
	wire.FailureKind_FAILURE_KIND_REFUSED:     rendezvous.FailureRefused,
	wire.FailureKind_FAILURE_KIND_UNREACHABLE: rendezvous.FailureUnreachable,
	wire.FailureKind_FAILURE_KIND_TUPLE_BUSY:  rendezvous.FailureTupleBusy,
	wire.FailureKind_FAILURE_KIND_UNVERIFIED:  rendezvous.FailureUnverified,
	wire.FailureKind_FAILURE_KIND_OTHER:       rendezvous.FailureOther,
}

var refusedReasons = map[rendezvous.RefusedCode]RefusedReason{
	rendezvous.RefusedRoom:      RefusedRoom,
	rendezvous.RefusedNameTaken: RefusedName,
	rendezvous.RefusedVersion:   RefusedVersion,
	rendezvous.RefusedBusy:      RefusedBusy,
	rendezvous.RefusedReplaced:  RefusedReplaced,
}
