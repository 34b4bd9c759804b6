package relay

import (
	"net"
	"time"

	"github.com/bodkin-p2p/bodkin/internal/wire"
)

// A side is one connection with what its token says.
type side struct {
	Ticket
	kept bool // the token was kept for later: the other side may not know that it is to come
	conn net.Conn
	node *account
	room *account
}

// seat is the place of c's role in a meeting.
func (c *side) seat() int {
	if c.Role == wire.Role_ROLE_DIALER {
		return 0
	}
	return 1
}

// A meeting is where the two sides of one attempt find each other. It outlives them for Limits.TokenLife, in which tokens become too old, so that each
// token is good once; one that is kept for later is good once in that time.
type meeting struct {
	came    [2]bool // by role
	waiting *side   // nil: nobody
	alone   *time.Timer
	expires time.Duration // since the server started
}

const ready = wire.RelayStatus_RELAY_STATUS_READY

// meet joins c with the other side of its attempt, or keeps it until that comes. Any answer but ready is a refusal of c,
// which is the caller's to tell.
func (s *Server) meet(c *side, expires time.Duration) wire.RelayStatus {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return wire.RelayStatus_RELAY_STATUS_CLOSING
	}
	m := s.meetings[c.Attempt]
	if m == nil {
		m = &meeting{}
		s.meetings[c.Attempt] = m
	}
	m.expires = max(m.expires, min(expires, s.now()+s.limits.TokenLife))
	if m.came[c.seat()] {
		return wire.RelayStatus_RELAY_STATUS_TOKEN
	}
	m.came[c.seat()] = true
	c.node, c.room = s.nodes.of(c.Owner.Node), s.rooms.of(c.Owner.Room)
	if status := s.admissible(c); status != ready {
		if m.waiting != nil {
			s.releaseLocked(m, status)
		}
		return status
	}
	if m.waiting == nil {
		return s.waitLocked(m, c)
	}
	return s.joinLocked(m, c)
}

// admissible tells whether c's node and room have quota left.
func (s *Server) admissible(c *side) wire.RelayStatus {
	switch {
	case c.node == nil || c.room == nil,
		len(s.pairs) >= s.limits.Pairs, c.node.pairs >= s.limits.PairsPerNode, c.room.pairs >= s.limits.PairsPerRoom:
		return wire.RelayStatus_RELAY_STATUS_BUSY
	case s.nodes.spent(c.node), s.rooms.spent(c.room):
		return wire.RelayStatus_RELAY_STATUS_BYTES
	}
	return ready
}

// waitLocked keeps c until the other side comes. Meanwhile it is a socket and a timer. Those with kept tokens often wait for nobody: they leave half of
// the room to those whose other side was told to come, too.
func (s *Server) waitLocked(m *meeting, c *side) wire.RelayStatus {
	most, mostOfNode := s.limits.Waiting, s.limits.WaitingPerNode
	if c.kept {
		most, mostOfNode = most/2, mostOfNode/2
	}
	switch {
	case m.came[1-c.seat()]: // and went
		return wire.RelayStatus_RELAY_STATUS_ALONE
	case s.waiting >= most || c.node.waiting >= mostOfNode:
		return wire.RelayStatus_RELAY_STATUS_BUSY
	}
	s.waiting++
	c.node.waiting++
	m.waiting = c
	m.alone = time.AfterFunc(s.limits.WaitTimeout, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if m.waiting == c {
			s.releaseLocked(m, wire.RelayStatus_RELAY_STATUS_ALONE)
		}
	})
	return ready
}

// leaveLocked takes the waiting side out of its meeting.
func (s *Server) leaveLocked(m *meeting) *side {
	c := m.waiting
	m.alone.Stop()
	m.waiting, m.alone = nil, nil
	s.waiting--
	c.node.waiting--
	return c
}

// releaseLocked sends the waiting side away.
func (s *Server) releaseLocked(m *meeting, status wire.RelayStatus) {
	c := s.leaveLocked(m)
	s.work.Go(func() { s.refuse(c.conn, status) })
}

func (s *Server) joinLocked(m *meeting, c *side) wire.RelayStatus {
	p := newPair(s, s.leaveLocked(m), c)
	s.pairs[p] = struct{}{}
	for _, side := range p.sides {
		side.node.pairs++
		side.room.pairs++
	}
	s.counts.joined.Add(1)
	s.work.Go(func() {
		p.run()
		s.part(p)
	})
	return ready
}

// part takes an ended pair out of the books.
func (s *Server) part(p *pair) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.pairs, p)
	for _, side := range p.sides {
		side.node.pairs--
		side.room.pairs--
	}
}

// forgetMeetings drops those whose tokens are too old to come again.
func (s *Server) forgetMeetings() {
	now := s.now()
	s.mu.Lock()
	defer s.mu.Unlock()
	for attempt, m := range s.meetings {
		if m.waiting == nil && m.expires < now {
			delete(s.meetings, attempt)
		}
	}
}

func (s *Server) beginPeriod() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.nodes.begin()
	s.rooms.begin()
}

// close sends everybody away and waits for it.
func (s *Server) close() {
	s.mu.Lock()
	s.closed = true
	for _, m := range s.meetings {
		if m.waiting != nil {
			s.releaseLocked(m, wire.RelayStatus_RELAY_STATUS_CLOSING)
		}
	}
	for p := range s.pairs {
		p.end(wire.RelayStatus_RELAY_STATUS_CLOSING)
	}
	s.mu.Unlock()
	s.work.Wait()
}
