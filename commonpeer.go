package bodkin

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/bodkin-p2p/bodkin/internal/candidate"
	"github.com/bodkin-p2p/bodkin/internal/punch"
	"github.com/bodkin-p2p/bodkin/internal/rendezvous"
	"github.com/bodkin-p2p/bodkin/internal/rounds"
	"github.com/bodkin-p2p/bodkin/internal/wire"
)

const (
	// commonPeers is how many peers are asked for an introduction, one after the other.
	commonPeers = 4
	// callTimeout bounds the question of a common peer to the node that is called, so that the caller hears of it in time.
	callTimeout = 3 * time.Second
	// calledTimeout is what an attempt has at the node that is called, whose caller begins as soon as it hears of it, or does not wait any
	// more. A lost SYN is sent again after one second.
	calledTimeout = 2500 * time.Millisecond
	// proveAgain is what a carrier that did not answer has for a second answer, beside a round trip.
	proveAgain = 50 * time.Millisecond
	// introductionsPerSecond and introductionsAtOnce bound what a node introduces others.
	introductionsPerSecond, introductionsAtOnce = 5, 50
)

// byCommonPeer gets a session that has lost its path a new connection with the help of peers that both nodes have sessions with. What
// broke its path may have broken theirs: they have to show first that they work, so that no question arrives when nobody waits any more.
func (n *Node) byCommonPeer(ctx context.Context, l *link) error {
	err := errNotLinked
	some := n.links.common(l)
	there := n.whoIsThere(ctx, some)
	for range some {
		common := <-there
		if common == nil {
			continue
		}
		if err = n.introduceBy(ctx, common, l); err == nil {
			return nil
		}
		n.log.Debug("asked for an introduction", "peer", l.name, "by", common.name, "err", err)
	}
	return err
}

// whoIsThere asks peers at once whether they are there, and gives those that are and have direct sessions, the first to answer first, and nil
// for each other.
func (n *Node) whoIsThere(ctx context.Context, some []*link) <-chan *link {
	there := make(chan *link, len(some))
	for _, l := range some {
		asked := n.spawn(func() {
			if n.isThere(ctx, l) && l.path().Kind == Direct {
				there <- l
			} else {
				there <- nil
			}
		})
		if !asked {
			there <- nil
		}
	}
	return there
}

// isThere tells whether a peer answers in its session at once. If it does not, its carriers must, or are given up: the session makes its own
// way back then, and what would be dialled between the same two ports does not find them taken.
func (n *Node) isThere(ctx context.Context, l *link) bool {
	if l.line.Answers(ctx, l.provesWithin()) {
		return true
	}
	if ctx.Err() == nil {
		l.line.Prove(ctx, min(proveLast, proveAgain+l.line.Stats().RTT))
	}
	return l.path().Kind != 0
}

// introduceBy makes one attempt that a common peer introduces.
func (n *Node) introduceBy(ctx context.Context, common, l *link) error {
	select {
	case l.control.common <- struct{}{}:
	default:
		return errAsking
	}
	var id wire.AttemptID
	rand.Read(id[:]) // never fails
	a, isNew := n.attempts.begin(rendezvous.Introduction{Attempt: id, Peer: l.peer, Role: rendezvous.Dialer, Round: 1, Received: time.Now()})
	if !isNew {
		<-l.control.common
		return errTooManyAttempts
	}
	a.session = l
	accepted, forget := n.acceptor.Expect(id)
	over := func() {
		forget()
		<-l.control.common
	}
	remotes, err := n.callBy(ctx, common, l, a)
	if err == nil && !n.spawn(func() { // to its end, also if the carrier in use is given up meanwhile: the peer dials, too
		defer over()
		round := punch.Round{Number: 1, Remotes: remotes}
		n.yield(a.peer, round)
		n.runFurther(n.ctx, a, n.port, accepted, round, furtherTimeout)
	}) {
		err = n.Err()
	}
	if err != nil {
		over()
		n.attempts.end(a, nil, err)
		return err
	}
	select {
	case <-a.done:
		return a.err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// callBy has a common peer carry this node's half to another and returns what to dial of that.
func (n *Node) callBy(ctx context.Context, common, l *link, a *attempt) ([]candidate.Candidate, error) {
	sealed, err := n.sealHalf(a.id)
	if err != nil {
		return nil, err
	}
	reply, err := n.ask(ctx, common, &wire.Ask{Body: &wire.Ask_Call{Call: &wire.Call{Node: l.peer[:], Sealed: sealed}}})
	if err != nil {
		return nil, err
	}
	further, err := n.openHalf(l.peer, reply.Sealed)
	if err != nil {
		return nil, err
	}
	if wire.AttemptID(further.Attempt) != a.id {
		return nil, fmt.Errorf("%w: the half of another attempt", wire.ErrMalformed)
	}
	return n.heardBy(&l.control.seen, further.Half, reply.Observed.AddrPort()), nil
}

// sealHalf is what this node tells a peer that it reaches by another.
func (n *Node) sealHalf(id wire.AttemptID) ([]byte, error) {
	plain, err := proto.Marshal(&wire.Further{Attempt: id[:], Half: n.half(n.port.Number(), n.outside())})
	if err != nil {
		return nil, err
	}
	return n.config.Invite.Room.Seal(n.id, plain), nil
}

// openHalf reads what a peer tells by another.
func (n *Node) openHalf(peer NodeID, sealed []byte) (*wire.Further, error) {
	plain, err := n.config.Invite.Room.Open(peer, sealed)
	if err != nil {
		return nil, err
	}
	var f wire.Further
	if err := proto.Unmarshal(plain, &f); err != nil {
		return nil, fmt.Errorf("%w: %v", wire.ErrMalformed, err)
	}
	return &f, wire.Validate(&f)
}

// heardBy takes in a half that came by a common peer, with where that sees its maker. That is one more port to try, and no new address:
// a common peer may lie.
func (n *Node) heardBy(seen *sightings, h *wire.Half, observed netip.AddrPort) []candidate.Candidate {
	if observed.IsValid() {
		h = proto.CloneOf(h)
		h.Outside = append([]*wire.Endpoint{wire.NewEndpoint(observed)}, h.Outside...)
	}
	return n.heard(seen, h)
}

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

// waiting returns the newest session with a peer that has no path; nil if there is none.
func (t *links) waiting(who target) *link {
	t.mu.Lock()
	defer t.mu.Unlock()
	var newest *link
	for id, all := range t.byPeer {
		for _, l := range all {
			if who.matches(id, l.name) && l.line.Err() == nil && l.path().Kind == 0 {
				newest = l
			}
		}
	}
	return newest
}

// alive returns the newest session with a peer that is not over, with a path or without; nil if there is none.
func (t *links) alive(peer NodeID) *link {
	for _, l := range slices.Backward(t.with(peer)) {
		if l.line.Err() == nil {
			return l
		}
	}
	return nil
}

// common returns some peers with direct sessions that may have one with l's peer, too, each once.
func (t *links) common(l *link) []*link {
	t.mu.Lock()
	defer t.mu.Unlock()
	var some []*link
	for peer, all := range t.byPeer {
		for _, other := range slices.Backward(all) {
			if peer != l.peer && other.line.Err() == nil && other.path().Kind == Direct && len(some) < commonPeers {
				some = append(some, other)
				break
			}
		}
	}
	return some
}
