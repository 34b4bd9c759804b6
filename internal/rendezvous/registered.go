package rendezvous

import (
	"context"
	"net"
)

// An outcome is what a connection attempt came to: a registration or an error.
type outcome struct {
	done  chan struct{} // closed when the rest is set
	state State
	err   error
}

func newOutcome() *outcome { return &outcome{done: make(chan struct{})} }

// finishOutcome wakes those who wait for the end of the connection attempt.
func (c *Client) finishOutcome(state State, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.outcome.state, c.outcome.err = state, err
	c.untold = err
	close(c.outcome.done)
	c.outcome = newOutcome()
}

// Registered returns at once if the node is registered. Else it tells how the connection attempt ends that is under way, or the last one
// if that failed and nobody was told, or the next: with an *UnreachableError, after which Run keeps trying, or a
// *RefusedError. It returns ctx's error when ctx ends, and net.ErrClosed after Run has returned.
func (c *Client) Registered(ctx context.Context) (State, error) {
	c.mu.Lock()
	o, state, isRegistered, untold := c.outcome, c.state, c.main != nil, c.untold
	c.untold = nil
	c.mu.Unlock()
	switch {
	case isRegistered:
		return state, nil
	case untold != nil:
		return State{}, untold
	}
	select {
	case <-o.done:
	case <-ctx.Done():
		return State{}, ctx.Err()
	case <-c.ended:
		return State{}, net.ErrClosed
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.untold = nil
	return o.state, o.err
}
