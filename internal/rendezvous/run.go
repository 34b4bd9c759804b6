package rendezvous

import (
	"context"
	"errors"
	mathrand "math/rand/v2"
	"time"
)

// Run keeps the main connection: it connects, registers, pings, and does so again when the connection is lost, after a wait that
// grows and that the server may lengthen. It returns ctx's error when ctx ends, after it closed the connection in order, so
// that watchers learn of it at once; or a *RefusedError that another try would not change. It is to be called once.
func (c *Client) Run(ctx context.Context) error {
	defer close(c.ended)
	defer c.roster.end()
	var wait backoff
	for {
		end, err := c.runOnce(ctx)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if errors.Is(err, errMoved) {
			c.log.Info("connecting again", "why", err)
			wait = backoff{}
			continue
		}
		if refused := (*RefusedError)(nil); errors.As(err, &refused) {
			if refused.isFinal(c.wasRegistered()) {
				return refused
			}
			end.retryAfter = refused.RetryAfter
		}
		pause := wait.next(end, mathrand.N)
		c.log.Info("rendezvous server lost", "err", err, "again_in", pause)
		if !c.rest(ctx, pause, end.retryAfter == 0) {
			return ctx.Err()
		}
	}
}

// wantedAfter is how soon after a failed attempt Hurry can cause the next: a server that is started again is found within that by who has lost its relay,
// and one that is not there is asked four times in a second.
const wantedAfter = 250 * time.Millisecond

// Hurry has the client connect again without waiting to the end of its pause, because somebody needs the server now. It does nothing
// while connected, in the first quarter of a second of a pause, and while a busy server has asked to be left alone.
func (c *Client) Hurry() {
	select {
	case c.wanted <- struct{}{}:
	default: // noted already
	}
}

// rest waits for pause before the next connection attempt, or, if mayCut, until Hurry is called. It returns false when ctx ends.
func (c *Client) rest(ctx context.Context, pause time.Duration, mayCut bool) bool {
	select {
	case <-c.wanted: // from before
	default:
	}
	over, soon := time.NewTimer(pause), time.NewTimer(wantedAfter)
	defer over.Stop()
	defer soon.Stop()
	var wanted <-chan struct{}
	for {
		select {
		case <-ctx.Done():
			return false
		case <-over.C:
			return true
		case <-soon.C:
			if mayCut {
				wanted = c.wanted
			}
		case <-wanted:
			return true
		case <-c.moved:
			return true
		}
	}
}

// runOnce makes one connection and serves it until it ends.
func (c *Client) runOnce(ctx context.Context) (ending, error) {
	s, err := c.connectUnlessMoved(ctx)
	if err != nil {
		if c.takeMoved() {
			return ending{}, errMoved
		}
		c.finishOutcome(State{}, err)
		return ending{}, err
	}
	started := time.Now()
	c.adopt(s)
	if len(c.moved) > 0 { // just before
		abort(s.conn.NetConn())
	}
	err = s.serve(ctx)
	c.abandon()
	if c.takeMoved() || s.isSuspect() {
		err = errMoved
	}
	return ending{lasted: time.Since(started), spread: s.spread}, err
}

// adopt makes s the connection that everybody uses.
func (c *Client) adopt(s *mainConn) {
	c.mu.Lock()
	c.main, c.registered, c.preferred = s, true, s.state.Remote
	before := c.state
	c.state = s.state
	c.state.Mapped = c.mapped.endpoint
	if before.Local == s.state.Local && before.Observed == s.state.Observed { // the same network, as far as can be seen
		c.state.Holes, c.state.IPv4, c.state.IPv6, c.state.Behavior = before.Holes, before.IPv4, before.IPv6, before.Behavior
		c.state.Measured = before.Measured
	}
	c.mu.Unlock()
	c.finishOutcome(s.state, nil)
	c.tellState()
}

// dismiss has nobody use the connection any more, which has ended.
func (c *Client) dismiss() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.main = nil
	c.state.Connected = false
}

// abandon tells that the connection has ended, and that nothing of it runs any more.
func (c *Client) abandon() {
	c.roster.disconnected()
	c.tellState()
}
