package bodkin

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/netip"
	"time"

	"github.com/bodkin-p2p/bodkin/internal/candidate"
	"github.com/bodkin-p2p/bodkin/internal/natbehavior"
	"github.com/bodkin-p2p/bodkin/internal/rounds"
)

// unknownTurns is in how many turns one dials a peer where it was of whose network it is not known what that lets in. In the others the ports are left
// to the two ends of the lost connection, which meet if nothing has changed but that a link was cut; see comeLater.
const unknownTurns = 64

// knownTimeout is what a dial to a peer has whose network lets everybody in: a lost SYN is sent again after one second.
const knownTimeout = 4 * time.Second

// again gets a session that has lost its path a new connection without the server: where the peer is known to be, if its network lets
// everybody in, or by a peer of both. It goes on trying until ctx ends. A session that was made before the peer had measured its network
// does not know what that lets in: then where it was is dialled last.
func (n *Node) again(ctx context.Context, who target) (*link, error) {
	for pause := againFirst; ; pause = min(2*pause, againLast) {
		l := n.links.waiting(who)
		if l == nil || n.config.Relay == RelayAlways {
			return nil, errNotLinked
		}
		other := n.links.anyBack()
		if l.line.Settle(ctx); l.path().Kind != 0 { // what has to show that it works holds the ports that would be dialled
			return l, nil
		}
		ways := []func(context.Context, *link) error{n.whereKnown, n.byCommonPeer}
		if _, filters := n.knownHome(l); filters == natbehavior.Unknown {
			ways = []func(context.Context, *link) error{n.byCommonPeer}
			if home := l.home.Load(); l.turns.Add(1)%unknownTurns == 1 || home == nil || !n.mayReturn(l, *home) {
				ways = append(ways, n.whereKnown)
			}
		}
		for _, way := range ways {
			if err := way(ctx, l); err == nil {
				return l, nil
			} else if ctx.Err() != nil {
				return nil, context.Cause(ctx)
			}
		}
		select {
		case <-other: // a peer of both may be, too
		case <-time.After(pause/2 + rand.N(pause)): // two that dial each other at once miss each other
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// How long a node waits until it tries again to reach a peer without the server.
const (
	againFirst = 100 * time.Millisecond
	againLast  = time.Second
)

// whereKnown dials a peer where it was, if its network lets everybody in. Nobody introduces them: the peer knows by the attempt's id that a
// member of the room wants it. It ends early when somebody introduces the two after all, between the same ports.
func (n *Node) whereKnown(ctx context.Context, l *link) error {
	remotes := n.knownRemotes(l)
	if len(remotes) == 0 {
		return errNotKnown
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer l.known.begin(cancel)()
	a, err := n.beginUnasked(ctx, l.peer, profile{name: l.name, dialOnly: l.dialOnly}, remotes, knownTimeout)
	if err != nil {
		return err
	}
	<-a.done
	return a.err
}

var errNotKnown = errors.New("bodkin: the peer's network does not let everybody in")

// knownRemotes is where a peer's usual port was seen last, unless its network is known not to let everybody in.
func (n *Node) knownRemotes(l *link) []candidate.Candidate {
	home, filters := n.knownHome(l)
	if !home.IsValid() || filters != natbehavior.None && filters != natbehavior.Unknown {
		return nil
	}
	dial, _ := n.rules([]netip.AddrPort{home}).Select([]candidate.Candidate{{Type: candidate.ServerReflexive, Addr: home}})
	return dial
}

// knownHome is where a peer's usual port was seen last, and what its network filters: None where everybody may connect there.
func (n *Node) knownHome(l *link) (home netip.AddrPort, filters natbehavior.Dependence) {
	home = l.control.seen.homePort()
	behaves, mapped := l.control.seen.networks()
	peer := rounds.Side{Report: behaves.For(home.Addr()), Mapped: mapped}
	if peer.IsOpen() {
		return home, natbehavior.None
	}
	return home, peer.Filtering
}
