package session

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/libp2p/go-yamux/v5"

	"github.com/bodkin-p2p/bodkin/internal/wire"
)

// Open opens a stream to a service of the peer, a name of 1 to 128 printable bytes. It does not wait for the peer's
// answer: the stream can be written to at once, and a refusal comes from its Read or a later Write. Open waits only
// while the carrier takes no bytes, or while 256 streams are on their way to the peer; ctx stops that. The caller must
// close the stream; ctx has no effect on it afterwards.
func (s *Session) Open(ctx context.Context, service string) (*Stream, error) {
	header, err := wire.Append(nil, &wire.StreamOpen{Service: service})
	if err != nil {
		return nil, fmt.Errorf("session: open stream: %w", err)
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	mux, err := s.mux.OpenStream(ctx)
	if err == nil {
		err = writeHeader(ctx, mux, header)
	}
	if err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, s.explain(err)
	}
	stream := s.newStream(mux, service, false)
	if err := s.add(stream); err != nil {
		mux.ResetWithError(resetAborted)
		return nil, err
	}
	return stream, nil
}

// writeHeader writes the first bytes of a stream, or resets it.
func writeHeader(ctx context.Context, mux *yamux.Stream, header []byte) error {
	stop := context.AfterFunc(ctx, func() { mux.SetWriteDeadline(longAgo) })
	_, err := mux.Write(header)
	if !stop() {
		err = ctx.Err()
	}
	if err != nil {
		mux.ResetWithError(resetAborted)
	}
	return err
}

// readAnswer waits for the peer's answer to an opened stream and remembers it. The caller holds s.reading.
func (s *Stream) readAnswer() error {
	for !s.answered {
		var answer wire.StreamAnswer
		n, err := wire.Decode(s.head, &answer)
		switch {
		case err == nil:
			if s.head = s.head[n:]; len(s.head) == 0 {
				s.head = nil // lets go of the buffer
			}
			s.answered = true
			if answer.Code != wire.StreamAnswer_CODE_ACCEPTED {
				s.refusal = &RefusedError{s.service, refusalKind(answer.Code), answer.Reason}
			}
		case errors.Is(err, wire.ErrShort) && len(s.head) < maxHead:
			if err := s.readMore(); err != nil {
				if err == io.EOF && len(s.head) > 0 {
					return fmt.Errorf("%w: stream ends inside its answer", ErrProtocol)
				}
				return err
			}
		default:
			s.mux.ResetWithError(resetProtocol)
			return fmt.Errorf("%w: answer: %w", ErrProtocol, err)
		}
	}
	if s.refusal != nil {
		return s.refusal
	}
	return nil
}

// maxHead is how many bytes are read at most in search of the first message of a stream; a StreamAnswer with the longest
// reason has 263.
const maxHead = 512

// readMore appends what has come to s.head. The caller holds s.reading.
func (s *Stream) readMore() error {
	more := make([]byte, maxHead-len(s.head))
	n, err := s.receive(more)
	s.head = append(s.head, more[:n]...)
	return err
}

// recallRefusal replaces the error of a Write to a stream that the peer has refused by the answer, which has arrived
// before the reset. The caller holds s.writing.
func (s *Stream) recallRefusal(err error) error {
	var reset *yamux.StreamError
	if s.incoming || !errors.As(err, &reset) || reset.ErrorCode < resetRefused {
		return err
	}
	s.reading.Lock() // no Read holds it for long, since the stream is over
	defer s.reading.Unlock()
	if s.readAnswer(); s.refusal != nil {
		return s.refusal
	}
	return err
}

// refusalFromReset is the refusal that a reset alone tells of.
func (s *Stream) refusalFromReset(code uint32) error {
	return &RefusedError{Service: s.service, Kind: refusalKind(wire.StreamAnswer_Code(code - resetRefused))}
}
