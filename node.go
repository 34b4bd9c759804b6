package bodkin

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/bodkin-p2p/bodkin/internal/identity"
	"github.com/bodkin-p2p/bodkin/internal/punch"
	"github.com/bodkin-p2p/bodkin/internal/rendezvous"
	"github.com/bodkin-p2p/bodkin/internal/reuseport"
	"github.com/bodkin-p2p/bodkin/internal/wire"
)

// serverTimeout is how long sent bytes may stay unacknowledged on the main connection before the kernel gives it up.
// It is longer than a ping interval (20 s), and far shorter than the kernel's own 15 minutes.
const serverTimeout = 30 * time.Second

// portCheckTimeout bounds the check of the port, which takes some 2 ms where nothing on the machine drops its SYNs.
const portCheckTimeout = 2 * time.Second

// ticketCache is how many TLS session tickets of its server a node keeps: one for the next connection, and one to spare.
const ticketCache = 2

// A Node is this machine's presence in a room. It is safe for concurrent use.
type Node struct {
	config    Config
	id        NodeID
	log       *slog.Logger
	port      localPort
	portReuse rendezvous.PortReuse
	client    *rendezvous.Client
	acceptor  punch.Acceptor

	services services
	links    links
	dials    dials
	attempts attempts
	calls    *rate.Limiter // of introductions that were not asked for
	relays   relays
	sampling chan struct{} // holds one for each sample that is under way
	samples  *rate.Limiter
	pace     *synRate
	searches searches
	roster   roster
	mapping  mapping
	network  network
	locals   locals
	aging    aging

	localCalls    *rate.Limiter // that nobody introduced
	introductions *rate.Limiter // of others to each other

	ctx    context.Context // ends with the node
	cancel context.CancelFunc
	tasks  sync.WaitGroup
	done   chan struct{} // closed when the node is of no more use: closed, or refused for good

	mu  sync.Mutex
	err error // why done is closed
}

// Join makes a node: it takes a local port, connects to the room's server from there and registers. It returns when the
// server has answered. ctx bounds the joining only; the node runs until [Node.Close].
//
// Errors: [ErrServerUnreachable] if no address of the server answers (with Config.Patient it tries on until ctx ends),
// [ErrRefused] if the server does not serve the room or another node holds the name, and what goes wrong locally.
func Join(ctx context.Context, config Config) (*Node, error) {
	config, err := config.withDefaults()
	if err != nil {
		return nil, err
	}
	port, err := config.system.Open(ctx, config.Port)
	if err != nil {
		return nil, err
	}
	n, err := newNode(config, port)
	if err != nil {
		port.Close()
		return nil, err
	}
	n.checkPort(ctx)
	n.run()
	if err := n.registered(ctx); err != nil {
		n.Close()
		return nil, err
	}
	return n, nil
}

func newNode(config Config, port localPort) (*Node, error) {
	security, err := identity.NodeConfig(config.Key, config.Invite.Room, config.Invite.Server, tls.NewLRUClientSessionCache(ticketCache))
	if err != nil {
		return nil, err
	}
	n := &Node{
		config: config,
		id:     config.Key.NodeID(),
		log:    config.Log,
		port:   port,
		calls:  rate.NewLimiter(callsPerSecond, callsAtOnce),
		pace:   newSYNRate(),

		sampling: make(chan struct{}, samplesAtOnce),
		samples:  rate.NewLimiter(samplesPerSecond, samplesInARow),
		done:     make(chan struct{}),
	}
	n.introductions = rate.NewLimiter(introductionsPerSecond, introductionsAtOnce)
	n.locals = newLocals()
	n.roster.known = config.KnownPeers
	n.localCalls = rate.NewLimiter(localCallsPerSecond, localCallsAtOnce)
	n.mapping.wake, n.aging.wake = make(chan struct{}, 1), make(chan struct{}, 1)
	n.ctx, n.cancel = context.WithCancel(context.Background()) // outlives Join's: Close ends it
	n.acceptor.Answer = func(challenge [wire.ProofLen]byte) []byte { return n.client.AnswerProof(challenge) }
	n.acceptor.Unexpected = n.calledUnasked
	n.client = rendezvous.NewClient(rendezvous.ClientConfig{
		Servers:     config.Invite.Servers,
		Dial:        n.dialServer,
		IsProxied:   n.isProxied,
		DialProxied: n.dialProxied,
		DialSample:  n.dialSample,
		TLS:         security,
		Profile:     n.registration,
		Introduced:  n.introduced,
		Over:        n.attempts.noMore,
		RelayOver:   n.relays.tell,
		SampleAsked: n.sampleAsked,
		Seen:        n.seen,
		Died:        n.serverDied,
		Log:         config.Log,
	})
	return n, nil
}

// checkPort finds out whether several sockets really share the node's port. Where they do not, no punch can succeed,
// and everybody should know: the log, the server's metrics, Status.
func (n *Node) checkPort(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, portCheckTimeout)
	defer cancel()
	if err := n.port.Check(ctx); err != nil {
		n.portReuse = rendezvous.PortReuseBroken
		n.log.Error("sockets cannot share the local port, so no direct connection can be made through a NAT", "port", n.port.Number(), "err", err)
		return
	}
	n.portReuse = rendezvous.PortReuseWorks
}

// seen hears from the client whenever its state changed.
func (n *Node) seen(state rendezvous.State) {
	isNew := n.aging.seen(state)
	n.serverSeen(state)
	n.mappingSeen(state)
	if isNew {
		n.serverIsBack()
	}
}

func (n *Node) run() {
	n.tasks.Go(func() { n.acceptor.Serve(n.ctx, n.port) })
	n.tasks.Go(func() {
		if err := n.client.Run(n.ctx); n.ctx.Err() == nil {
			n.fail(publicError(err))
		}
	})
	if !n.config.NoPortMapping && n.config.Relay != RelayAlways {
		n.tasks.Go(n.mapPort)
	}
	n.tasks.Go(n.watchNetwork)
	n.tasks.Go(n.watchAge)
	if n.listensLocally() {
		n.tasks.Go(n.discover)
	}
	if n.config.Mesh {
		n.tasks.Go(n.mesh)
	}
}

// registered waits for the server's answer.
func (n *Node) registered(ctx context.Context) error {
	level := slog.LevelWarn // once: it may stay so for long
	for {
		_, err := n.client.Registered(ctx)
		if err == nil || !n.config.Patient || !errors.Is(err, rendezvous.ErrUnreachable) {
			return publicError(err)
		}
		n.log.Log(ctx, level, "server unreachable, trying on", "err", err)
		level = slog.LevelInfo
	}
}

func (n *Node) dialServer(ctx context.Context, remote netip.AddrPort) (net.Conn, error) {
	conn, err := n.port.Dial(ctx, remote)
	if err != nil {
		return nil, err
	}
	resetAtEnd(conn)
	if err := reuseport.SetUserTimeout(conn, serverTimeout); err != nil {
		n.log.Debug("no user timeout on this system", "err", err)
	}
	return conn, nil
}

// dialSample connects from another port than the node's: any, or that of an earlier sample.
func (n *Node) dialSample(ctx context.Context, local, remote netip.AddrPort, started func()) (net.Conn, error) {
	return n.config.system.Connect(ctx, local, remote, started)
}

// remeasure looks at the networks anew, because something in them changed.
func (n *Node) remeasure() { n.client.Remeasure() }

// ID returns the node's id.
func (n *Node) ID() NodeID { return n.id }

// Name returns the name by which others in the room may call this node.
func (n *Node) Name() string { return n.config.Name }

// Port returns the local TCP port that everything leaves from.
func (n *Node) Port() uint16 { return n.port.Number() }

// Done is closed when the node is of no more use: it was closed, or the server refused it for good. Err tells which.
func (n *Node) Done() <-chan struct{} { return n.done }

// Err returns nil while the node runs, an error that satisfies errors.Is(err, net.ErrClosed) after Close, and the
// server's refusal (see [ErrRefused]) if that ended the node.
func (n *Node) Err() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.err
}

// fail ends the node's use for the first reason given.
func (n *Node) fail(err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.err == nil {
		n.err = err
		close(n.done)
	}
}

// spawn runs a task that Close waits for, for callers who may come at any time: not once the node is of no more use. It tells
// whether it did.
func (n *Node) spawn(task func()) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.err != nil {
		return false
	}
	n.tasks.Go(task)
	return true
}

// Close ends all sessions, listeners and the connection to the server, and waits for everything. It may be called twice.
func (n *Node) Close() error {
	n.fail(fmt.Errorf("bodkin: node closed: %w", net.ErrClosed))
	n.cancel()
	n.services.close()
	n.links.close()
	err := n.port.Close()
	n.attempts.close()
	n.tasks.Wait()
	return err
}
