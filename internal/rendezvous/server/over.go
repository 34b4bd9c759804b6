package server

import (
	"github.com/bodkin-p2p/bodkin/internal/wire"
)

// finished ends the attempt for both sides. The other one is told only if it can give up too: after a success it has the
// connection in its hands.
func (s *attempts) finished(c *conn, m *wire.Finished) {
	a := s.find(m.Attempt)
	if a == nil {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if e := a.endOfLocked(c); e == nil || a.over {
		return
	}
	switch {
	case m.Direct:
		a.closeLocked("direct")
	case m.Relayed:
		a.closeLocked("relayed")
	default:
		a.endLocked("gave_up", wire.AttemptOver_REASON_PEER_FINISHED, c)
	}
}

// leave ends the attempts of a connection that is no more.
func (s *attempts) leave(c *conn) {
	for _, a := range s.of(c) {
		a.mu.Lock()
		a.endLocked("peer_gone", wire.AttemptOver_REASON_PEER_GONE, c)
		a.mu.Unlock()
	}
}

// endLocked ends the attempt and tells both sides, but for silent.
func (a *attempt) endLocked(outcome string, reason wire.AttemptOver_Reason, silent *conn) {
	if a.over {
		return
	}
	frame := a.all.server.appendFrame(nil, &wire.ServerMessage{Body: &wire.ServerMessage_AttemptOver{AttemptOver: &wire.AttemptOver{Attempt: a.id[:], Reason: reason}}})
	for _, e := range a.ends {
		if e.conn == silent {
			continue
		}
		if a.round == 0 { // no introduction has answered its Dial
			for _, request := range append(e.also, e.request) {
				if request != 0 {
					a.all.server.failDial(e.conn, &wire.Dial{Request: request}, wire.DialFailed_CODE_NOT_HERE, 0)
				}
			}
			continue
		}
		e.conn.send(frame)
	}
	a.closeLocked(outcome)
}

func (a *attempt) closeLocked(outcome string) {
	a.over = true
	if a.timer != nil {
		a.timer.Stop()
	}
	count(a.all.server.metrics.attempts, outcome)
	a.all.forget(a)
}

// forget takes a out of the books. The order of locks is an attempt's before that of all.
func (s *attempts) forget(a *attempt) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.byID[a.id] != a {
		return
	}
	delete(s.byID, a.id)
	delete(s.byPair, pairOf(a.ends[0].conn, a.ends[1].conn, a.returning))
	for _, e := range a.ends {
		e.conn.attempts.Add(-1)
	}
}

// close ends all, telling nobody, and lets none begin.
func (s *attempts) close() {
	s.mu.Lock()
	s.closed = true
	running := make([]*attempt, 0, len(s.byID))
	for _, a := range s.byID {
		running = append(running, a)
	}
	s.mu.Unlock()
	for _, a := range running {
		a.mu.Lock()
		if !a.over {
			a.closeLocked("closed")
		}
		a.mu.Unlock()
	}
}
