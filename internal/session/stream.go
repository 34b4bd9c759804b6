package session

import (
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/libp2p/go-yamux/v5"
)

// A Stream is one connection inside a session. It is a [net.Conn]: its methods are safe for concurrent use, an
// exceeded deadline gives [os.ErrDeadlineExceeded], a use after Close [net.ErrClosed]. Whoever opened or accepted it
// must close it, also after an error.
type Stream struct {
	session  *Session
	mux      *yamux.Stream
	service  string
	incoming bool

	closed            atomic.Bool
	bytesIn, bytesOut atomic.Uint64

	reading  sync.Mutex    // held by the one Read at work
	head     []byte        // guarded by reading: received and not yet read
	answered bool          // guarded by reading: the answer to an opened stream has come, or is not to be
	refusal  *RefusedError // guarded by reading: what the answer was, if not "accepted"

	writing      sync.Mutex // held by the one Write at work
	answerSent   bool       // guarded by writing: this side has answered the peer's stream
	readDeadline readDeadline
}

var _ net.Conn = (*Stream)(nil)

func (s *Session) newStream(mux *yamux.Stream, service string, incoming bool) *Stream {
	return &Stream{session: s, mux: mux, service: service, incoming: incoming, answered: incoming}
}

// Service is the name that the stream was opened with.
func (s *Stream) Service() string { return s.service }

// LocalAddr is the carrier's local address.
func (s *Stream) LocalAddr() net.Addr { return s.session.carrier.LocalAddr() }

// RemoteAddr is the carrier's remote address.
func (s *Stream) RemoteAddr() net.Addr { return s.session.carrier.RemoteAddr() }

// Counts tells how many bytes were read from the stream and written to it.
func (s *Stream) Counts() (in, out uint64) { return s.bytesIn.Load(), s.bytesOut.Load() }

// Read reads what the peer wrote. On a stream that was opened here it returns a [*RefusedError] if the peer did not
// take it. After the peer's CloseWrite or Close it returns io.EOF behind the last byte, also if the session has ended
// since; after an abort ErrReset.
func (s *Stream) Read(p []byte) (int, error) {
	s.reading.Lock()
	defer s.reading.Unlock()
	if err := s.readAnswer(); err != nil {
		return 0, err
	}
	n := 0
	if len(s.head) > 0 && !s.closed.Load() {
		n = copy(p, s.head)
		if s.head = s.head[n:]; len(s.head) == 0 {
			s.head = nil
		}
	} else {
		var err error
		if n, err = s.receive(p); err != nil {
			return 0, err
		}
	}
	s.bytesIn.Add(uint64(n))
	s.session.bytesIn.Add(uint64(n))
	return n, nil
}

// receive reads from the multiplexer. It waits for data with a read of nothing, which the deadline may interrupt, and
// takes data with the deadline lifted: the multiplexer sends credit to the peer within that read, and forgets it if the
// deadline is exceeded meanwhile, after which the stream would hang (go-yamux v5.1.0, Stream.Read).
func (s *Stream) receive(p []byte) (int, error) {
	if s.closed.Load() {
		return 0, errClosed
	}
	if _, err := s.mux.Read(nil); err != nil {
		return 0, s.explain(err)
	}
	if len(p) == 0 {
		return 0, nil
	}
	if !s.readDeadline.lift(s.mux) {
		return 0, errTimeout
	}
	n, err := s.mux.Read(p)
	s.readDeadline.restore(s.mux)
	if n > 0 {
		return n, nil // an error that came with data was about credit for a stream that is over
	}
	return 0, s.explain(err)
}

// Write writes to the peer. It may succeed before the peer has taken the stream; a refusal comes as a [*RefusedError]
// from the next Read, or from the next Write after it has arrived. Write returns ErrReset if the peer has closed or
// aborted the stream.
func (s *Stream) Write(p []byte) (int, error) {
	s.writing.Lock()
	defer s.writing.Unlock()
	if s.closed.Load() {
		return 0, errClosed
	}
	if err := s.accept(); err != nil {
		return 0, s.explain(err)
	}
	n, err := s.mux.Write(p)
	s.bytesOut.Add(uint64(n))
	s.session.bytesOut.Add(uint64(n))
	if err != nil {
		err = s.explain(s.recallRefusal(err))
	}
	return n, err
}

// CloseWrite tells the peer that nothing more comes. Reading goes on.
func (s *Stream) CloseWrite() error {
	s.writing.Lock()
	defer s.writing.Unlock()
	if s.closed.Load() {
		return errClosed
	}
	if err := s.mux.CloseWrite(); err != nil {
		return s.explain(s.recallRefusal(err))
	}
	return nil
}

// Close ends both directions. What was written reaches the peer; what the peer still writes is not read, of which its
// Write tells it. Close interrupts Read and Write, and can be called twice.
func (s *Stream) Close() error {
	return s.end(func() error {
		err := s.mux.CloseWrite()
		s.mux.ResetWithError(resetClosed) // behind the end of the stream, so it hurts only what the peer writes
		return err
	})
}

// Abort ends both directions at once, as a TCP reset does: what was written and is not yet read may be lost, and the
// peer's Read and Write return ErrReset.
func (s *Stream) Abort() error {
	return s.end(func() error { return s.mux.ResetWithError(resetAborted) })
}

// end runs the last words of a stream once, after every Write has returned.
func (s *Stream) end(lastWords func() error) error {
	if s.closed.Swap(true) {
		return nil
	}
	s.cut()
	s.writing.Lock()
	defer s.writing.Unlock()
	defer s.session.remove(s)
	if err := lastWords(); err != nil && !s.mux.Session().IsClosed() {
		var reset *yamux.StreamError
		if !errors.As(err, &reset) { // a stream that the peer has reset is closed all the same
			return err
		}
	}
	return nil
}

// cut interrupts Read and Write, which then find the stream or the session closed.
func (s *Stream) cut() {
	s.readDeadline.expire(s.mux)
	s.mux.SetWriteDeadline(longAgo)
}

// SetDeadline sets the deadlines of reading and writing. The zero time means none.
func (s *Stream) SetDeadline(t time.Time) error {
	return errors.Join(s.SetReadDeadline(t), s.SetWriteDeadline(t))
}

// SetReadDeadline sets until when Read may wait, also for a Read that is at work.
func (s *Stream) SetReadDeadline(t time.Time) error {
	if s.closed.Load() {
		return errClosed
	}
	s.readDeadline.set(s.mux, t)
	return nil
}

// SetWriteDeadline sets until when Write may wait, also for a Write that is at work.
func (s *Stream) SetWriteDeadline(t time.Time) error {
	if s.closed.Load() {
		return errClosed
	}
	return s.mux.SetWriteDeadline(t)
}

// explain turns an error of the multiplexer into one of this package's.
func (s *Stream) explain(err error) error {
	var reset *yamux.StreamError
	switch {
	case err == nil:
		return nil
	case err == io.EOF:
		return io.EOF
	case s.closed.Load():
		return errClosed
	case errors.As(err, &reset) && reset.Remote && reset.ErrorCode >= resetRefused:
		return s.refusalFromReset(reset.ErrorCode)
	case errors.As(err, &reset) && reset.Remote:
		return ErrReset
	case errors.Is(err, yamux.ErrStreamClosed):
		return fmt.Errorf("session: write after CloseWrite: %w", net.ErrClosed)
	}
	return s.session.explain(err)
}
