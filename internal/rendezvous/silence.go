package rendezvous

import (
	"errors"
	"net"
	"time"
)

// tellSilence tells whoever wants to know if err, by which the connection ended, is that nothing came for too long.
func (s *mainConn) tellSilence(err error) {
	timeout := net.Error(nil)
	if s.client.config.Died == nil || s.proxied || !errors.As(err, &timeout) || !timeout.Timeout() {
		return
	}
	s.mu.Lock()
	heard, missed, leaving := s.heard, s.pinged, !s.leaveBy.IsZero()
	s.mu.Unlock()
	if leaving {
		return
	}
	if missed.Before(heard) { // the pong is missing, but something came behind the ping
		missed = time.Now()
	}
	s.client.telling.Lock()
	defer s.client.telling.Unlock()
	s.client.config.Died(heard, missed)
}
