package bodkin

import (
	"slices"
	"time"

	"github.com/bodkin-p2p/bodkin/internal/punch"
	"github.com/bodkin-p2p/bodkin/internal/rendezvous"
	"github.com/bodkin-p2p/bodkin/internal/rounds"
	"github.com/bodkin-p2p/bodkin/internal/wire"
)

// calledTimeout is what an attempt has at the node that is called, whose caller begins as soon as it hears of it, or does not wait any
// more. A lost SYN is sent again after one second.
const calledTimeout = 2500 * time.Millisecond

// called begins, as the callee, an attempt that a common peer introduces. The session with the caller must be there: without one
// this node knows no address of the caller.
func (n *Node) called(common *link, c *wire.Called) (*wire.Reply, <-chan struct{}) {
	caller := NodeID(c.Node)
	l := n.links.alive(caller)
	if l == nil || n.config.Relay == RelayAlways {
		return &wire.Reply{Code: wire.Reply_CODE_REFUSED}, nil
	}
	further, err := n.openHalf(caller, c.Sealed)
	if err != nil {
		n.log.Debug("call passed over", "by", common.name, "err", err)
		return &wire.Reply{Code: wire.Reply_CODE_REFUSED}, nil
	}
	if !n.calls.Allow() {
		return &wire.Reply{Code: wire.Reply_CODE_LIMITED}, nil
	}
	release := func() {}
	select {
	case l.control.common <- struct{}{}:
		release = func() { <-l.control.common }
	default:
		if slices.Compare(caller[:], n.id[:]) > 0 { // both ask at once: one of the two attempts is enough
			return &wire.Reply{Code: wire.Reply_CODE_LIMITED}, nil
		}
	}
	reply, begun := n.takeCall(common, l, further, c)
	if begun == nil {
		release()
		return reply, nil
	}
	n.tasks.Go(func() {
		<-begun
		release()
	})
	return reply, begun
}

// takeCall begins the attempt of a call.
func (n *Node) takeCall(common, l *link, further *wire.Further, c *wire.Called) (*wire.Reply, <-chan struct{}) {
	id := wire.AttemptID(further.Attempt)
	sealed, err := n.sealHalf(id)
	if err != nil {
		return &wire.Reply{Code: wire.Reply_CODE_REFUSED}, nil
	}
	a, isNew := n.attempts.begin(rendezvous.Introduction{Attempt: id, Peer: l.peer, Role: rendezvous.Callee, Round: 1, Received: time.Now()})
	if !isNew {
		return &wire.Reply{Code: wire.Reply_CODE_LIMITED}, nil
	}
	a.session = l
	remotes := n.heardBy(&l.control.seen, further.Half, c.Observed.AddrPort())
	own, peer := n.sides(l)
	rtt := common.line.Stats().RTT + time.Duration(c.RttUs)*time.Microsecond
	round := punch.Round{Number: 1, Remotes: remotes, Delay: rounds.AskedDelay(rtt, peer, own)}
	accepted, forget := n.acceptor.Expect(id)
	n.log.Info("introduced by a common peer", "peer", l.name, "by", common.name, "observed", c.Observed.AddrPort())
	began := n.spawn(func() {
		defer forget()
		n.yield(a.peer, round)
		n.runFurther(n.ctx, a, n.port, accepted, round, calledTimeout)
	})
	if !began {
		forget()
		n.attempts.end(a, nil, n.Err())
	}
	return &wire.Reply{Code: wire.Reply_CODE_BEGUN, Sealed: sealed}, a.done
}
