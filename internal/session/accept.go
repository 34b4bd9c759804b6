package session

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/libp2p/go-yamux/v5"

	"github.com/bodkin-p2p/bodkin/internal/wire"
)

// Accept returns the next stream that the peer opened. The caller looks at its Service and either uses it, which
// accepts it, or calls Refuse; it must close it in the end. Streams that were complete before the peer closed the
// session are still returned; then Accept returns the same as Err.
func (s *Session) Accept(ctx context.Context) (*Stream, error) {
	select {
	case stream := <-s.backlog:
		return s.accepted(stream)
	default:
	}
	select {
	case stream := <-s.backlog:
		return s.accepted(stream)
	case <-s.done:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	select {
	case stream := <-s.backlog: // both were ready
		return s.accepted(stream)
	default:
		return nil, s.cause
	}
}

func (s *Session) accepted(stream *Stream) (*Stream, error) {
	if stream.closed.Load() { // by Session.Close
		return nil, errClosed
	}
	return stream, nil
}

// Refuse tells the peer that its stream is not taken, why, and ends it. The kind is [ErrNoService], [ErrRefused] or
// [ErrBusy]; the reason is for people and may be empty. It is for streams from Accept that nothing was written to yet.
func (s *Stream) Refuse(kind error, reason string) error {
	if !s.incoming {
		return errors.New("session: refuse a stream that was opened here")
	}
	code := answerCode(kind)
	return s.end(func() error {
		if s.answerSent {
			return s.mux.ResetWithError(resetAborted)
		}
		s.mux.SetWriteDeadline(time.Now().Add(s.session.config.Timeout))
		_, err := s.mux.Write(refusalMessage(code, reason))
		if err == nil {
			err = s.mux.CloseWrite()
		}
		s.mux.ResetWithError(resetRefused + uint32(code))
		return err
	})
}

// refusalMessage is the answer on the wire. A reason that is no legal text is left out.
func refusalMessage(code wire.StreamAnswer_Code, reason string) []byte {
	reason = strings.ToValidUTF8(reason[:min(len(reason), wire.MaxText)], "")
	message, err := wire.Append(nil, &wire.StreamAnswer{Code: code, Reason: reason})
	if err != nil {
		message, _ = wire.Append(nil, &wire.StreamAnswer{Code: code})
	}
	return message
}

// accept answers the peer's stream in front of the first byte. The caller holds s.writing.
func (s *Stream) accept() error {
	if !s.incoming || s.answerSent {
		return nil
	}
	message, err := wire.Append(nil, &wire.StreamAnswer{Code: wire.StreamAnswer_CODE_ACCEPTED})
	if err != nil {
		return err
	}
	if _, err := s.mux.Write(message); err != nil {
		return err
	}
	s.answerSent = true
	return nil
}

// serve takes the peer's streams until the session is over.
func (s *Session) serve() {
	for {
		mux, err := s.mux.AcceptStream()
		if err != nil {
			s.finish(err)
			return
		}
		if !s.beginGreeting(s.newStream(mux, "", true)) {
			mux.ResetWithError(resetRefused + uint32(wire.StreamAnswer_CODE_BUSY))
		}
	}
}

// beginGreeting starts to read a stream's header, unless there are too many of those or the peer said goodbye. It goes on
// while Close is at work, since the peer may say goodbye at the same time. Only serve calls it.
func (s *Session) beginGreeting(stream *Stream) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.leaving || len(s.greetings) >= s.config.MaxStreams+s.config.Backlog {
		return false
	}
	stream.mux.SetReadDeadline(time.Now().Add(s.config.Timeout))
	s.greetings[stream] = struct{}{}
	s.greeted.Add(1)
	s.work.Go(func() { s.greet(stream) })
	return true
}

// greet reads a stream's header and queues the stream for Accept.
func (s *Session) greet(stream *Stream) {
	service, head, err := readHeader(stream.mux)
	if err == nil {
		stream.service, stream.head = service, head
		s.offer(stream)
	}
	s.mu.Lock()
	delete(s.greetings, stream)
	s.mu.Unlock()
	s.greeted.Done()

	if err == errGoodbye {
		s.leave()
	} else if err != nil {
		stream.mux.ResetWithError(resetProtocol)
	}
}

// offer puts a greeted stream into the backlog or refuses it.
func (s *Session) offer(stream *Stream) {
	stream.mux.SetReadDeadline(time.Time{})
	if err := s.add(stream); err != nil {
		stream.Refuse(err, "too many streams are open")
		return
	}
	select {
	case s.backlog <- stream:
	default:
		stream.Refuse(ErrBusy, "too many streams wait to be accepted")
	}
}

// readHeader reads the first message of a peer's stream: the service, and what has come behind it.
// It returns errGoodbye if the peer closes the session.
func readHeader(mux *yamux.Stream) (service string, head []byte, err error) {
	buffer := make([]byte, maxHead)
	for n := 0; ; {
		more, err := mux.Read(buffer[n:])
		if n += more; err != nil && more == 0 {
			return "", nil, err
		}
		service, length, err := parseHeader(buffer[:n])
		if err == nil && length == n {
			return service, nil, nil // the usual case; lets go of the buffer
		}
		if err == nil {
			return service, buffer[length:n], nil
		}
		if !errors.Is(err, wire.ErrShort) || n == len(buffer) {
			return "", nil, err
		}
	}
}

// parseHeader parses the first message of a peer's stream from the bytes that have come so far.
func parseHeader(b []byte) (service string, length int, err error) {
	if len(b) > 0 && b[0] == goodbye[0] {
		return "", 0, errGoodbye
	}
	var open wire.StreamOpen
	length, err = wire.Decode(b, &open)
	return open.Service, length, err
}
