package bodkin

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/bodkin-p2p/bodkin/internal/identity"
	"github.com/bodkin-p2p/bodkin/internal/punch"
	"github.com/bodkin-p2p/bodkin/internal/relay"
	"github.com/bodkin-p2p/bodkin/internal/rendezvous"
	"github.com/bodkin-p2p/bodkin/internal/reuseport"
	"github.com/bodkin-p2p/bodkin/internal/wire"
)

// RelayPolicy says when a node lets the server relay its bytes, which are encrypted from end to end in any case.
type RelayPolicy uint8

const (
	// RelayAuto relays to a peer if no direct connection opens in time: after a head start that depends on the distance, 0.2 s for
	// a round trip of 100 ms.
	RelayAuto RelayPolicy = iota
	// RelayNever keeps all sessions of the node direct, also those that others begin.
	RelayNever
	// RelayAlways relays at once, and tells no peer this node's addresses.
	RelayAlways
)

// String is "auto", "never" or "always".
func (p RelayPolicy) String() string {
	switch p {
	case RelayAuto:
		return "auto"
	case RelayNever:
		return "never"
	case RelayAlways:
		return "always"
	}
	return "unknown"
}

// ParseRelayPolicy reads what String writes.
func ParseRelayPolicy(text string) (RelayPolicy, error) {
	for p := RelayAuto; p <= RelayAlways; p++ {
		if text == p.String() {
			return p, nil
		}
	}
	return RelayAuto, fmt.Errorf("bodkin: relay policy %q: want auto, never or always", text)
}

// relays is the attempts of which a relayed connection is open or may be, with where to tell why the server ends it.
type relays struct {
	mu      sync.Mutex
	over    map[wire.AttemptID]chan wire.RelayStatus
	wrapped bool // this network cuts relayed connections that are not wrapped in TLS
}

func (t *relays) expect(id wire.AttemptID) <-chan wire.RelayStatus {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.over == nil {
		t.over = map[wire.AttemptID]chan wire.RelayStatus{}
	}
	over := make(chan wire.RelayStatus, 1)
	t.over[id] = over
	return over
}

func (t *relays) forget(id wire.AttemptID) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.over, id)
}

// tell passes the server's word on. The client calls it from its reading goroutine.
func (t *relays) tell(id wire.AttemptID, status wire.RelayStatus) {
	t.mu.Lock()
	defer t.mu.Unlock()
	select {
	case t.over[id] <- status: // nil if it is not known: never ready
	default:
	}
}

// relayed is the way by the relay for an attempt; nil if the server offers none, or this node wants none.
func (n *Node) relayed(a *attempt, offer *rendezvous.RelayOffer) *punch.Relay {
	if offer == nil || n.config.Relay == RelayNever {
		return nil
	}
	a.relayRTT = offer.RTT
	return n.wayByRelay(a, offer.Token, max(0, offer.HeadStart-time.Since(a.introduced)))
}

// wayByRelay is the way by the relay for an attempt with a token.
func (n *Node) wayByRelay(a *attempt, token []byte, headStart time.Duration) *punch.Relay {
	over := n.relays.expect(a.id)
	return &punch.Relay{
		Remote:    n.client.State().Remote,
		HeadStart: headStart,
		Dial: func(ctx context.Context) (net.Conn, error) {
			n.log.Debug("going to the relay", "peer", a.peer.Short())
			conn, err := n.dialRelay(ctx)
			if err != nil {
				return nil, err
			}
			return relay.Enter(conn, wire.RelayHello{Attempt: a.id, Token: token}, over)
		},
	}
}

// wrap notes whether this network wants relayed connections wrapped in TLS.
func (t *relays) wrap(wanted bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.wrapped = wanted
}

func (t *relays) isWrapped() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.wrapped
}

// dialRelay opens a connection to the server's relay. If the network cuts it before the server answers, it is made again inside of TLS, as
// those to come are in this network: there are boxes that let nothing pass that they do not know.
func (n *Node) dialRelay(ctx context.Context) (net.Conn, error) {
	if n.relays.isWrapped() {
		return n.dialWrapped(ctx)
	}
	conn, err := n.dialMain(ctx)
	if err != nil {
		return nil, err
	}
	return relay.Again(conn, func() (net.Conn, error) {
		wrapped, err := n.dialWrapped(ctx)
		n.log.Info("relayed connection was cut, made again inside of TLS", "err", err)
		if err == nil {
			n.relays.wrap(true)
		}
		return wrapped, err
	}), nil
}

// dialWrapped opens a connection to the server's relay inside of TLS.
func (n *Node) dialWrapped(ctx context.Context) (net.Conn, error) {
	config, err := identity.RelayConfig(n.config.Key, n.config.Invite.Room, n.config.Invite.Server)
	if err != nil {
		return nil, err
	}
	conn, err := n.dialMain(ctx)
	if err != nil {
		return nil, err
	}
	secured := tls.Client(conn, config)
	if err := secured.HandshakeContext(ctx); err != nil {
		conn.Close()
		return nil, err
	}
	return secured, nil
}

// dialMain opens a connection to the server's main port, by a proxy if the main connection has one. It leaves from any port: nobody needs
// to know its mapping, and from the node's own the four-tuple is taken.
func (n *Node) dialMain(ctx context.Context) (conn net.Conn, err error) {
	if state := n.client.State(); state.Proxied {
		conn, err = n.dialProxied(ctx, state.Server)
	} else {
		conn, err = n.dialAnywhere(ctx, "tcp", state.Remote.String())
	}
	if err != nil {
		return nil, err
	}
	if err := reuseport.SetUserTimeout(conn, serverTimeout); err != nil {
		n.log.Debug("no user timeout on this system", "err", err)
	}
	return conn, nil
}

const (
	// A direct path to a peer with which there is only a relayed session is looked for again after improveFirst, and then after twice
	// as long each time: networks change, but seldom.
	improveFirst = 10 * time.Second
	improveLast  = 10 * time.Minute
)

// improve looks for a direct path in the background, if l is relayed and it is time to. The session moves to what it finds, streams
// and all.
func (n *Node) improve(l *link) {
	if l.path().Kind != Relayed || l.line.Chosen() || n.config.Relay != RelayAuto || !l.improved.due(l.opened, time.Now()) {
		return
	}
	n.spawn(func() {
		ctx, cancel := context.WithTimeout(n.ctx, dialTimeout)
		defer cancel()
		_, err := n.introduceTo(ctx, target{id: l.peer}, rendezvous.ByNode(l.peer).DirectOnly())
		if errors.Is(err, ErrServerUnreachable) || errors.Is(err, ErrRefused) { // the session is a way to the peer, too
			err = n.another(ctx, l, false)
		}
		n.log.Debug("looked for a direct path again", "peer", l.name, "err", err)
	})
}

// A pace says when something may be tried again. The zero pace begins with improveFirst.
type pace struct {
	mu   sync.Mutex
	last time.Time
	wait time.Duration
}

// due tells whether it is time, now, and if so counts this as a try. The first wait is from began.
func (p *pace) due(began, now time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.wait == 0 {
		p.last, p.wait = began, improveFirst
	}
	if now.Sub(p.last) < p.wait {
		return false
	}
	p.last, p.wait = now, min(2*p.wait, improveLast)
	return true
}

// succeed notes that what was tried has come about: it is soon tried again when it is needed again.
func (p *pace) succeed() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.wait = 0
}
