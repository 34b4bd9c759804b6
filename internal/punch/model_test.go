package punch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/bodkin-p2p/bodkin/internal/candidate"
	"github.com/bodkin-p2p/bodkin/internal/rounds"
	"github.com/bodkin-p2p/bodkin/internal/wire"
)

// A world stands for the network around a machine: it knows what is under way, answers in any order, and holds
// the machine to the rules with books of its own.
type world struct {
	t       *testing.T
	m       machine
	rand    *rand.Rand
	now     time.Time
	pending []action // asked for, not answered
	open    map[int]bool
	failed  map[int]bool // answered with an error: the only ones that may be closed before the end
	proven  []int        // in the order of the proofs
	told    map[int]bool
	history []string

	searched bool // some round was a search
}

// TestNoOrderOfEventsBreaksTheRules plays 10,000 attempts with events in random order. Seen to fail with each rule of
// machine.go taken away: see docs/decisions/0051.
func TestNoOrderOfEventsBreaksTheRules(t *testing.T) {
	for seed := range uint64(10_000) {
		w := &world{
			t: t, rand: rand.New(rand.NewPCG(seed, 0)), now: epoch,
			open: map[int]bool{}, failed: map[int]bool{}, told: map[int]bool{},
		}
		w.m.role = Dialer + Role(seed%2)
		w.m.began[0] = w.now
		if seed%4 < 2 {
			w.m.relay = fallbackOf(&Relay{Remote: relayAddr, HeadStart: time.Duration(w.rand.IntN(20)) * time.Millisecond})
		}
		for !w.m.over {
			w.step()
		}
		for n := w.rand.IntN(20); n > 0 && len(w.pending) > 0; n-- {
			w.answer()
		}
		w.do("settle", w.m.settle())
		for len(w.pending) > 0 {
			w.answer()
		}
		w.checkEnd()
		if t.Failed() {
			t.Fatalf("seed %d: %v", seed, w.history)
		}
	}
}

// step is one event, answers more likely than news.
func (w *world) step() {
	w.now = w.now.Add(time.Duration(w.rand.IntN(3)) * time.Millisecond) // often two in the same instant
	if len(w.pending) > 0 && w.rand.IntN(3) > 0 {
		w.answer()
		return
	}
	if at, ok := w.m.wake(); ok && !at.After(w.now) {
		if w.rand.IntN(2) == 0 {
			did := w.m.tick(w.now)
			w.expect(len(did) > 0, "woken for nothing")
			w.do("tick", did)
			return
		}
	}
	switch n := w.rand.IntN(100); {
	case n < 40:
		r := Round{Number: w.rand.IntN(wire.MaxRounds + 2)}
		for range w.rand.IntN(9) {
			r.Remotes = append(r.Remotes, w.remote())
		}
		if w.rand.IntN(2) == 0 {
			r.Second = Second{w.remote(), func(context.Context, netip.AddrPort) (net.Conn, error) { return nil, nil }} // only that it is there counts
		}
		if w.rand.IntN(2) == 0 {
			r.Guess = Guess{Ports: w.rand.IntN(30), Target: w.remote().Addr, Search: w.rand.IntN(8) == 0, Apart: w.rand.IntN(4) == 0}
			for range w.rand.IntN(60) {
				r.Guess.Remotes = append(r.Guess.Remotes, w.remote().Addr)
			}
			w.searched = w.searched || r.Guess.Search
		}
		w.do(fmt.Sprint("round ", r), w.m.start(w.now, r))
	case n < 85:
		from := w.remote().Addr
		i, do, ok := w.m.accept(w.now, from)
		if ok {
			w.open[i] = true
		}
		w.do(fmt.Sprint("accept ", from), do)
	case n < 92:
		w.do("rounds over", w.m.noMoreRounds(w.now))
	case n < 97:
		w.do("time over", w.m.expire(w.now))
	default:
		w.do("cancel", w.m.cancel(w.now, context.Canceled))
	}
}

func (w *world) remote() candidate.Candidate {
	addr := netip.AddrFrom4([4]byte{192, 0, 2, byte(w.rand.IntN(8))})
	return candidate.Candidate{Type: candidate.Host, Addr: netip.AddrPortFrom(addr, 4000)}
}

// answer answers one action that is under way, whichever.
func (w *world) answer() {
	n := w.rand.IntN(len(w.pending))
	a := w.pending[n]
	w.pending = append(w.pending[:n], w.pending[n+1:]...)
	var err error
	if w.rand.IntN(2) == 0 {
		err = errors.New("failed")
		if a.verb == verify && w.rand.IntN(2) == 0 {
			err = io.EOF
		}
		if a.verb == dial {
			err = []error{errnoRefused, errnoTupleBusy, context.Canceled}[w.rand.IntN(3)]
		}
	}
	if err != nil || a.verb == nominate && w.m.over { // nominated twice
		w.failed[a.try] = true
	}
	name := fmt.Sprintf("%v answered %v", inWords([]action{a}), err)
	switch a.verb {
	case dial:
		w.open[a.try] = err == nil
		w.do(name, w.m.dialed(w.now, a.try, err))
	case verify:
		if err == nil {
			w.proven = append(w.proven, a.try)
		}
		w.do(name, w.m.checked(w.now, a.try, err))
	case nominate:
		w.do(name, w.m.nominated(w.now, a.try, err))
	}
}

// do checks what the machine decided and books it.
func (w *world) do(event string, actions []action) {
	w.history = append(w.history, fmt.Sprintf("%s -> %s;", event, inWords(actions)))
	for _, a := range actions {
		i := a.try
		switch a.verb {
		case dial:
			w.checkDial(i)
			w.pending = append(w.pending, a)
		case verify:
			w.expect(w.open[i] && !w.failed[i], "verifies %d, which is not open", i)
			w.pending = append(w.pending, a)
		case nominate:
			w.checkNominate(i)
			w.pending = append(w.pending, a)
		case abort, retire:
			isSpare := w.m.role == Callee && w.m.over && w.m.cause == nil
			w.expect((a.verb == retire) == isSpare, "%d: %v", i, inWords([]action{a}))
			w.expect(w.open[i], "closes %d twice", i)
			w.expect(w.failed[i] || w.m.over && !isSpare || w.m.settled, "closes %d, which has not failed, before the end", i)
			w.expect(!w.won(i), "closes %d, the winner", i)
			w.open[i] = false
		case report:
			w.expect(w.failed[i] && !w.told[i] && !w.m.tries[i].Accepted, "reports %d", i)
			w.told[i] = true
		}
	}
}

func (w *world) checkDial(i int) {
	t := w.m.tries[i]
	w.expect(!w.m.over, "dials %d after the end", i)
	perRound := 0
	for j, other := range w.m.tries[:i] {
		sameTuple := other.Remote.Addr == t.Remote.Addr && other.port == t.port && t.port != unshared
		w.expect(w.failed[j] || !sameTuple, "dials %d, while %d to the same remote has not failed", i, j)
		if other.Round == t.Round && other.port == home && !other.Accepted && !other.isRelayed() && !other.Guessed {
			perRound++
		}
		w.expect(!other.isRelayed() || !t.isRelayed(), "goes to the relay twice")
	}
	if t.isRelayed() {
		early := w.now.Before(w.m.began[0].Add(w.m.relay.headStart))
		w.expect(!early || w.m.lastRound || w.m.round >= 2, "goes to the relay before its time")
		return
	}
	w.expect(t.Guessed || t.port != home || perRound < candidate.MaxRound, "dials %d remotes in a round", perRound+1)
}

func (w *world) checkNominate(i int) {
	w.expect(!w.m.over || w.m.role == Callee && !w.m.settled, "nominates %d after the end", i)
	isProven := false
	for _, j := range w.proven {
		isProven = isProven || j == i
	}
	w.expect(isProven && !w.failed[i], "nominates %d, which is not verified", i)
	if w.m.role == Callee {
		return
	}
	for _, a := range w.pending {
		w.expect(a.verb != nominate, "nominates %d while %d is being nominated", i, a.try)
	}
	for _, j := range w.proven {
		before := w.m.tries[j].verified.Before(w.m.tries[i].verified)
		if w.m.tries[i].isRelayed() != w.m.tries[j].isRelayed() {
			before = w.m.tries[i].isRelayed() // a direct one comes before a relayed one
		}
		if !w.failed[j] && before {
			w.t.Errorf("nominates %d, though %d was verified before", i, j)
		}
	}
}

// checkEnd looks at the books when all is answered.
func (w *world) checkEnd() {
	for i, open := range w.open {
		w.expect(open == w.won(i), "connection %d: open %v, winner %v", i, open, w.won(i))
	}
	for i, t := range w.m.tries {
		w.expect(t.stage == ended && !t.Ended.IsZero(), "try %d has not ended: %v", i, t)
		wantTold := t.Outcome.kind() != 0 && !t.Accepted && !(t.Outcome == CutOff && w.m.role == Callee) && !t.isRelayed() && !t.Guessed
		if t.Outcome != TupleBusy { // is told or not, by who holds it
			w.expect(w.told[i] == wantTold, "try %d, %v: told %v", i, t, w.told[i])
		}
	}
	guesses, known := 0, 0
	for _, t := range w.m.tries {
		switch {
		case t.Guessed:
			guesses++
		case !t.Accepted && !t.isRelayed():
			known++
		}
	}
	w.expect(known <= MaxSYNs, "%d SYNs to known remotes", known)
	w.expect(guesses <= rounds.MaxPredicted || w.searched && guesses <= rounds.MaxSearched, "%d guesses", guesses)
}

// won tells whether i is the connection that is kept.
func (w *world) won(i int) bool { return w.m.over && w.m.cause == nil && w.m.winner == i }

func (w *world) expect(ok bool, format string, args ...any) {
	w.t.Helper()
	if !ok {
		w.t.Errorf(format, args...)
	}
}
