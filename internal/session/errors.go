package session

import (
	"errors"
	"fmt"
	"net"
	"os"

	"github.com/bodkin-p2p/bodkin/internal/session/line"
	"github.com/bodkin-p2p/bodkin/internal/wire"
)

// Why a session is over. After Close it is an error that wraps [net.ErrClosed].
var (
	// ErrPeerClosed tells that the peer closed the session.
	ErrPeerClosed = errors.New("session: closed by the peer")
	// ErrCarrierLost is wrapped by every error about a carrier that failed, ended, or gave no sign of life.
	ErrCarrierLost = errors.New("session: carrier lost")
	// ErrProtocol is wrapped when the peer sent what is no session.
	ErrProtocol = errors.New("session: peer breaks the protocol")
)

// ErrReset is what Read and Write of a stream return after the peer aborted it, and Write after the peer closed it.
var ErrReset = errors.New("session: stream reset by the peer")

// Why a stream is refused; the kinds of a [RefusedError].
var (
	// ErrNoService tells that nobody listens on the service.
	ErrNoService = errors.New("no such service")
	// ErrRefused tells that the listener declined.
	ErrRefused = errors.New("refused")
	// ErrBusy tells that a limit of the peer is reached.
	ErrBusy = errors.New("too many streams")
)

var (
	errClosed  = fmt.Errorf("session: %w", net.ErrClosed)
	errGoodbye = errors.New("session: goodbye")
	errTimeout = os.ErrDeadlineExceeded // bare: callers look for net.Error by type assertion
)

// A RefusedError tells that the peer did not take a stream. It unwraps to its kind.
type RefusedError struct {
	Service string
	Kind    error  // ErrNoService, ErrRefused or ErrBusy
	Reason  string // the peer's words; may be empty
}

func (e *RefusedError) Error() string {
	text := fmt.Sprintf("session: service %q: %v", e.Service, e.Kind)
	if e.Reason != "" {
		text += ": " + e.Reason
	}
	return text
}

func (e *RefusedError) Unwrap() error { return e.Kind }

// Codes of a stream's reset; refusals are resetRefused + their wire.StreamAnswer code.
const (
	resetClosed   = 1
	resetAborted  = 2
	resetProtocol = 3
	resetRefused  = 16
)

// answerCode is the code on the wire for a kind of refusal.
func answerCode(kind error) wire.StreamAnswer_Code {
	switch {
	case errors.Is(kind, ErrNoService):
		return wire.StreamAnswer_CODE_NO_SERVICE
	case errors.Is(kind, ErrBusy):
		return wire.StreamAnswer_CODE_BUSY
	}
	return wire.StreamAnswer_CODE_REFUSED
}

// refusalKind is the inverse of answerCode. A code of a later version counts as refused.
func refusalKind(code wire.StreamAnswer_Code) error {
	switch code {
	case wire.StreamAnswer_CODE_NO_SERVICE:
		return ErrNoService
	case wire.StreamAnswer_CODE_BUSY:
		return ErrBusy
	}
	return ErrRefused
}

// diagnose tells why a session is over from the line's error and from what was said.
func diagnose(err error, closing, leaving bool) error {
	switch {
	case closing:
		return errClosed
	case leaving, errors.Is(err, line.ErrPeerClosed):
		return ErrPeerClosed
	case errors.Is(err, ErrProtocol):
		return err
	case errors.Is(err, line.ErrProtocol):
		return fmt.Errorf("%w: %w", ErrProtocol, err)
	}
	return fmt.Errorf("%w: %w", ErrCarrierLost, err)
}
