package bodkin

import (
	"context"
	"errors"
	"net/netip"
	"time"

	"github.com/bodkin-p2p/bodkin/internal/wire"
)

const (
	// callTimeout bounds the question of a common peer to the node that is called, so that the caller hears of it in time.
	callTimeout = 3 * time.Second
	// introductionsPerSecond and introductionsAtOnce bound what a node introduces others.
	introductionsPerSecond, introductionsAtOnce = 5, 50
)

// introducing carries a caller's half to another peer of this node, and that one's back, with where this node sees each.
func (n *Node) introducing(caller *link, call *wire.Call) *wire.Reply {
	if n.config.NoIntroductions {
		return &wire.Reply{Code: wire.Reply_CODE_REFUSED}
	}
	id := NodeID(call.Node)
	l := n.links.to(target{id: id})
	observed := caller.observed()
	if l == nil || id == caller.peer || l.path().Kind != Direct || !observed.IsValid() {
		return &wire.Reply{Code: wire.Reply_CODE_NOT_HERE}
	}
	if !n.introductions.Allow() {
		return &wire.Reply{Code: wire.Reply_CODE_LIMITED}
	}
	ctx, cancel := context.WithTimeout(n.ctx, callTimeout)
	defer cancel()
	// Or the question would wait for its way back, and the caller for the answer. A caller's word is no reason to give carriers up.
	if !l.line.Answers(ctx, l.provesWithin()) {
		return &wire.Reply{Code: wire.Reply_CODE_NOT_HERE}
	}
	reply, err := n.ask(ctx, l, &wire.Ask{Body: &wire.Ask_Called{Called: &wire.Called{
		Node: caller.peer[:], Sealed: call.Sealed, Observed: wire.NewEndpoint(observed), RttUs: micros(caller.line.Stats().RTT),
	}}})
	n.log.Debug("introduced two peers", "caller", caller.name, "called", l.name, "err", err)
	switch {
	case errors.Is(err, errAskLimited):
		return &wire.Reply{Code: wire.Reply_CODE_LIMITED}
	case err != nil:
		return &wire.Reply{Code: wire.Reply_CODE_NOT_HERE}
	}
	reply = &wire.Reply{Code: wire.Reply_CODE_BEGUN, Sealed: reply.Sealed}
	if at := l.observed(); at.IsValid() {
		reply.Observed = wire.NewEndpoint(at)
	}
	return reply
}

// observed is where this node sees the peer's usual port; zero if it does not.
func (l *link) observed() netip.AddrPort {
	path, home := l.path(), l.control.seen.homePort()
	if path.Kind != Direct || home.Addr() != path.Remote.Addr() {
		return netip.AddrPort{}
	}
	return home
}
