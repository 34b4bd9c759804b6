package session

import (
	"fmt"

	"github.com/bodkin-p2p/bodkin/internal/session/line"
	"github.com/bodkin-p2p/bodkin/internal/wire"
)

// A layer is a session as its line sees it. The line calls its methods with the mutex held.
type layer Session

// Arrived takes the next bytes of the line.
func (l *layer) Arrived(p line.Part) error {
	s := (*Session)(l)
	for p.Len() > 0 {
		if s.left > 0 {
			var piece line.Part
			piece, p = p.Split(min(p.Len(), s.left))
			s.left -= piece.Len()
			s.keep(piece)
			continue
		}
		took, f, body, err := s.collector.next(p.Bytes())
		if err != nil {
			return err
		}
		_, p = p.Split(took)
		if f.kind != 0 {
			if err := s.handle(f, body); err != nil {
				return err
			}
		}
	}
	return nil
}

// Rested wakes the readers of what has come, and grants what was read before.
func (l *layer) Rested() {
	for i, stream := range l.woken {
		stream.woken = false
		stream.readable.Signal()
		l.woken[i] = nil
	}
	l.woken = l.woken[:0]
	if s := (*Session)(l); s.manyOwe() {
		s.speak()
	}
}

// Roomy says what is due, and gives writers their turns.
func (l *layer) Roomy() {
	s := (*Session)(l)
	s.speak()
	s.dispatch()
}

// Over ends the session with its line.
func (l *layer) Over(err error) { (*Session)(l).over(err) }

// keep gives data to the stream that it is for.
func (s *Session) keep(piece line.Part) {
	if s.to == nil || !s.to.takes() {
		return
	}
	s.to.queue.add(&s.store, piece)
	s.news(s.to)
}

// news has a stream's reader woken soon.
func (s *Session) news(stream *Stream) {
	if !stream.woken {
		stream.woken = true
		s.woken = append(s.woken, stream)
	}
}

// handle takes a frame; of data, its header.
func (s *Session) handle(f frame, body []byte) error {
	switch f.kind {
	case kindPing:
		s.speech.pong = f.value
		s.speak()
		return nil
	case kindPong:
		s.ponged(f.value)
		return nil
	case kindGoodbye:
		s.leaving = true
		return errGoodbye
	case kindOpen:
		return s.openedByPeer(f.value, body)
	}
	stream, err := s.lookup(f)
	if err != nil {
		return err
	}
	switch f.kind {
	case kindData:
		s.left, s.to = f.length, stream
	case kindCredit, kindReset:
		if _, was := s.opening[f.value]; was {
			delete(s.opening, f.value)
			s.opened.Signal()
		}
	}
	if stream == nil {
		return nil
	}
	return stream.handle(f, body)
}

// lookup finds the stream of a frame; nil if it is over on this side, of which the peer may not know.
func (s *Session) lookup(f frame) (*Stream, error) {
	if stream := s.streams[f.value]; stream != nil {
		return stream, nil
	}
	ours := f.value%2 == s.nextOut%2
	if f.value == 0 || ours && f.value >= s.nextOut || !ours && f.value > s.lastIn {
		return nil, fmt.Errorf("%w: frame of kind %d for stream %d, which never was", ErrProtocol, f.kind, f.value)
	}
	return nil, nil
}

// handle takes a frame of a stream that is open on this side.
func (s *Stream) handle(f frame, body []byte) error {
	if s.fate != nil || s.cameEnd && f.kind == kindData {
		return fmt.Errorf("%w: frame of kind %d behind the end of stream %d", ErrProtocol, f.kind, f.value)
	}
	switch f.kind {
	case kindData:
		if !s.window.come(f.length) {
			return fmt.Errorf("%w: stream %d has more than its window", ErrProtocol, f.value)
		}
	case kindCredit:
		more := numberIn(body)
		if more > maxCredit-uint32(s.credit) {
			return fmt.Errorf("%w: stream %d gets credit for %d bytes", ErrProtocol, f.value, more)
		}
		if s.credit == 0 { // else a Write waits for something else, if any does
			s.writable.Signal()
		}
		s.credit += int(more)
	case kindBlocked:
		if s.window.blocked() {
			s.enlarge(2 * s.window.size)
			s.owe(dueCredit)
		}
	case kindEnd:
		s.cameEnd = true
		s.session.news(s)
	case kindReset:
		return s.reset(numberIn(body), body[4:])
	}
	return nil
}

// maxCredit bounds what a peer may grant.
const maxCredit = 1 << 30

// reset ends a stream by the peer's word.
func (s *Stream) reset(code uint32, more []byte) error {
	s.fate = ErrReset
	s.dropUnread = code != resetClosed
	if code >= resetRefused {
		var answer wire.StreamAnswer
		if _, err := wire.Decode(more, &answer); err != nil {
			return fmt.Errorf("%w: answer: %w", ErrProtocol, err)
		}
		s.fate = &RefusedError{s.service, refusalKind(wire.StreamAnswer_Code(code - resetRefused)), answer.Reason}
	}
	if s.dropUnread {
		s.release()
	}
	s.wake()
	return nil
}
