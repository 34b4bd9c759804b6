package rendezvous

import (
	"context"
	"time"

	"github.com/bodkin-p2p/bodkin/internal/identity"
	"github.com/bodkin-p2p/bodkin/internal/wire"
)

// Introduce asks for an introduction to target and waits for the answer. If an attempt between the two runs already, it is that one's: this
// node may then be the callee.
//
// The error is ErrNotHere, a *LimitedError, ErrOffline or ctx's.
func (c *Client) Introduce(ctx context.Context, target Target) (Introduction, error) {
	s := c.current()
	if s == nil {
		return Introduction{}, ErrOffline
	}
	c.mu.Lock()
	c.request++
	request := c.request
	c.mu.Unlock()
	waiting, ok := s.dial(request)
	if !ok {
		return Introduction{}, ErrOffline
	}
	defer s.forget(request)
	if err := s.send(target.dial(request)); err != nil {
		return Introduction{}, err
	}
	select {
	case a := <-waiting:
		return a.introduction, a.err
	case <-ctx.Done():
		return Introduction{}, ctx.Err()
	}
}

// Report tells the server what failed in a round, of which it makes the next one if that helps. It does not block. More than
// 16 failures are cut. The error is ErrOffline.
func (c *Client) Report(attempt wire.AttemptID, round int, failures []Failure) error {
	report := &wire.Report{Attempt: attempt[:], Round: uint32(round)}
	for _, f := range failures[:min(len(failures), wire.MaxFailures)] {
		report.Failures = append(report.Failures, &wire.PairFailure{Remote: wire.NewEndpoint(f.Remote), Kind: wire.FailureKind(f.Kind)})
	}
	return c.send(&wire.ClientMessage{Body: &wire.ClientMessage_Report{Report: report}})
}

// Finished tells the server that an attempt is over for this node: with a connection from round, or without one. It does not
// block. The error is ErrOffline.
func (c *Client) Finished(attempt wire.AttemptID, round int, with Carrier) error {
	return c.send(&wire.ClientMessage{Body: &wire.ClientMessage_Finished{Finished: &wire.Finished{
		Attempt: attempt[:], Direct: with == DirectCarrier, Relayed: with == RelayedCarrier, Round: uint32(round)}}})
}

func (c *Client) send(m *wire.ClientMessage) error {
	s := c.current()
	if s == nil {
		return ErrOffline
	}
	return s.send(m)
}

// An answer is what a Dial came to.
type answer struct {
	introduction Introduction
	err          error
}

// dial registers a waiting request. Without a connection it returns false.
func (s *mainConn) dial(request uint64) (<-chan answer, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.dials == nil {
		return nil, false
	}
	waiting := make(chan answer, 1)
	s.dials[request] = waiting
	return waiting, true
}

func (s *mainConn) forget(request uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.dials, request)
}

func (s *mainConn) introduced(m *wire.Introduction) {
	i := Introduction{
		Attempt:  wire.AttemptID(m.Attempt),
		Request:  m.Request,
		Round:    int(m.Round),
		Role:     Role(m.Role),
		Peer:     identity.NodeID(m.Peer),
		Sealed:   m.SealedProfile,
		NameTag:  [wire.NameTagLen]byte(m.NameTag),
		Observed: wire.AddrPorts(m.Observed),
		Mapped:   wire.AddrPorts(m.Mapped),
		Received: time.Now(),
		Delay:    time.Duration(m.DelayUs) * time.Microsecond,
		Deadline: time.Duration(m.DeadlineMs) * time.Millisecond,
	}
	i.Behavior.IPv4, i.Behavior.IPv6 = BehaviorReport(m.Behavior, i.Received), BehaviorReport(m.Behavior6, i.Received)
	i.Sample, i.Fresh, i.Beside = m.Sample.AddrPort(), m.Fresh.AddrPort(), m.Beside
	i.Relayed, i.Returning, i.Kept = m.Relayed, m.Returning, m.Kept
	if offer := m.Relay; offer != nil {
		micros := func(n uint32) time.Duration { return time.Duration(n) * time.Microsecond }
		i.Relay = &RelayOffer{Token: offer.Token, HeadStart: micros(offer.HeadStartUs), RTT: micros(offer.RttUs)}
	}
	if tell := s.client.config.Introduced; tell != nil {
		s.client.telling.Lock()
		tell(i)
		s.client.telling.Unlock()
	}
	if i.Request != 0 {
		s.answer(i.Request, answer{introduction: i})
	}
}

func (s *mainConn) dialFailed(m *wire.DialFailed) {
	err := error(ErrNotHere)
	if m.Code == wire.DialFailed_CODE_LIMITED {
		err = &LimitedError{time.Duration(m.RetryAfterMs) * time.Millisecond}
	}
	s.answer(m.Request, answer{err: err})
}

// answer gives a to whoever waits for it. There is one answer to a request; further rounds find nobody waiting.
func (s *mainConn) answer(request uint64, a answer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if waiting := s.dials[request]; waiting != nil {
		waiting <- a // has room for one
		delete(s.dials, request)
	}
}

// endDials answers all who wait, and lets nobody begin.
func (s *mainConn) endDials() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, waiting := range s.dials {
		waiting <- answer{err: ErrOffline}
	}
	s.dials = nil
}
