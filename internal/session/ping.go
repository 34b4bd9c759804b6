package session

import (
	"context"
	"time"
)

// pings are the questions for a sign of life that are out. An answer is one to all before it, too.
type pings struct {
	last uint64
	out  []ping
	rtt  time.Duration
}

type ping struct {
	value    uint64
	at       time.Time
	answered chan<- time.Duration // may be nil; has room for one
}

// ping asks the peer for a sign of life. The caller holds mu.
func (s *Session) ping(answered chan<- time.Duration) {
	p := &s.pings
	p.last++
	p.out = append(p.out, ping{p.last, time.Now(), answered})
	s.speech.ping = p.last
	s.speak()
}

// ponged takes an answer. One that was not asked for says nothing. The caller holds mu.
func (s *Session) ponged(value uint64) {
	p := &s.pings
	for len(p.out) > 0 && p.out[0].value <= value {
		first := p.out[0]
		took := time.Since(first.at)
		if first.value == value {
			p.rtt = took
		}
		if first.answered != nil {
			first.answered <- took
		}
		p.out = p.out[:copy(p.out, p.out[1:])]
	}
}

// Ping measures the round trip to the peer's session; it goes out before what streams have not yet handed to the line. It fails when
// the session is over or ctx is. While the line has no path it waits.
func (s *Session) Ping(ctx context.Context) (time.Duration, error) {
	answered := make(chan time.Duration, 1)
	s.mu.Lock()
	err := s.ending()
	if err == nil {
		s.ping(answered)
	}
	s.mu.Unlock()
	if err != nil {
		return 0, err
	}
	select {
	case took := <-answered:
		return took, nil
	case <-s.done:
		return 0, s.Err()
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}

// ending tells why nothing new can begin; nil if it can. The caller holds mu.
func (s *Session) ending() error {
	if s.cause == nil && s.closing {
		return errClosed
	}
	return s.cause
}
