// Package rendezvous is a node's side of the rendezvous server: it keeps the main connection, asks for introductions and hears of
// them, watches who is in the room, and shows by hole connections how the node's port is mapped. The server is in
// the package server below, which the library does not need.
//
// It opens no sockets itself: whoever makes the Client gives it a way to dial from the node's port, and a TLS
// configuration that knows the server's key. It does not trust the server with more than its part: messages are validated, queues
// bounded, and which addresses are dialled is decided elsewhere.
package rendezvous

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"log/slog"
	mathrand "math/rand/v2"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/bodkin-p2p/bodkin/internal/wire"
)

// ClientConfig is what a Client is made from. Servers, Dial, TLS and Profile are needed.
type ClientConfig struct {
	Servers []string                                                           // host:port of main listeners, best first
	Dial    func(ctx context.Context, remote netip.AddrPort) (net.Conn, error) // from the node's port
	// IsProxied tells which servers can only be reached through a proxy, and DialProxied connects to one. Nil: none.
	IsProxied   func(server string) bool
	DialProxied func(ctx context.Context, server string) (net.Conn, error)

	// DialSample connects from another port than the node's, to see how the network maps it, and calls started once the SYN has left. A
	// local address that is not zero is that of an earlier sample, which is to be used again. Nil: there are no samples.
	DialSample func(ctx context.Context, local, remote netip.AddrPort, started func()) (net.Conn, error)

	Resolve func(ctx context.Context, host string) ([]netip.Addr, error) // nil: net.DefaultResolver
	TLS     *tls.Config                                                  // of identity.NodeConfig
	Profile func() Registration                                          // asked at each registration

	// The functions below are called one at a time, in the order of what happened, and must return at once: nothing is received
	// meanwhile. They may call methods of the Client that do not block. Each may be nil.

	// Introduced gets every introduction: of attempts that the peer began, of further rounds, those that answer an Introduce
	// (before it returns), and again the current one when a Dial joined an attempt that was under way.
	Introduced func(Introduction)
	Over       func(wire.AttemptID, OverReason)       // the server starts no further round
	RelayOver  func(wire.AttemptID, wire.RelayStatus) // the server ends a relayed connection of this node
	Seen       func(State)                            // the state changed, but for its RTT

	// SampleAsked is told that the server waits for a Sample. It comes only with Registration.Samples.
	SampleAsked func(SampleRequest)

	Log *slog.Logger // nil: silence
}

// A Client is a node's lasting connection to its rendezvous server. Its methods are safe for concurrent use.
type Client struct {
	config ClientConfig
	log    *slog.Logger
	roster *roster
	ended  chan struct{} // closed when Run returns
	wanted chan struct{} // somebody called Hurry
	moved  chan struct{} // somebody called Moved

	remeasure chan struct{}       // somebody called Remeasure
	proofKey  [wire.ProofLen]byte // by which the server knows this node when it dials it

	telling sync.Mutex // held while one of the config's functions is called

	mu         sync.Mutex
	main       *mainConn // nil: not registered
	giveUp     func()    // ends the connection attempt that is under way; nil: none is
	state      State
	outcome    *outcome // of the connection attempt that is under way or comes next
	untold     error    // of the last attempt, if it failed and Registered has not told it yet
	request    uint64
	mapped     mapped
	expecting  int                      // measurements under way, in which the node is dialled
	contacted  map[netip.Addr]time.Time // of the server, by hole connections from the node's port, and when last
	registered bool                     // some time
	keepAlive  time.Duration            // see KeepAlive
	preferred  netip.AddrPort           // served last, is tried first
}

// An outcome is what a connection attempt came to: a registration or an error.
type outcome struct {
	done  chan struct{} // closed when the rest is set
	state State
	err   error
}

func newOutcome() *outcome { return &outcome{done: make(chan struct{})} }

// NewClient returns a Client that waits for Run.
func NewClient(config ClientConfig) *Client {
	if config.Resolve == nil {
		config.Resolve = func(ctx context.Context, host string) ([]netip.Addr, error) {
			return net.DefaultResolver.LookupNetIP(ctx, "ip", host)
		}
	}
	if config.Log == nil {
		config.Log = slog.New(slog.DiscardHandler)
	}
	c := &Client{config: config, log: config.Log, ended: make(chan struct{}), outcome: newOutcome(),
		wanted: make(chan struct{}, 1), moved: make(chan struct{}, 1), remeasure: make(chan struct{}, 1)}
	rand.Read(c.proofKey[:]) // never fails
	c.roster = newRoster(c.watch)
	return c
}

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

// wantedAfter is how soon after a failed attempt Hurry can cause the next.
const wantedAfter = time.Second

// Hurry has the client connect again without waiting to the end of its pause, because somebody needs the server now. It does nothing
// while connected, in the first second of a pause, and while a busy server has asked to be left alone.
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

// finishOutcome wakes those who wait for the end of the connection attempt.
func (c *Client) finishOutcome(state State, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.outcome.state, c.outcome.err = state, err
	c.untold = err
	close(c.outcome.done)
	c.outcome = newOutcome()
}

func (c *Client) tellState() {
	if c.config.Seen != nil {
		c.telling.Lock()
		defer c.telling.Unlock()
		c.config.Seen(c.State())
	}
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

// State returns what is known now.
func (c *Client) State() State {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.state
}

// Update registers again, because the profile changed. Without a connection the next one will.
func (c *Client) Update() {
	if s := c.current(); s != nil {
		s.registerAgain(c.config.Profile())
	}
}

// KeepAlive has the node ping at least so often, from the next ping on, whatever the server wants: this network forgets what is idle. Zero is
// as often as the server says.
func (c *Client) KeepAlive(every time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.keepAlive = every
}

// pingInterval is how often a node pings whose server says how often it should.
func (c *Client) pingInterval(told time.Duration) time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.keepAlive > 0 {
		return max(min(told, c.keepAlive), pingIntervalMin)
	}
	return told
}

// current returns the connection, or nil.
func (c *Client) current() *mainConn {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.main
}

func (c *Client) wasRegistered() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.registered
}
