package relay

import (
	"errors"

	"github.com/bodkin-p2p/bodkin/internal/wire"
)

// ErrEnded is what a *StatusError is.
var ErrEnded = errors.New("relay: no relayed connection")

// A StatusError tells why there is no relayed connection, or no longer.
type StatusError struct {
	Status wire.RelayStatus // the server's word; UNSPECIFIED: it is gone without one
	Err    error            // what came from the network, nil if nothing
}

// Error is the reason in words.
func (e *StatusError) Error() string { return "relay: " + e.Reason() }

// Reason is the reason alone.
func (e *StatusError) Reason() string { return reason(e.Status) }

// Unwrap is what came from the network.
func (e *StatusError) Unwrap() error { return e.Err }

// Is tells that e is ErrEnded.
func (e *StatusError) Is(target error) bool { return target == ErrEnded }

func reason(s wire.RelayStatus) string {
	switch s {
	case wire.RelayStatus_RELAY_STATUS_TOKEN:
		return "the server does not know this attempt any more"
	case wire.RelayStatus_RELAY_STATUS_BUSY:
		return "too many relayed connections at the server"
	case wire.RelayStatus_RELAY_STATUS_BYTES:
		return "this node, the other one or the room has used up its relayed bytes"
	case wire.RelayStatus_RELAY_STATUS_ALONE:
		return "the other node did not come to the relay"
	case wire.RelayStatus_RELAY_STATUS_TIME:
		return "the connection has lasted as long as the server relays one"
	case wire.RelayStatus_RELAY_STATUS_IDLE:
		return "the connection was idle for too long"
	case wire.RelayStatus_RELAY_STATUS_STALLED:
		return "one side took nothing for too long"
	case wire.RelayStatus_RELAY_STATUS_PEER_LOST:
		return "the other node's connection to the server broke"
	case wire.RelayStatus_RELAY_STATUS_CLOSING:
		return "the server is shutting down"
	}
	return "the connection to the server broke"
}
