package forward

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
)

// Stdio makes one connection of an input and an output, such as os.Stdin and os.Stdout. CloseWrite closes the output, so
// that a program that reads it sees the end, if it can be closed. Close ends Read and closes the output.
//
// A read of a terminal or a pipe can't be interrupted everywhere. So a goroutine reads the input, from the first Read on,
// one buffer ahead; it ends with the input. If that never ends, it is left behind by Close, with what it reads next.
func Stdio(in io.Reader, out io.Writer) io.ReadWriteCloser {
	return &stdio{in: in, out: out, chunks: make(chan []byte), taken: make(chan struct{}), closed: make(chan struct{})}
}

type stdio struct {
	in  io.Reader
	out io.Writer

	start   sync.Once
	reading sync.Mutex    // held by the one Read at work
	chunks  chan []byte   // from the goroutine that reads; closed behind the last
	taken   chan struct{} // to it: the chunk is used up
	rest    []byte        // guarded by reading: of the last chunk
	failure error         // why chunks was closed

	close       sync.Once
	closed      chan struct{}
	closeOutput sync.Once
	outputError error
}

func (s *stdio) Read(p []byte) (int, error) {
	s.reading.Lock()
	defer s.reading.Unlock()
	s.start.Do(func() { go s.readAhead() })
	if len(s.rest) == 0 {
		select {
		case chunk, more := <-s.chunks:
			if !more {
				return 0, s.failure
			}
			s.rest = chunk
		case <-s.closed:
			return 0, net.ErrClosed
		}
	}
	n := copy(p, s.rest)
	if s.rest = s.rest[n:]; len(s.rest) == 0 {
		select {
		case s.taken <- struct{}{}:
		case <-s.closed: // the goroutine no longer waits for this
		}
	}
	return n, nil
}

func (s *stdio) readAhead() {
	defer close(s.chunks)
	buffer := make([]byte, bufferSize)
	for {
		n, err := s.in.Read(buffer)
		if n > 0 {
			select {
			case s.chunks <- buffer[:n]:
				select {
				case <-s.taken:
				case <-s.closed:
					return
				}
			case <-s.closed:
				return
			}
		}
		if err != nil {
			s.failure = err
			return
		}
	}
}

func (s *stdio) Write(p []byte) (int, error) { return s.out.Write(p) }

func (s *stdio) CloseWrite() error {
	s.closeOutput.Do(func() {
		if c, ok := s.out.(io.Closer); ok {
			if err := c.Close(); !errors.Is(err, os.ErrClosed) {
				s.outputError = err
			}
		}
	})
	return s.outputError
}

func (s *stdio) Close() error {
	s.close.Do(func() { close(s.closed) })
	return s.CloseWrite()
}
