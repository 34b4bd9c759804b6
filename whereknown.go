package bodkin

import (
	"context"
	"errors"
	"net/netip"
	"time"

	"github.com/bodkin-p2p/bodkin/internal/candidate"
	"github.com/bodkin-p2p/bodkin/internal/natbehavior"
	"github.com/bodkin-p2p/bodkin/internal/rounds"
)

// knownTimeout is what a dial to a peer has whose network lets everybody in: a lost SYN is sent again after one second.
const knownTimeout = 4 * time.Second

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
