package punch

import (
	"context"
	"net"
	"net/netip"
	"time"

	"github.com/bodkin-p2p/bodkin/internal/candidate"
	"github.com/bodkin-p2p/bodkin/internal/wire"
)

// Relay is a way to the peer for when no direct connection opens in time: one more try, which starts later and is nominated only
// while nothing direct is likely. On the connection the same happens as on a direct one.
type Relay struct {
	Remote netip.AddrPort // of the relay; zero if it is behind a proxy

	// HeadStart is how long direct connections have to open, from the start of Run. One that is open by then has twice as long again
	// to be proven.
	HeadStart time.Duration

	// Dial opens the relayed connection. It need not wait for the peer to be there. It ends when ctx ends.
	Dial func(ctx context.Context) (net.Conn, error)
}

// A fallback is what the machine knows of the relay.
type fallback struct {
	offered   bool
	remote    candidate.Candidate
	headStart time.Duration
	begun     bool
}

func fallbackOf(r *Relay) fallback {
	if r == nil {
		return fallback{}
	}
	return fallback{offered: true, remote: candidate.Candidate{Type: candidate.Relayed, Addr: r.Remote}, headStart: r.HeadStart}
}

// wake tells when tick has something to do, if nothing else happens.
func (m *machine) wake() (at time.Time, ok bool) {
	switch {
	case m.over:
		return time.Time{}, false
	case m.relay.offered && !m.relay.begun && !m.expired:
		return m.relayDue(), true
	case m.role == Dialer && m.count(nominating) == 0 && m.firstProven(true) >= 0:
		return m.heldUntil(), true
	}
	return time.Time{}, false
}

// tick is the event that the time of wake has come.
func (m *machine) tick(now time.Time) []action {
	if m.over {
		return nil
	}
	if m.relay.offered && !m.relay.begun && !m.expired && !now.Before(m.relayDue()) {
		return m.startRelay(now)
	}
	return m.nominateNext(now)
}

func (m *machine) startRelay(now time.Time) []action {
	m.relay.begun = true
	m.tries = append(m.tries, try{Try: Try{Remote: m.relay.remote, Round: max(m.round, 1), Started: now}, stage: dialling})
	return []action{{verb: dial, try: len(m.tries) - 1}}
}

// relayDue tells when the relay is to be opened: when the time is over in which a direct connection opens in round 1; later if one is
// open but not proven yet; at once if two rounds have left none. Further rounds do not put it off: the relayed connection is then
// there if they fail too, and is not nominated while they last.
func (m *machine) relayDue() time.Time {
	began := m.began[0]
	switch {
	case m.hasDirect(verifying, proven, nominating):
		return began.Add(3 * m.relay.headStart)
	case (m.round >= 2 || m.lastRound) && !m.hasDirect(dialling):
		return began
	}
	return began.Add(m.relay.headStart)
}

// heldUntil tells until when a relayed connection is not nominated because a direct one is still likely: one is open and being
// proven, a round after the first is young, or one failed and the server is about to start the next round.
func (m *machine) heldUntil() time.Time {
	round := m.began[m.round]
	switch {
	case m.hasDirect(verifying):
		return round.Add(3 * m.relay.headStart)
	case m.round >= 2 && m.hasDirect(dialling):
		return round.Add(m.relay.headStart)
	case !m.failed.IsZero() && !m.lastRound && m.round < wire.MaxRounds:
		return m.failed.Add(m.relay.headStart)
	}
	return m.began[0]
}

// hasDirect tells whether there is a direct try in one of the stages.
func (m *machine) hasDirect(stages ...stage) bool {
	for _, t := range m.tries {
		for _, s := range stages {
			if t.stage == s && !t.isRelayed() {
				return true
			}
		}
	}
	return false
}

// firstProven is the relayed, or direct, connection that was proven first and not nominated; -1 if there is none.
func (m *machine) firstProven(relayed bool) int {
	first := -1
	for i, t := range m.tries {
		if t.stage == proven && t.isRelayed() == relayed && (first < 0 || t.verified.Before(m.tries[first].verified)) {
			first = i
		}
	}
	return first
}

func (t *try) isRelayed() bool { return t.Remote.Type == candidate.Relayed }
