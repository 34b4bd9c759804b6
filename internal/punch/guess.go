package punch

import (
	"context"
	"net"
	"net/netip"
	"slices"
	"time"

	"github.com/bodkin-p2p/bodkin/internal/candidate"
	"github.com/bodkin-p2p/bodkin/internal/rounds"
)

// Guess is what a round tries beyond the remotes that are known. Nothing of it is reported: a guess that fails was wrong. All rounds
// together have the budget of one prediction, or of one search.
type Guess struct {
	Remotes []netip.AddrPort // where the peer's external port may be, most likely ones first; dialled from the usual port unless Apart
	Ports   int              // connections to Target, each from a port of its own, so that the peer may guess one of their mappings
	Target  netip.AddrPort
	Search  bool          // among all ports: the larger budget
	After   time.Duration // the first of them leaves so long after the round's other SYNs
	Spacing time.Duration // and each remote so long after the one before, where their order counts; zero: at once
	Apart   bool          // each remote is dialled from a port of its own, so that none is passed over because an earlier round's lives
}

// guess starts what a round tries beyond known remotes, as far as the budget allows, whoever asked for how much.
func (m *machine) guess(now time.Time, g Guess) []action {
	budget := rounds.MaxPredicted
	if g.Search {
		budget = rounds.MaxSearched
	}
	var do []action
	add := func(from port, remote netip.AddrPort) {
		if m.guesses < budget && (from == unshared || !m.isAlive(from, remote)) {
			m.guesses++
			do = append(do, m.dial(now, from, Try{Remote: candidate.Candidate{Type: candidate.ServerReflexive, Addr: remote}, Guessed: true}))
		}
	}
	from := home
	if g.Apart {
		from = unshared
	}
	for range min(g.Ports, budget) {
		add(unshared, g.Target)
	}
	for _, remote := range g.Remotes[:min(len(g.Remotes), budget)] {
		add(from, remote)
	}
	return do
}

// opening is how a try is dialled.
func (a *attempt) opening(ctx context.Context, t try) func() (net.Conn, error) {
	if t.isRelayed() {
		return func() (net.Conn, error) { return a.plan.Relay.Dial(ctx) }
	}
	open, guess := a.plan.Dial, a.rounds[t.Round].Guess
	after := guess.After + time.Duration(max(0, slices.Index(guess.Remotes, t.Remote.Addr)))*guess.Spacing
	switch t.port {
	case home:
	case unshared:
		open = a.plan.DialApart
	default:
		open = a.rounds[t.port].Second.Dial
	}
	return func() (net.Conn, error) {
		if t.Guessed {
			if err := a.pace(ctx, after); err != nil {
				return nil, err
			}
		}
		a.sent.Add(1)
		return open(ctx, t.Remote.Addr)
	}
}

// pace waits until a guess may leave.
func (a *attempt) pace(ctx context.Context, after time.Duration) error {
	if after > 0 {
		wait(ctx, after)
	}
	if a.plan.Pace == nil {
		return ctx.Err()
	}
	return a.plan.Pace(ctx)
}

// summary is tries with the guesses that came to nothing told as one for each round and outcome: there may be hundreds.
func summary(tries []try) []Try {
	type kind struct {
		round   int
		outcome Outcome
	}
	var told []Try
	at := map[kind]int{}
	for _, t := range tries {
		if !t.Guessed || t.isOpened() {
			told = append(told, t.Try)
			continue
		}
		k := kind{t.Round, t.Outcome}
		if i, ok := at[k]; ok {
			told[i].Count++
			continue
		}
		t.Count = 1
		at[k] = len(told)
		told = append(told, t.Try)
	}
	return told
}

// isOpened tells whether there was a connection.
func (t *try) isOpened() bool { return !t.opened.IsZero() }
