package bodkin

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/bodkin-p2p/bodkin/internal/identity"
	"github.com/bodkin-p2p/bodkin/internal/punch"
	"github.com/bodkin-p2p/bodkin/internal/relay"
	"github.com/bodkin-p2p/bodkin/internal/rendezvous"
	"github.com/bodkin-p2p/bodkin/internal/reuseport"
	"github.com/bodkin-p2p/bodkin/internal/session"
)

var (
	// ErrPeerUnavailable tells that the room has no such node online. A name nobody has, a node of another room and
	// a node that is offline are the same answer, so that nobody can find out by asking.
	ErrPeerUnavailable = errors.New("bodkin: no such node online in this room")

	// ErrServerUnreachable tells that no address of the rendezvous server answered. See [UnreachableError].
	ErrServerUnreachable = errors.New("bodkin: server unreachable")

	// ErrWrongServer tells that who answered is not the server of the invite. It comes with ErrServerUnreachable.
	ErrWrongServer = identity.ErrWrongServer

	// ErrRefused tells that the server, or its limits, do not let this node in. See [RefusedError].
	ErrRefused = errors.New("bodkin: refused by the server")

	// ErrNoDirectPath tells that the peer is online but no direct connection opened, and none by a relay. See [PathError].
	ErrNoDirectPath = errors.New("bodkin: no direct path")

	// ErrRelayEnded tells that the server ended a relayed session, or is gone; the error says why. It comes from the streams.
	ErrRelayEnded = relay.ErrEnded

	// ErrServiceTaken tells that this node listens on that service already.
	ErrServiceTaken = errors.New("bodkin: service is taken on this node")

	// ErrServiceUnknown tells that the peer does not listen on the dialled service. A Dial has returned by then: it
	// comes with the first Read, or with a Write after the peer's answer.
	ErrServiceUnknown = session.ErrNoService

	// ErrPortInUse tells that Config.Port belongs to another program.
	ErrPortInUse = reuseport.ErrPortInUse

	// ErrDialOnly tells that a node of Config.DialOnly was asked to listen.
	ErrDialOnly = errors.New("bodkin: this node only dials")
)

// An UnreachableError tells why each address of the server did not serve. errors.Is(err, ErrServerUnreachable) holds
// for it, and it wraps the system's errors.
type UnreachableError struct{ tried *rendezvous.UnreachableError }

// Error tells of each address.
func (e *UnreachableError) Error() string { return "bodkin: " + e.tried.Error() }

// Unwrap returns ErrServerUnreachable and the errors of the addresses.
func (e *UnreachableError) Unwrap() []error { return []error{ErrServerUnreachable, e.tried} }

// A RefusedError is the server's refusal. errors.Is(err, ErrRefused) holds for it.
type RefusedError struct {
	Reason     RefusedReason
	Text       string        // the server's words
	RetryAfter time.Duration // when to come back; zero: the server did not say
}

// RefusedReason says why a server refused.
type RefusedReason uint8

// Why a server refuses.
const (
	RefusedOther    RefusedReason = iota
	RefusedRoom                   // it does not serve the room
	RefusedName                   // another node of the room holds the name
	RefusedVersion                // it speaks another version of the protocol
	RefusedBusy                   // a limit is reached
	RefusedReplaced               // the same node joined from somewhere else
)

// Error is the server's words.
func (e *RefusedError) Error() string { return fmt.Sprintf("%v: %s", ErrRefused, e.Text) }

// Unwrap returns ErrRefused.
func (e *RefusedError) Unwrap() error { return ErrRefused }

// A PathError lists every address tried for a peer, and what came back from each. errors.Is(err, ErrNoDirectPath)
// holds for it.
type PathError struct {
	Peer  NodeID
	Tries []Try // in the order they were started
	SYNs  int   // connections this side started

	Local, Remote Behavior // how the two networks treat TCP over IPv4, the peer's as it says itself
	Why           string   // for people: which rule of which NAT is in the way, as far as that is known
}

// A Try is one address of a peer and what came of it.
type Try struct {
	Remote    netip.AddrPort
	Guesses   int           // so many ports of Remote's address were guessed, of which Remote is the first; 0: Remote is known
	Candidate string        // "host", "server-reflexive", ...; empty for a connection that came in from an unknown address
	Round     int           // 1 to 3
	Took      time.Duration // until the outcome was known
	Outcome   string        // for people: "refused", "no answer", "connected, but not to the peer", ...
	Err       error         // nil where there is none
}

// Error tells of each try.
func (e *PathError) Error() string {
	if len(e.Tries) == 0 {
		return fmt.Sprintf("%v to %s: it has no address that this node may dial", ErrNoDirectPath, e.Peer.Short())
	}
	tries := make([]string, len(e.Tries))
	for i, t := range e.Tries {
		where := fmt.Sprintf("%s %v", t.Candidate, t.Remote)
		if t.Guesses > 0 {
			where = fmt.Sprintf("%d guesses at %v", t.Guesses, t.Remote.Addr())
		}
		tries[i] = fmt.Sprintf("%s, round %d: %s", where, t.Round, t.Outcome)
	}
	text := fmt.Sprintf("%v to %s: %s", ErrNoDirectPath, e.Peer.Short(), strings.Join(tries, "; "))
	if e.Why != "" {
		text += " (" + e.Why + ")"
	}
	return text
}

// Unwrap returns ErrNoDirectPath.
func (e *PathError) Unwrap() error { return ErrNoDirectPath }

// pathError is the error of an attempt on the peer.
func pathError(peer NodeID, err error) error {
	var failed *punch.Error
	if !errors.As(err, &failed) || !errors.Is(err, punch.ErrNoDirectPath) {
		return err
	}
	e := &PathError{Peer: peer, SYNs: failed.SYNs}
	for _, t := range failed.Tries {
		outcome := t.Outcome.String()
		if why := (*relay.StatusError)(nil); errors.As(t.Err, &why) {
			outcome += ", " + why.Reason()
		}
		e.Tries = append(e.Tries, Try{
			Remote: t.Remote.Addr, Guesses: t.Count, Candidate: kindOf(t), Round: t.Round, Took: t.Ended.Sub(t.Started),
			Outcome: outcome, Err: t.Err,
		})
	}
	return e
}

// kindOf names the kind of address that a try went to. A connection from an address that was no candidate is what
// RFC 8445 calls peer-reflexive.
func kindOf(t punch.Try) string {
	if t.Accepted && t.Remote.Type == 0 {
		return peerReflexive
	}
	return t.Remote.Type.String()
}

const peerReflexive = "peer-reflexive"

// publicError turns an error of the parts into one that callers of the library can tell apart.
func publicError(err error) error {
	var refused *rendezvous.RefusedError
	var limited *rendezvous.LimitedError
	var unreachable *rendezvous.UnreachableError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &refused):
		return &RefusedError{Reason: refusedReasons[refused.Code], Text: refused.Text, RetryAfter: refused.RetryAfter}
	case errors.As(err, &limited):
		return &RefusedError{Reason: RefusedBusy, Text: "too many dials", RetryAfter: limited.RetryAfter}
	case errors.As(err, &unreachable):
		return &UnreachableError{unreachable}
	case errors.Is(err, rendezvous.ErrOffline):
		return fmt.Errorf("%w: %w", ErrServerUnreachable, err)
	case errors.Is(err, rendezvous.ErrNotHere):
		return ErrPeerUnavailable
	}
	return err
}
