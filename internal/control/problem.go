package control

import (
	"context"
	"errors"
	"net"

	"github.com/bodkin-p2p/bodkin"
)

// A problem is an error on its way through the socket.
type problem struct {
	Code string
	Text string
}

// A class is an error that callers tell apart, and its name on the socket. Names stay: two versions may meet.
type class struct {
	name   string
	err    error
	status int // of HTTP
}

// classes is in the order of asking: an error may be several of these, and the first that fits says most.
func classes() []class {
	return []class{
		{"no_direct_path", bodkin.ErrNoDirectPath, 502},
		{"peer_unavailable", bodkin.ErrPeerUnavailable, 404},
		{"refused", bodkin.ErrRefused, 403},
		{"server_unreachable", bodkin.ErrServerUnreachable, 503},
		{"service_taken", bodkin.ErrServiceTaken, 409},
		{"service_unknown", bodkin.ErrServiceUnknown, 404},
		{"timeout", context.DeadlineExceeded, 504},
		{"canceled", context.Canceled, 499},
		{"closed", net.ErrClosed, 410},
	}
}

// describe makes a problem of err, and chooses the HTTP status that goes with it.
func describe(err error) (problem, int) {
	for _, c := range classes() {
		if errors.Is(err, c.err) {
			return problem{Code: c.name, Text: err.Error()}, c.status
		}
	}
	return problem{Code: "failed", Text: err.Error()}, 500
}

// error gives back the error that was described.
func (p problem) error() error {
	for _, c := range classes() {
		if c.name == p.Code {
			return &remoteError{text: p.Text, class: c.err}
		}
	}
	return errors.New(p.Text)
}

// A remoteError is an error of the node behind the socket: its words, and what callers can tell it by.
type remoteError struct {
	text  string
	class error
}

func (e *remoteError) Error() string { return e.text }
func (e *remoteError) Unwrap() error { return e.class }

// Timeout tells whether the node ran out of time, as net.Error has it.
func (e *remoteError) Timeout() bool { return errors.Is(e.class, context.DeadlineExceeded) }

var (
	// ErrNotRunning tells that no node serves the control socket of a home.
	ErrNotRunning = errors.New("no node is running")

	// ErrStopped tells that the node behind the socket went away while it was in use. It satisfies
	// errors.Is(err, net.ErrClosed).
	ErrStopped error = &remoteError{text: "the running node (bodkin up) has stopped", class: net.ErrClosed}
)
