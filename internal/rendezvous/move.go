package rendezvous

import (
	"context"
	"errors"
	"time"
)

// checkTimeout is how long an answer may take when the network has changed, until a round trip is known: longer than one by
// satellite and one packet lost. Then it is two round trips and checkLeast: a kernel sends what was lost again after a round trip and 0.2 s.
const (
	checkTimeout = 2 * time.Second
	checkLeast   = 250 * time.Millisecond
)

// suspicion is whether a main connection may be dead. But for its channel it is guarded by the connection's mu.
type suspicion struct {
	suspect   bool          // the network changed, and nothing has come since
	checks    uint64        // how often it did
	suspected chan struct{} // holds one; see witness
}

// Moved tells the client that what it has open leads nowhere any more, because the machine is in another network: the connection,
// or the attempt to make one, is given up, and the next is made at once. It does not block.
func (c *Client) Moved() {
	select {
	case c.moved <- struct{}{}:
	default: // noted already
	}
	c.mu.Lock()
	s, giveUp := c.main, c.giveUp
	c.mu.Unlock()
	switch {
	case s != nil:
		abort(s.conn.NetConn()) // the reader finds out
	case giveUp != nil:
		giveUp()
	}
}

// Check finds out whether the connection still works after a change in the network that leaves its local address as it is: behind it
// may be another NAT. If nothing comes from the server within two round trips and 0.25 s it is replaced at once, and sooner if the server
// answers on a hole connection meanwhile. It does not block.
func (c *Client) Check() {
	if s := c.current(); s != nil {
		s.check()
	}
}

// check gives the server a short while for its next message.
func (s *mainConn) check() {
	s.mu.Lock()
	if !s.leaveBy.IsZero() {
		s.mu.Unlock()
		return
	}
	if s.suspect { // an answer is awaited
		s.mu.Unlock()
		return
	}
	s.suspect = true
	s.checks++
	s.conn.SetReadDeadline(time.Now().Add(s.checkTimeLocked()))
	s.mu.Unlock()
	s.ping()
	select {
	case s.suspected <- struct{}{}:
	default: // the last one is being looked at
	}
}

// witnessMargin is what an answer on the main connection may take longer than one on a hole connection, beside half a round trip.
const witnessMargin = 20 * time.Millisecond

// witness asks the server on a hole connection, too, whenever it has been asked on this one by check. That takes one round trip more: if
// it is answered first, the server and the way there are well, and this connection is dead. The server's answer is known sooner than what a
// kernel has to send again, and a lost address at once.
func (s *mainConn) witness(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.suspected:
		}
		if s.proxied || len(s.holePorts) == 0 {
			continue
		}
		s.mu.Lock()
		check, isSuspect := s.checks, s.suspect
		s.mu.Unlock()
		if !isSuspect { // answered while an earlier check was looked at
			continue
		}
		sample, err := s.openHole(ctx, s.holesHere()[0])
		if err != nil {
			continue
		}
		s.mu.Lock()
		margin := s.rtt/2 + witnessMargin
		if sample.Seen.Addr() != s.state.Observed.Addr() {
			margin = 0
		}
		if s.suspect && s.checks == check && s.leaveBy.IsZero() {
			s.conn.SetReadDeadline(time.Now().Add(margin))
		}
		s.mu.Unlock()
	}
}

func (s *mainConn) checkTimeLocked() time.Duration {
	if s.rtt == 0 {
		return checkTimeout
	}
	return min(2*s.rtt+checkLeast, checkTimeout)
}

// isSuspect reports whether the server was silent since check.
func (s *mainConn) isSuspect() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.suspect
}

// errMoved ends a connection, or an attempt, that is to be replaced at once.
var errMoved = errors.New("the network changed")

// takeMoved reports whether Moved was called since the last time.
func (c *Client) takeMoved() bool {
	select {
	case <-c.moved:
		return true
	default:
		return false
	}
}

// connectUnlessMoved is connect, until Moved is called.
func (c *Client) connectUnlessMoved(ctx context.Context) (*mainConn, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	c.mu.Lock()
	c.giveUp = cancel
	c.mu.Unlock()
	s, err := c.connect(ctx)
	c.mu.Lock()
	c.giveUp = nil
	c.mu.Unlock()
	return s, err
}
