package control

import (
	"context"
	"errors"
	"net"
	"slices"

	"github.com/bodkin-p2p/bodkin"
)

// A problem is an error on its way through the socket.
type problem struct {
	Code    string
	Text    string
	Refused *bodkin.RefusedError `json:",omitempty"`
	Path    *bodkin.PathError    `json:",omitempty"` // without the errors of its tries

	KeyChanged *bodkin.KeyChangedError `json:",omitempty"`
}

// A class is an error that callers tell apart, and its name on the socket. Names stay: two versions may meet.
type class struct {
	name   string
	err    error
	status int // of HTTP
}

// fits tells whether err is of the class: all of its errors, where it joins several.
func (c class) fits(err error) bool {
	several, ok := c.err.(interface{ Unwrap() []error })
	if !ok {
		return errors.Is(err, c.err)
	}
	return !slices.ContainsFunc(several.Unwrap(), func(one error) bool { return !errors.Is(err, one) })
}

// classes is in the order of asking: an error may be several of these, and the first that fits says most.
func classes() []class {
	return []class{
		{"no_direct_path", bodkin.ErrNoDirectPath, 502},
		{"peer_unavailable", bodkin.ErrPeerUnavailable, 404},
		{"refused", bodkin.ErrRefused, 403},
		{"key_changed", bodkin.ErrKeyChanged, 403},
		{"wrong_server", errors.Join(bodkin.ErrServerUnreachable, bodkin.ErrWrongServer), 503},
		{"server_unreachable", bodkin.ErrServerUnreachable, 503},
		{"service_taken", bodkin.ErrServiceTaken, 409},
		{"service_unknown", bodkin.ErrServiceUnknown, 404},
		{"timeout", context.DeadlineExceeded, 504},
		{"canceled", context.Canceled, 499},
		{"closed", net.ErrClosed, 410},
		{"declined", errDeclined, 409},
		{"wrong_settings", ErrWrongSettings, 422},
	}
}

// describe makes a problem of err, and chooses the HTTP status that goes with it.
func describe(err error) (problem, int) {
	for _, c := range classes() {
		if c.fits(err) {
			p := problem{Code: c.name, Text: err.Error()}
			errors.As(err, &p.Refused)
			errors.As(err, &p.KeyChanged)
			if path := (*bodkin.PathError)(nil); errors.As(err, &path) {
				p.Path = portable(path)
			}
			return p, c.status
		}
	}
	return problem{Code: "failed", Text: err.Error()}, 500
}

// maxTries is how many tries of a failed path go through the socket: an answer with a problem has a bound.
const maxTries = 64

// portable is a copy of e for the socket.
func portable(e *bodkin.PathError) *bodkin.PathError {
	copied := *e
	copied.Tries = slices.Clone(e.Tries[:min(len(e.Tries), maxTries)])
	for i := range copied.Tries {
		copied.Tries[i].Err = nil
	}
	return &copied
}

// error gives back the error that was described.
func (p problem) error() error {
	switch {
	case p.Refused != nil:
		return &remoteError{p.Text, p.Refused}
	case p.KeyChanged != nil:
		return &remoteError{p.Text, p.KeyChanged}
	case p.Path != nil:
		return &remoteError{p.Text, p.Path}
	}
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
	class error // one of classes, or an error that wraps it
}

func (e *remoteError) Error() string { return e.text }
func (e *remoteError) Unwrap() error { return e.class }

// Timeout tells whether the node ran out of time, as net.Error has it.
func (e *remoteError) Timeout() bool { return errors.Is(e.class, context.DeadlineExceeded) }

// errDeclined tells that a command refused a stream which it had accepted.
var errDeclined = errors.New("the stream was refused")

var (
	// ErrWrongSettings tells that a node cannot take its settings up, because something in them is wrong. Reload of a Server wraps it.
	ErrWrongSettings = errors.New("wrong settings")

	// ErrNotRunning tells that no node serves the control socket of a home.
	ErrNotRunning = errors.New("no node is running")

	// ErrStopped tells that the node behind the socket went away while it was in use. It satisfies
	// errors.Is(err, net.ErrClosed).
	ErrStopped error = &remoteError{text: "the running node (bodkin up) has stopped", class: net.ErrClosed}
)
