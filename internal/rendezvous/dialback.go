package rendezvous

import (
	"context"
	"net/netip"
	"slices"
	"time"

	"github.com/bodkin-p2p/bodkin/internal/natbehavior"
	"github.com/bodkin-p2p/bodkin/internal/wire"
)

const (
	// dialBackTimeout bounds the wait for what the server tells of its dials to the node; it waits for 5 s itself at most.
	dialBackTimeout = 7 * time.Second
	// dialBackRetryMin keeps a busy server from being asked again at once.
	dialBackRetryMin = 20 * time.Second
)

// dialling is the last question to the server to dial the node. It is guarded by the main connection's mu.
type dialling struct {
	dialBackNumber uint32
	dialledBack    chan *wire.DialledBack // for the answer, holds one; nil: nobody waits
}

// dialBack has the server dial the node, and takes what came back. It returns when to ask again if the server was busy.
func (m *measurement) dialBack(ctx context.Context) (retryAfter time.Duration) {
	s := m.main
	number, answers := s.askDialBack()
	err := s.send(&wire.ClientMessage{Body: &wire.ClientMessage_DialBack{DialBack: &wire.DialBack{
		Number: number, Key: append([]byte(nil), s.client.proofKey[:]...)}}})
	if err != nil {
		return 0
	}
	timer := time.NewTimer(dialBackTimeout)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return 0
	case <-timer.C: // a server that knows nothing of this
		return 0
	case answer := <-answers:
		if len(answer.Tries) == 0 && answer.RetryAfterMs > 0 {
			return min(max(time.Duration(answer.RetryAfterMs)*time.Millisecond, dialBackRetryMin), retryMax)
		}
		m.take(answer)
		return 0
	}
}

// take keeps the answers of the server's dials. From an address that the node has just connected to a dial says nothing of the filter: the
// answer of the last measurement stands.
func (m *measurement) take(answer *wire.DialledBack) {
	m.mu.Lock()
	defer m.mu.Unlock()
	before := slices.Concat(m.v4.DialBacks, m.v6.DialBacks)
	m.v4.DialBacks, m.v6.DialBacks = nil, nil
	for _, try := range answer.Tries {
		from, _ := netip.AddrFromSlice(try.From)
		d := natbehavior.DialBack{From: from.Unmap(), To: try.To.AddrPort(), Answer: known(try.Answer, natbehavior.ICMP), Fresh: try.OtherAddress}
		if d.Fresh && !m.main.client.isFresh(d.From) {
			i := slices.IndexFunc(before, func(b natbehavior.DialBack) bool { return b.Fresh && b.From == d.From })
			if i < 0 {
				continue
			}
			d = before[i]
		}
		e := m.of(d.From)
		e.DialBacks = append(e.DialBacks, d)
	}
}

// askDialBack makes a channel for the answer to the question of that number.
func (s *mainConn) askDialBack() (number uint32, answers <-chan *wire.DialledBack) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.dialBackNumber++
	s.dialledBack = make(chan *wire.DialledBack, 1)
	return s.dialBackNumber, s.dialledBack
}

// answerDialBack gives the answer to who waits for it.
func (s *mainConn) answerDialBack(m *wire.DialledBack) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.dialledBack != nil && m.Number == s.dialBackNumber {
		s.dialledBack <- m // has room for one
		s.dialledBack = nil
	}
}
