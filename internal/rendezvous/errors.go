package rendezvous

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"syscall"
	"time"

	"github.com/bodkin-p2p/bodkin/internal/wire"
)

var (
	// ErrUnreachable is what an *UnreachableError is.
	ErrUnreachable = errors.New("rendezvous server unreachable")
	// ErrOffline means that there is no main connection now, or that it ended before the answer came.
	ErrOffline = errors.New("not connected to the rendezvous server")
	// ErrNotHere means that the server knows no such node in this room: it is offline, in another room, or never was.
	ErrNotHere = errors.New("peer is unknown or offline")
	// ErrLimited is what a *LimitedError is.
	ErrLimited = errors.New("too many introductions asked for")
)

// An UnreachableError tells of every address that was tried.
type UnreachableError struct{ Attempts []AddressError }

// An AddressError is why one address of a server does not serve.
type AddressError struct {
	Server string         // as configured
	Addr   netip.AddrPort // zero: Server could not be resolved
	Err    error
}

func (e *UnreachableError) Error() string {
	tried := make([]string, len(e.Attempts))
	for i, a := range e.Attempts {
		tried[i] = fmt.Sprintf("%s (%v): %v", a.Server, a.Addr, reason(a.Err))
		if !a.Addr.IsValid() || a.Addr.String() == a.Server {
			tried[i] = fmt.Sprintf("%s: %v", a.Server, reason(a.Err))
		}
	}
	return ErrUnreachable.Error() + ": " + strings.Join(tried, "; ")
}

// reason is what the system said of a failed dial, without the addresses that go before it.
func reason(err error) error {
	if errno := syscall.Errno(0); errors.As(err, &errno) {
		return errno
	}
	return err
}

// Is tells that e is ErrUnreachable.
func (e *UnreachableError) Is(target error) bool { return target == ErrUnreachable }

// Unwrap returns the errors of the addresses.
func (e *UnreachableError) Unwrap() []error {
	errs := make([]error, len(e.Attempts))
	for i, a := range e.Attempts {
		errs[i] = a.Err
	}
	return errs
}

// A RefusedError is the server's word that it does not serve this node.
type RefusedError struct {
	Code       RefusedCode
	Text       string        // the server's, for people
	RetryAfter time.Duration // zero: the server did not say
}

func (e *RefusedError) Error() string {
	if e.Text == "" {
		return fmt.Sprintf("rendezvous server refused: %v", e.Code)
	}
	return "rendezvous server refused: " + e.Text
}

// RefusedCode is why a server does not serve a node.
type RefusedCode uint8

// The reasons to refuse.
const (
	RefusedRoom       = RefusedCode(wire.Refused_CODE_ROOM)        // it does not serve the room
	RefusedNameTaken  = RefusedCode(wire.Refused_CODE_NAME_TAKEN)  // another node of the room holds the name
	RefusedVersion    = RefusedCode(wire.Refused_CODE_VERSION)     // no common protocol version
	RefusedBusy       = RefusedCode(wire.Refused_CODE_BUSY)        // over a limit
	RefusedReplaced   = RefusedCode(wire.Refused_CODE_REPLACED)    // another primary connection of the same node took over
	RefusedBadMessage = RefusedCode(wire.Refused_CODE_BAD_MESSAGE) // a message broke the rules
)

func (c RefusedCode) String() string {
	switch c {
	case RefusedRoom:
		return "room not served"
	case RefusedNameTaken:
		return "name taken"
	case RefusedVersion:
		return "no common version"
	case RefusedBusy:
		return "busy"
	case RefusedReplaced:
		return "replaced by a newer connection of this node"
	case RefusedBadMessage:
		return "bad message"
	}
	return fmt.Sprintf("code %d", uint8(c))
}

// isFinal tells whether to come back would not help. A taken name is final only at first: later the holder
// may be this node's own dead connection, or a squatter that goes.
func (e *RefusedError) isFinal(wasRegistered bool) bool {
	switch e.Code {
	case RefusedRoom, RefusedVersion, RefusedReplaced:
		return true
	case RefusedNameTaken:
		return !wasRegistered
	}
	return false
}

// A LimitedError means that this node asked for too many introductions.
type LimitedError struct{ RetryAfter time.Duration }

func (e *LimitedError) Error() string {
	return fmt.Sprintf("%v; the server asks to wait %v", ErrLimited, e.RetryAfter)
}

// Is tells that e is ErrLimited.
func (e *LimitedError) Is(target error) bool { return target == ErrLimited }
