package session

import "encoding/binary"

// A due is a set of frames that a stream has to say beside data. They are said in the order of the constants.
type due byte

const (
	dueOpen due = 1 << iota
	dueCredit
	dueAnswer // credit, even if it is none
	dueBlocked
	dueEnd
	dueReset
)

// A speech is what is to be said beside data. Each stream has a place for each kind, so it is bounded without a queue of frames.
type speech struct {
	ping, pong uint64    // zero means none
	goodbye    bool      // behind all else
	streams    []*Stream // with anything due, in the order in which it became so
	frames     []byte
}

// owe has frames of a stream said. The caller holds mu.
func (s *Stream) owe(what due) {
	s.oweLater(what)
	s.session.speak()
}

// oweLater has frames of a stream said with the next that are. The caller holds mu.
func (s *Stream) oweLater(what due) {
	if s.due == 0 && what != 0 {
		s.session.speech.streams = append(s.session.speech.streams, s)
	}
	s.due |= what
}

// manyOwe tells whether so many streams have something to say that it should not wait: of few streams any.
func (s *Session) manyOwe() bool { return len(s.speech.streams) > len(s.streams)/16 }

// mostWords is the most that one stream has to say at once.
const mostWords = 6*headerSize + 2*maxBody + 8

// speak says what is due as far as there is room. The caller holds mu.
func (s *Session) speak() {
	if s.cause != nil {
		return
	}
	sp := &s.speech
	b := sp.frames[:0]
	if sp.pong != 0 && s.line.Urgent() >= 2*headerSize { // else a peer that takes no pongs could have them queued without end
		b = frame{kindPong, 0, sp.pong}.append(b)
		sp.pong = 0
	}
	if sp.ping != 0 {
		b = frame{kindPing, 0, sp.ping}.append(b)
		sp.ping = 0
	}
	said := 0
	for _, stream := range sp.streams {
		if s.line.Urgent() < len(b)+mostWords {
			break
		}
		b = stream.words(b)
		if said++; len(b) > 4<<10 {
			s.say(b)
			b = b[:0]
		}
	}
	kept := copy(sp.streams, sp.streams[said:])
	clear(sp.streams[kept:])
	sp.streams = sp.streams[:kept]
	if sp.goodbye && kept == 0 {
		b = frame{kind: kindGoodbye}.append(b)
		sp.goodbye = false
	}
	if len(b) > 0 {
		s.say(b)
	}
	sp.frames = b[:0]
}

func (s *Session) say(b []byte) {
	space := s.line.Reserve(len(b))
	filled := space
	filled.Put(b)
	s.line.Commit(space, false)
}

// words appends what the stream has to say. The caller holds mu.
func (s *Stream) words(b []byte) []byte {
	due := s.due
	s.due = 0
	if due&dueOpen != 0 {
		b = append(frame{kindOpen, len(s.header), s.id}.append(b), s.header...)
		s.header = nil // a reset of a stream that was opened here has none
		s.writable.Signal()
	}
	if due&(dueCredit|dueAnswer) != 0 {
		credit := 0
		if !s.closed {
			credit = s.window.grant()
		}
		if credit > 0 || due&dueAnswer != 0 {
			b = appendCode(b, kindCredit, s.id, uint32(credit), nil)
		}
	}
	if s.asking && due&(dueAnswer|dueReset) != 0 {
		s.asking = false
		s.session.asked--
	}
	if due&dueBlocked != 0 && s.credit == 0 {
		b = frame{kindBlocked, 0, s.id}.append(b)
	}
	if due&dueEnd != 0 {
		b = frame{kindEnd, 0, s.id}.append(b)
	}
	if due&dueReset != 0 {
		b = appendCode(b, kindReset, s.id, s.code, s.header)
		s.header = nil
	}
	return b
}

// numberIn is the number in a body of 4 bytes or more.
func numberIn(body []byte) uint32 { return binary.BigEndian.Uint32(body) }
