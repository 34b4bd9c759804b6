package bodkin

import (
	"math/rand/v2"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/bodkin-p2p/bodkin/internal/candidate"
	"github.com/bodkin-p2p/bodkin/internal/punch"
	"github.com/bodkin-p2p/bodkin/internal/rendezvous"
	"github.com/bodkin-p2p/bodkin/internal/reuseport"
	"github.com/bodkin-p2p/bodkin/internal/rounds"
)

// descriptorShare is which part of the descriptors that this process may have open a search may take, one in so many.
const descriptorShare = 2

// inOrder is the time between SYNs that have to leave one after the other: two counters meet only if the first of both is the first.
const inOrder = 2 * time.Millisecond

// part is what this node does in a round beside dialling the candidates that it knows. The server plans with the same two reports, and
// has no say in how much is dialled.
func (n *Node) part(intro rendezvous.Introduction) (part rounds.Part, way rounds.Way) {
	own, peer := n.side(intro), peerSide(intro)
	plan := rounds.Plan(own, peer)
	if intro.Role == rendezvous.Callee {
		plan = rounds.Plan(peer, own)
	}
	if intro.Round > len(plan) {
		return rounds.Part{}, 0
	}
	round := plan[intro.Round-1]
	if intro.Role == rendezvous.Callee {
		return round.Callee, round.Way
	}
	return round.Dialer, round.Way
}

// side is this node's end of an attempt.
func (n *Node) side(intro rendezvous.Introduction) rounds.Side {
	state := n.client.State()
	report := state.Behavior.For(state.Observed.Addr())
	// With the relay at hand nobody has to wait for a search: there is another attempt for it, without (see improve).
	report.Search = n.config.Search && intro.Relay == nil && !n.searches.resting(intro.Peer, time.Now())
	return rounds.Side{Report: report, Mapped: state.Proof == rendezvous.Proven}
}

// peerSide is the other end, as the server tells of it.
func peerSide(intro rendezvous.Introduction) rounds.Side {
	s := rounds.Side{Mapped: len(intro.Mapped) > 0}
	if len(intro.Observed) > 0 {
		s.Report = intro.Behavior.For(intro.Observed[0].Addr())
	}
	return s
}

// guess turns a part into what is dialled: ports of the peer's observed address, if this node may dial that at all, and that address itself.
func guess(part rounds.Part, way rounds.Way, intro rendezvous.Introduction, known []candidate.Candidate) punch.Guess {
	i := slices.IndexFunc(known, func(c candidate.Candidate) bool { return c.Type == candidate.ServerReflexive })
	if i < 0 {
		return punch.Guess{}
	}
	target := known[i].Addr
	for _, seen := range intro.Observed { // the newest, if there are several
		if slices.ContainsFunc(known, func(c candidate.Candidate) bool { return c.Addr == seen }) {
			target = seen
			break
		}
	}
	seen := target
	if part.Guess.Kind == rounds.Next {
		if seen = intro.Sample; seen.Addr() != target.Addr() {
			seen = netip.AddrPort{}
		}
	}
	most := reuseport.Descriptors() / descriptorShare
	part.Guess.Count, part.Ports = min(part.Guess.Count, most), min(part.Ports, most)
	g := punch.Guess{
		Remotes: part.Guess.Endpoints(peerSide(intro).Report, seen, rand.IntN),
		Ports:   part.Ports,
		Target:  target,
		Search:  way == rounds.Search,
		After:   part.After,
	}
	if part.Sample && part.Guess.Kind == rounds.Next { // both count
		g.Spacing, g.Apart = inOrder, true
	}
	return g
}

// withoutReflexive is known without where the server sees the peer, which is no use to two nodes whose mappings are both others for each
// other, and would use up ports that both count.
func withoutReflexive(known []candidate.Candidate) []candidate.Candidate {
	return slices.DeleteFunc(slices.Clone(known), func(c candidate.Candidate) bool { return c.Type == candidate.ServerReflexive })
}

// searches remembers with whom a search came to nothing.
type searches struct {
	mu     sync.Mutex
	failed map[NodeID]time.Time
}

// resting tells whether a search with peer failed so lately that there is to be no other.
func (s *searches) resting(peer NodeID, now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	at, ok := s.failed[peer]
	return ok && now.Sub(at) < rounds.SearchPause
}

// fail notes that a search with peer came to nothing, and forgets those that may search again: what is left is bounded by what a node can
// search in an hour.
func (s *searches) fail(peer NodeID, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failed == nil {
		s.failed = map[NodeID]time.Time{}
	}
	for other, at := range s.failed {
		if now.Sub(at) >= rounds.SearchPause {
			delete(s.failed, other)
		}
	}
	s.failed[peer] = now
}
