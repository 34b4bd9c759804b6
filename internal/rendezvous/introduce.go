package rendezvous

import (
	"context"

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

func (t Target) dial(request uint64) *wire.ClientMessage {
	dial := &wire.Dial{Request: request, Target: &wire.Dial_Node{Node: t.node[:]}}
	dial.DirectOnly, dial.Sampling, dial.Beside = t.directOnly, t.sampling, t.beside
	dial.Relayed, dial.Returning = t.relayed, t.returning
	if t.name != nil {
		dial.Target = &wire.Dial_NameTag{NameTag: t.name[:]}
	}
	return &wire.ClientMessage{Body: &wire.ClientMessage_Dial{Dial: dial}}
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
