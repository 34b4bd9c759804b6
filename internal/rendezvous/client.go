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
	"log/slog"
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
	Died       func(heard, missed time.Time)          // the connection was given up, as it had fallen silent: when it was heard last, and since when it was missed

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

func (c *Client) tellState() {
	if c.config.Seen != nil {
		c.telling.Lock()
		defer c.telling.Unlock()
		c.config.Seen(c.State())
	}
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
