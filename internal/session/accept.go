package session

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/bodkin-p2p/bodkin/internal/wire"
)

// Accept returns the next stream that the peer opened. The caller looks at its Service and either uses it, which
// accepts it, or calls Refuse; it must close it in the end. Streams that came before the peer closed the
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
		return nil, s.Err()
	}
}

func (s *Session) accepted(stream *Stream) (*Stream, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if stream.closed { // by Session.Close
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
	s.end(func() {
		if s.bytesOut > 0 || s.saidEnd {
			s.resetPeer(resetAborted, nil)
			return
		}
		s.refuse(kind, reason)
	})
	return nil
}

// refuse has a refusal said. The caller holds mu.
func (s *Stream) refuse(kind error, reason string) {
	code := answerCode(kind)
	s.resetPeer(resetRefused+uint32(code), refusalMessage(code, reason))
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

// openedByPeer takes a stream that the peer opens, or refuses it. The caller holds mu.
func (s *Session) openedByPeer(id uint64, header []byte) error {
	if id%2 == s.nextOut%2 || id <= s.lastIn {
		return fmt.Errorf("%w: stream %d is opened behind %d", ErrProtocol, id, s.lastIn)
	}
	s.lastIn = id
	if s.asked++; s.asked > maxOpening {
		return fmt.Errorf("%w: opens streams, and takes no answers", ErrProtocol)
	}
	var open wire.StreamOpen
	length, err := wire.Decode(header, &open)
	stream := s.newStream(id, open.Service, true)
	stream.asking = true
	switch {
	case err != nil || length != len(header):
		stream.resetPeer(resetProtocol, nil)
	case s.closing:
		stream.refuse(ErrRefused, "the session is closed")
	case s.incoming >= s.config.MaxStreams:
		stream.refuse(ErrBusy, "too many streams are open")
	case len(s.backlog) == cap(s.backlog):
		stream.refuse(ErrBusy, "too many streams wait to be accepted")
	default:
		s.add(stream)
		stream.owe(dueAnswer)
		s.backlog <- stream // only this goroutine sends
		return nil
	}
	stream.closed = true
	return nil
}
