package bodkin

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/bodkin-p2p/bodkin/internal/candidate"
	"github.com/bodkin-p2p/bodkin/internal/natbehavior"
	"github.com/bodkin-p2p/bodkin/internal/punch"
	"github.com/bodkin-p2p/bodkin/internal/rendezvous"
	"github.com/bodkin-p2p/bodkin/internal/rounds"
)

func TestAFailedPathTellsItsGuessesAsOne(t *testing.T) {
	first := candidate.Candidate{Type: candidate.ServerReflexive, Addr: netip.MustParseAddrPort("192.0.2.1:5000")}
	err := pathError(NodeID{1}, &punch.Error{Cause: punch.ErrNoDirectPath, Tries: []punch.Try{
		{Remote: first, Round: 1}, {Remote: first, Round: 1, Guessed: true, Count: 512}}})
	want := "server-reflexive 192.0.2.1:5000, round 1: no answer; 512 guesses at 192.0.2.1, round 1: no answer"
	if !strings.Contains(err.Error(), want) {
		t.Errorf("got %q, want %q in it", err, want)
	}
}

// TestGuessesGoToTheObservedAddressOnly lets the server, and the peer's report through it, name others.
func TestGuessesGoToTheObservedAddressOnly(t *testing.T) {
	peer, victim := netip.MustParseAddrPort("192.0.2.1:5000"), netip.MustParseAddrPort("198.51.100.66:5000")
	known := []candidate.Candidate{{Type: candidate.Host, Addr: netip.MustParseAddrPort("10.0.0.1:5000")}, {Type: candidate.ServerReflexive, Addr: peer}}
	counted := rendezvous.Introduction{Observed: []netip.AddrPort{peer}}
	counted.Behavior.IPv4 = natbehavior.Report{Allocation: natbehavior.Delta, Delta: 1, Last: victim, BlockFirst: 4000, BlockLast: 5000}
	next := rounds.Part{Guess: rounds.Guess{Kind: rounds.Next, Count: 8}}
	for name, test := range map[string]struct {
		part   rounds.Part
		sample netip.AddrPort
		known  []candidate.Candidate
		want   int
	}{
		"a sample of the peer":        {next, netip.AddrPortFrom(peer.Addr(), 6000), known, 8},
		"a sample of a victim":        {next, victim, known, 0},
		"no sample":                   {next, netip.AddrPort{}, known, 0},
		"a block":                     {rounds.Part{Guess: rounds.Guess{Kind: rounds.InBlock, Count: 64}}, victim, known, 64},
		"nothing that may be dialled": {rounds.Part{Guess: rounds.Guess{Kind: rounds.Anywhere, Count: 64}, Ports: 64}, peer, known[:1], 0},
	} {
		counted.Sample = test.sample
		g := guess(test.part, rounds.Prediction, counted, test.known)
		if len(g.Remotes) != test.want || g.Ports > 0 && g.Target != peer {
			t.Errorf("%s: %d guesses, %d ports for %v; want %d", name, len(g.Remotes), g.Ports, g.Target, test.want)
		}
		for _, r := range g.Remotes {
			if r.Addr() != peer.Addr() {
				t.Errorf("%s: a guess at %v", name, r)
			}
		}
	}
}

func TestASearchThatFailedRestsForAnHour(t *testing.T) {
	var s searches
	began := time.Unix(0, 0)
	a, b := NodeID{1}, NodeID{2}
	s.fail(a, began)
	for _, test := range []struct {
		peer NodeID
		at   time.Duration
		want bool
	}{{a, 0, true}, {b, 0, false}, {a, time.Hour - 1, true}, {a, time.Hour, false}} {
		if got := s.resting(test.peer, began.Add(test.at)); got != test.want {
			t.Errorf("%v after %v: resting %v, want %v", test.peer.Short(), test.at, got, test.want)
		}
	}
	s.fail(b, began.Add(2*time.Hour))
	if len(s.failed) != 1 {
		t.Errorf("%d are remembered, want 1: the other may search again", len(s.failed))
	}
}
