package main

import (
	"context"
	"errors"
	"io"
	"net"
	"sync/atomic"

	"github.com/bodkin-p2p/bodkin/forward"
	"github.com/bodkin-p2p/bodkin/internal/control"
)

// pipeStdio joins stdin and stdout with a stream until both directions have ended, or cuts it when ctx does. A person at
// a terminal would not notice that the other side has ended and only theirs has not, so there the end of the stream is
// the end of stdin too.
func pipeStdio(ctx context.Context, in io.Reader, out io.Writer, stream control.Stream) error {
	ends := &stdio{ReadWriteCloser: forward.Stdio(in, out)}
	stop := context.AfterFunc(ctx, func() {
		stream.Abort()
		ends.Close()
	})
	defer stop()
	there := &answering{Stream: stream}
	if isTerminal(in) {
		there.ended = ends.end
	}
	_, err := forward.Splice(ends, there)
	switch failure := there.failure.Load(); {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case err != nil && failure != nil: // says why, where a failed write only says that
		return *failure
	}
	return err
}

// stdio is stdin and stdout, of which the input can be ended.
type stdio struct {
	io.ReadWriteCloser
	over atomic.Bool
}

// end makes Read return io.EOF.
func (s *stdio) end() {
	s.over.Store(true)
	s.ReadWriteCloser.Close()
}

func (s *stdio) Read(p []byte) (int, error) {
	n, err := s.ReadWriteCloser.Read(p)
	if err != nil && s.over.Load() {
		return n, io.EOF
	}
	return n, err
}

// CloseWrite closes stdout, for a program that reads it.
func (s *stdio) CloseWrite() error {
	if c, ok := s.ReadWriteCloser.(interface{ CloseWrite() error }); ok {
		return c.CloseWrite()
	}
	return nil
}

// answering is a stream that tells when its reading side has ended, and remembers why if that was a failure.
type answering struct {
	control.Stream
	ended   func() // nil: nobody wants to know
	failure atomic.Pointer[error]
}

func (a *answering) Read(p []byte) (int, error) {
	n, err := a.Stream.Read(p)
	switch {
	case err == io.EOF && a.ended != nil:
		a.ended()
	case err != nil && err != io.EOF && !errors.Is(err, net.ErrClosed): // the last is our own Close
		a.failure.CompareAndSwap(nil, &err)
	}
	return n, err
}
