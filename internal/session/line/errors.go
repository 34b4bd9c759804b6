package line

import (
	"errors"
	"fmt"
	"net"
	"os"
)

// Why a line is over, or a carrier was not taken. After Close it is an error that wraps [net.ErrClosed].
var (
	// ErrPeerClosed tells that the peer closed the line.
	ErrPeerClosed = errors.New("closed by the peer")
	// ErrNoPath is wrapped when no carrier came for as long as Config.Wait, together with what became of the last one.
	ErrNoPath = errors.New("no path to the peer")
	// ErrUnknown tells that the peer knows nothing of the line: it was restarted, or gave it up.
	ErrUnknown = errors.New("the peer has lost the session")
	// ErrProtocol is wrapped when the peer sent what it must not.
	ErrProtocol = errors.New("peer breaks the protocol")
	// ErrVersion tells that the peer speaks no version of the protocol that is spoken here.
	ErrVersion = errors.New("no common version")
	// ErrFull tells that a carrier was not taken beside others, because one end of the line uses no more than it has.
	ErrFull = errors.New("no further carrier is used at once")
	// ErrSilent tells that a carrier gave no sign of life.
	ErrSilent = errors.New("the path is silent")
)

var (
	errClosed  = fmt.Errorf("line: %w", net.ErrClosed)
	errTimeout = os.ErrDeadlineExceeded // bare: callers look for net.Error by type assertion
	errRetired = errors.New("line: carrier put down for a better one")
	errTooMany = errors.New("line: too many carriers")
	errGone    = errors.New("carrier ended by the peer")
)
