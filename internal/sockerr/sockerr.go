// Package sockerr tells apart what sockets fail with, on every system. Windows has numbers of its own for it: there
// errors.Is(err, syscall.ECONNRESET) is false for a connection that was reset, and so for the others.
package sockerr

import (
	"errors"
	"io"
	"syscall"
)

// IsCut tells whether err is that of a connection that somebody else ended: its other side, or something on the way. An
// end in the middle is one, and so is a plain io.EOF.
func IsCut(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || isOne(err, cut)
}

// IsRefused tells whether err is that of a dial to where nobody listens.
func IsRefused(err error) bool { return isOne(err, refused) }

// IsInUse tells whether err is that of an address on which somebody else listens.
func IsInUse(err error) bool { return isOne(err, inUse) }

// IsUnreachable tells whether err is that of a dial for which this machine, or a router, has no way.
func IsUnreachable(err error) bool { return isOne(err, unreachable) }

// IsElsewhere tells whether err is that of a listener for an address that this machine does not have.
func IsElsewhere(err error) bool { return isOne(err, elsewhere) }

// IsUnsupported tells whether err is that of a kind of socket that this system does not have.
func IsUnsupported(err error) bool { return isOne(err, unsupported) }

// A meaning is what several numbers say.
type meaning int

const (
	other meaning = iota
	cut
	refused
	inUse
	unsupported
	unreachable
	elsewhere
)

func isOne(err error, m meaning) bool {
	var number syscall.Errno
	return errors.As(err, &number) && classify(number) == m
}
