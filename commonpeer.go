package bodkin

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/netip"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/bodkin-p2p/bodkin/internal/candidate"
	"github.com/bodkin-p2p/bodkin/internal/punch"
	"github.com/bodkin-p2p/bodkin/internal/rendezvous"
	"github.com/bodkin-p2p/bodkin/internal/wire"
)

const (
	// commonPeers is how many peers are asked for an introduction, one after the other.
	commonPeers = 4
	// proveAgain is what a carrier that did not answer has for a second answer, beside a round trip.
	proveAgain = 50 * time.Millisecond
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

// heardBy takes in a half that came by a common peer, with where that sees its maker. That is one more port to try, and no new address:
// a common peer may lie.
func (n *Node) heardBy(seen *sightings, h *wire.Half, observed netip.AddrPort) []candidate.Candidate {
	if observed.IsValid() {
		h = proto.CloneOf(h)
		h.Outside = append([]*wire.Endpoint{wire.NewEndpoint(observed)}, h.Outside...)
	}
	return n.heard(seen, h)
}
