package punch

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/bodkin-p2p/bodkin/internal/candidate"
	"github.com/bodkin-p2p/bodkin/internal/reuseport"
	"github.com/bodkin-p2p/bodkin/internal/sockerr"
	"github.com/bodkin-p2p/bodkin/internal/wire"
)

// ErrNoDirectPath tells that no remote gave a verified connection in time.
var ErrNoDirectPath = errors.New("punch: no direct path")

// Outcome is how a try ended.
type Outcome uint8

// The outcomes.
const (
	// Unanswered is a dial to which nothing came back until the attempt was over.
	Unanswered Outcome = iota
	// Refused is a dial answered by RST.
	Refused
	// Unreachable is a dial answered by ICMP, or without a route.
	Unreachable
	// TupleBusy is a dial that could not leave, since another connection holds its 4-tuple.
	TupleBusy
	// Failed is a dial that failed in another way.
	Failed
	// NotThePeer is a connection that opened and did not prove to end at the peer.
	NotThePeer
	// CutOff is a connection that the other end closed before it was proven: a stranger, or, seen by the callee, the
	// dialer that has nominated another one.
	CutOff
	// Unfinished is a connection that was open and not proven yet when the attempt was over.
	Unfinished
	// NotRelayed is a relayed connection that did not open, or was not proven to end at the peer.
	NotRelayed
	// Lost is a connection that was proven and broke, or was closed by the dialer, before it was nominated.
	Lost
	// Spare is a proven connection that was closed since another one was nominated.
	Spare
	// Nominated is the connection that both sides keep.
	Nominated
)

// String says the outcome in words for people.
func (o Outcome) String() string {
	switch o {
	case Unanswered:
		return "no answer"
	case Refused:
		return "refused"
	case Unreachable:
		return "unreachable"
	case TupleBusy:
		return "an earlier connection still holds these addresses and ports"
	case Failed:
		return "could not be dialled"
	case NotThePeer:
		return "connected, but not to the peer"
	case CutOff:
		return "connected, but closed by the other end before it was verified"
	case Unfinished:
		return "connected, but not verified in time"
	case NotRelayed:
		return "not relayed"
	case Lost:
		return "verified, but lost before it was nominated"
	case Spare:
		return "verified, but another connection was faster"
	case Nominated:
		return "nominated"
	}
	return "unknown outcome"
}

// Try is one remote that was dialled in a round, or one connection that was accepted.
type Try struct {
	Remote   candidate.Candidate
	Accepted bool
	Guessed  bool // the remote, or the port that it left from, was part of a prediction or a search
	Count    int  // so many guesses that ended alike, of which Remote is the first; zero: this one
	Round    int  // in which it was dialled; the newest round if it was accepted
	Started  time.Time
	Ended    time.Time // when the outcome was known
	Outcome  Outcome
	Err      error // nil for Unanswered, Unfinished, Spare and Nominated
}

// String is the try in words, without its times.
func (t Try) String() string {
	var b strings.Builder
	switch {
	case t.Accepted:
		fmt.Fprintf(&b, "accepted from %v: %v", t.Remote.Addr, t.Outcome)
	case t.Guessed:
		fmt.Fprintf(&b, "%d guesses at %v, round %d: %v", max(t.Count, 1), t.Remote.Addr.Addr(), t.Round, t.Outcome)
	default:
		fmt.Fprintf(&b, "%v, round %d: %v", t.Remote, t.Round, t.Outcome)
	}
	if t.Err != nil {
		fmt.Fprintf(&b, " (%v)", t.Err)
	}
	return b.String()
}

// Error tells why an attempt gave no connection: errors.Is finds ErrNoDirectPath, or what ended the caller's context.
type Error struct {
	Tries  []Try // in the order they were started
	SYNs   int   // dials that left
	Rounds int   // the newest round
	Cause  error
}

// Error is the cause and every try.
func (e *Error) Error() string {
	if len(e.Tries) == 0 {
		return e.Cause.Error() + ": there was no remote to try"
	}
	tries := make([]string, len(e.Tries))
	for i, t := range e.Tries {
		tries[i] = t.String()
	}
	return e.Cause.Error() + ": " + strings.Join(tries, "; ")
}

// Unwrap is the cause.
func (e *Error) Unwrap() error { return e.Cause }

// dialOutcome is the outcome of a dial that failed with err.
func dialOutcome(err error) Outcome {
	if errors.Is(err, context.DeadlineExceeded) {
		return Unanswered // the caller's deadline, not the kernel's
	}
	switch reuseport.Classify(err) {
	case reuseport.Refused:
		return Refused
	case reuseport.Unreachable:
		return Unreachable
	case reuseport.TupleBusy:
		return TupleBusy
	case reuseport.Canceled:
		return Unanswered
	}
	return Failed
}

// checkOutcome is the outcome of a connection that could not be verified for err.
func checkOutcome(err error) Outcome {
	if sockerr.IsCut(err) {
		return CutOff
	}
	return NotThePeer
}

// kind is the outcome as the server is told it; unspecified for outcomes that are none of its business.
func (o Outcome) kind() wire.FailureKind {
	switch o {
	case Refused:
		return wire.FailureKind_FAILURE_KIND_REFUSED
	case Unreachable:
		return wire.FailureKind_FAILURE_KIND_UNREACHABLE
	case TupleBusy:
		return wire.FailureKind_FAILURE_KIND_TUPLE_BUSY
	case Failed:
		return wire.FailureKind_FAILURE_KIND_OTHER
	case NotThePeer, CutOff:
		return wire.FailureKind_FAILURE_KIND_UNVERIFIED
	}
	return wire.FailureKind_FAILURE_KIND_UNSPECIFIED
}
