package bodkin

import (
	"errors"

	"github.com/bodkin-p2p/bodkin/internal/candidate"
	"github.com/bodkin-p2p/bodkin/internal/gather"
	"github.com/bodkin-p2p/bodkin/internal/punch"
	"github.com/bodkin-p2p/bodkin/internal/rendezvous"
	"github.com/bodkin-p2p/bodkin/internal/rounds"
)

// Introductions that this node did not ask for, which is how a hostile server could use it: a sustained pace, and how many may
// come at once, as after a restart of everybody.
const (
	callsPerSecond = 5
	callsAtOnce    = 100
)

var errTooManyCalls = errors.New("bodkin: too many introductions that were not asked for")

// introduced starts an attempt, or its next round. The client calls it from its reading goroutine.
func (n *Node) introduced(intro rendezvous.Introduction) {
	if intro.Peer == n.id {
		n.log.Warn("introduction to this node itself passed over")
		return
	}
	if intro.Request == 0 && intro.Round == 1 && !n.calls.Allow() {
		n.log.Warn("introduction passed over", "peer", intro.Peer.Short(), "err", errTooManyCalls)
		return
	}
	a, isNew := n.attempts.begin(intro)
	if a == nil {
		n.log.Warn("introduction passed over", "peer", intro.Peer.Short(), "err", errTooManyAttempts)
		return
	}
	peer, err := n.open(intro.Peer, intro.Sealed, intro.NameTag)
	if err != nil && isNew {
		n.attempts.end(a, nil, err)
		n.log.Warn("introduction to a stranger passed over", "peer", intro.Peer.Short(), "err", err)
		return
	}
	if !isNew && !n.attempts.wants(a, intro.Round) {
		return
	}
	round := n.round(a, intro, peer)
	if !isNew {
		n.attempts.next(a, round)
		return
	}
	n.log.Info("introduced", "peer", peer.name, "observed", intro.Observed, "delay", intro.Delay)
	way := n.relayed(a, intro.Relay)
	if len(intro.Kept) > 0 {
		a.kept = &keptRelay{attempt: a.id.Kept(), token: intro.Kept}
	}
	if intro.Returning {
		n.tasks.Go(func() { n.attemptByRelay(a, way) })
		return
	}
	n.tasks.Go(func() { n.attempt(a, peer, round, way, intro.Deadline) })
}

// round decides which of a peer's addresses this node dials.
func (n *Node) round(a *attempt, intro rendezvous.Introduction, peer profile) punch.Round {
	if n.config.Relay == RelayAlways || intro.Relayed {
		return punch.Round{Number: intro.Round}
	}
	rules := n.rules(intro.Observed)
	dial, refused := rules.Select(gather.WithServer(peer.candidates, intro.Observed, intro.Mapped))
	for _, r := range refused {
		n.log.Debug("candidate not dialled", "peer", peer.name, "addr", r.Candidate.Addr, "why", r.Reason)
	}
	round := punch.Round{Number: intro.Round, Remotes: dial, Delay: intro.Delay}
	if s := a.take(intro.Fresh.IsValid()); s != nil {
		second, _ := rules.Select([]candidate.Candidate{{Type: candidate.ServerReflexive, Addr: intro.Fresh}})
		if len(second) == 1 {
			round.Second = punch.Second{Remote: second[0], Dial: s.port.Dial}
		}
	}
	part, way := n.part(intro)
	round.Guess = guess(part, way, intro, dial)
	if part.Sample && len(round.Guess.Remotes) > 0 {
		round.Remotes = withoutReflexive(dial)
	}
	if intro.Beside && round.Second.Dial != nil {
		round = apart(round)
	}
	if way == rounds.Search {
		a.mu.Lock()
		a.searched = true
		a.mu.Unlock()
	}
	return round
}

// apart has a round leave the usual port alone: what is dialled from there would meet the carrier that the session has. What the
// peer's networks let in from anywhere is dialled from ports of its own.
func apart(round punch.Round) punch.Round {
	if round.Guess.Ports == 0 && len(round.Guess.Remotes) == 0 {
		for _, remote := range round.Remotes {
			round.Guess.Remotes = append(round.Guess.Remotes, remote.Addr)
		}
		round.Guess.Apart = true
	}
	round.Remotes = nil
	return round
}
