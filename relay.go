package bodkin

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/bodkin-p2p/bodkin/internal/punch"
	"github.com/bodkin-p2p/bodkin/internal/relay"
	"github.com/bodkin-p2p/bodkin/internal/rendezvous"
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
	headStart := max(0, offer.HeadStart-time.Since(a.introduced))
	if n.links.lostRelay(a.peer) {
		headStart = 0
	}
	return n.wayByRelay(a, offer.Token, headStart)
}

// lostRelay tells whether a session with a peer waits for a path because the server that relayed it is gone: then the two had no direct one a moment ago,
// and lose nothing if they go to the relay at once.
func (t *links) lostRelay(peer NodeID) bool {
	for _, l := range t.with(peer) {
		if l.path().Kind == 0 && l.line.Err() == nil && isServerGone(l.line.Lost()) {
			return true
		}
	}
	return false
}

// isServerGone tells whether a relayed connection was lost with the server, and not with one of the nodes.
func isServerGone(lost error) bool {
	var ended *relay.StatusError
	return errors.As(lost, &ended) &&
		(ended.Status == wire.RelayStatus_RELAY_STATUS_UNSPECIFIED || ended.Status == wire.RelayStatus_RELAY_STATUS_CLOSING)
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
			entered, err := relay.Enter(conn, wire.RelayHello{Attempt: a.id, Token: token}, over)
			if err != nil {
				return nil, err
			}
			entered.AtEnd(func() { n.relays.forget(a.id) })
			return entered, nil
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
