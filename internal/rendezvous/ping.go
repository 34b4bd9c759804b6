package rendezvous

import (
	"time"

	"github.com/bodkin-p2p/bodkin/internal/wire"
)

func (s *mainConn) ping() {
	s.mu.Lock()
	rtt := s.rtt
	if s.pinged.IsZero() {
		s.pinged = time.Now()
	}
	s.mu.Unlock()
	s.send(&wire.ClientMessage{Body: &wire.ClientMessage_Ping{Ping: &wire.Ping{RttUs: uint32(min(rtt, time.Minute).Microseconds())}}})
}

// ponged takes the round trip. Of several, a lower one counts at once and a higher one by an eighth: what is
// wanted is the path's delay, not that of a queue.
func (s *mainConn) ponged(m *wire.Pong) {
	s.spread = time.Duration(m.GetReconnectSpreadMs()) * time.Millisecond
	s.mu.Lock()
	if s.pinged.IsZero() {
		s.mu.Unlock()
		return
	}
	sample := time.Since(s.pinged)
	s.pinged = time.Time{}
	if s.rtt == 0 || sample < s.rtt {
		s.rtt = sample
	} else {
		s.rtt += (sample - s.rtt) / 8
	}
	rtt := s.rtt
	s.mu.Unlock()

	c := s.client
	c.mu.Lock()
	defer c.mu.Unlock()
	c.state.RTT = rtt
}
