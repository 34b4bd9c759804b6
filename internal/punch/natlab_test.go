package punch

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os/exec"
	"sync"
	"testing"
	"time"

	"github.com/bodkin-p2p/bodkin/internal/reuseport"
	"github.com/bodkin-p2p/bodkin/internal/stopwatch"
	"github.com/bodkin-p2p/bodkin/internal/wire"
	"github.com/bodkin-p2p/bodkin/natlab"
)

func TestMain(m *testing.M) { natlab.Main(m) }

// apart is the one-way delay between the two sides in these tests: the c of the timing model.
const apart = 25 * time.Millisecond

// boxes are the ways to build a Linux router: natlab's own, and the kernel's with nftables.
var boxes = []string{"go", "nftables"}

// firewall is what a router does with an unsolicited SYN.
type firewall string

const (
	drops   firewall = "drop"
	rejects firewall = "reject"
)

// site is a host behind a router.
type site struct {
	nat  *natlab.NAT
	host *natlab.Host
}

func newSite(t *testing.T, lab *natlab.Lab, box string, f firewall, name string) site {
	t.Helper()
	var nat *natlab.NAT
	switch {
	case box == "nftables":
		if _, err := exec.LookPath("nft"); err != nil {
			t.Skip(err)
		}
		nat = lab.KernelNAT("nat-"+name, natlab.Kernel{Firewall: map[firewall]natlab.Firewall{
			drops: natlab.FirewallDrop, rejects: natlab.FirewallReject}[f]})
	case f == rejects:
		nat = lab.NAT("nat-"+name, natlab.LinuxReject())
	default:
		nat = lab.NAT("nat-"+name, natlab.Linux())
	}
	return site{nat, nat.Host(name)}
}

// pair is a node at each of two sites, apart from each other.
type pair struct {
	a, b     *node
	toA, toB netip.AddrPort // where the internet sees them: their routers keep the port
}

// newPair makes new nodes, with ports of their own, at the sites.
func newPair(t *testing.T, lab *natlab.Lab, a, b site) pair {
	t.Helper()
	room := newRoom(t)
	p := pair{
		a: newNode(t, room, reuseport.Config{Within: a.host.Do}),
		b: newNode(t, room, reuseport.Config{Within: b.host.Do}),
	}
	p.toA = netip.AddrPortFrom(a.nat.Addr(), p.a.port.Number())
	p.toB = netip.AddrPortFrom(b.nat.Addr(), p.b.port.Number())
	return p
}

// server stands for the rendezvous server. The first report starts round 2 on both sides in the same tick. Round 3 waits
// until both have reported since, or for a second: a side whose introduction was late (one lost packet) has else missed
// all rounds, because a router that rejects answers within a round trip.
type server struct {
	p       pair
	latency time.Duration // from the report to the round
	rounds  [2]chan Round

	mu       sync.Mutex
	newest   int
	reported [2]bool
}

func newServer(p pair, latency time.Duration) *server {
	s := &server{p: p, latency: latency, newest: 1}
	for i := range s.rounds {
		s.rounds[i] = make(chan Round, wire.MaxRounds)
	}
	return s
}

// report is the Report of a side.
func (s *server) report(side int) func(Failure) {
	return func(Failure) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.reported[side] = true
		switch {
		case s.newest == 1:
			s.startLocked(2, s.latency)
		case s.newest == 2 && s.reported[0] && s.reported[1]:
			s.startLocked(3, s.latency)
		case s.newest == 2:
			time.AfterFunc(time.Second, func() {
				s.mu.Lock()
				defer s.mu.Unlock()
				s.startLocked(3, 0)
			})
		}
	}
}

func (s *server) startLocked(number int, delay time.Duration) {
	if number <= s.newest {
		return
	}
	s.newest, s.reported = number, [2]bool{}
	time.AfterFunc(delay, func() {
		s.rounds[0] <- at(number, s.p.toB)
		s.rounds[1] <- at(number, s.p.toA)
	})
}

// punch makes an attempt in which b starts later than a by skew, with the server's help if there is one. The dialer is a.
func (p pair) punch(ctx context.Context, skew, timeout time.Duration, s *server) (atA, atB outcome) {
	attempt := wire.AttemptID{byte(p.toA.Port()), byte(p.toB.Port()), byte(skew / time.Millisecond)}
	planA, planB := p.a.plan(Dialer, p.b, attempt), p.b.plan(Callee, p.a, attempt)
	planA.Timeout, planB.Timeout = timeout, timeout
	if s != nil {
		planA.Rounds, planB.Rounds = s.rounds[0], s.rounds[1]
		planA.Report, planB.Report = s.report(0), s.report(1)
	}
	firstA, firstB := at(1, p.toB), at(1, p.toA)
	if skew > 0 {
		firstB.Delay = skew
	} else {
		firstA.Delay = -skew
	}
	return runBoth(ctx, p.a, p.b, firstA, firstB, planA, planB)
}

// tries is what an attempt tried on one side, however it ended.
func (o outcome) tries() []Try {
	var failure *Error
	switch {
	case o.err == nil:
		return o.result.Tries
	case errors.As(o.err, &failure):
		return failure.Tries
	}
	return nil
}

// forEachPairOfFirewalls builds a lab for each box and each pair of firewalls.
func forEachPairOfFirewalls(t *testing.T, f func(t *testing.T, lab *natlab.Lab, a, b site, first, last firewall)) {
	for _, box := range boxes {
		for _, first := range []firewall{drops, rejects} {
			for _, last := range []firewall{drops, rejects} {
				t.Run(fmt.Sprintf("%s/%s-%s", box, first, last), func(t *testing.T) {
					t.Parallel()
					lab := natlab.Test(t, natlab.Config{})
					a, b := newSite(t, lab, box, first, "a"), newSite(t, lab, box, last, "b")
					if err := lab.SetDelay(a.host, b.host, apart); err != nil {
						t.Fatal(err)
					}
					f(t, lab, a, b, first, last)
				})
			}
		}
	}
}

// TestOneRoundConnectsWheneverTheTableSays plays a single round in which a is the first mover and b the last. It
// connects unless the last mover's router rejects and its hole opens too late.
func TestOneRoundConnectsWheneverTheTableSays(t *testing.T) {
	forEachPairOfFirewalls(t, func(t *testing.T, lab *natlab.Lab, a, b site, first, last firewall) {
		for _, skew := range []time.Duration{0, apart / 2, 2 * apart, 5 * apart} {
			t.Run(skew.String(), func(t *testing.T) {
				stopwatch.Met(t, func() error { return oneRound(t, lab, newPair(t, lab, a, b), first, last, skew) })
			})
		}
	})
}

// oneRound compares a round with the table. SYNs may leave later than was asked, which is allowed for, and be on their
// way for longer, which is not.
func oneRound(t *testing.T, lab *natlab.Lab, p pair, first, last firewall, skew time.Duration) error {
	connects := func(skew time.Duration) bool { return last == drops || skew < apart }
	timeout := DefaultTimeout
	if !connects(skew) {
		timeout = 500 * time.Millisecond
	}
	atA, atB := p.punch(t.Context(), skew, timeout, nil)
	defer hangUp(atA, atB)
	triesA, triesB := atA.tries(), atB.tries()
	if len(triesA) != 1 || len(triesB) != 1 {
		return fmt.Errorf("dialer: %v, callee: %v", atA.err, atB.err)
	}
	want := connects(triesB[0].Started.Sub(triesA[0].Started))
	if got := atA.err == nil && atB.err == nil; got != want {
		return fmt.Errorf("connected: %v, want %v. Dialer: %v, callee: %v", got, want, triesA, triesB)
	}
	wantA, wantB := Nominated, Nominated
	if !want {
		wantA, wantB = Refused, map[firewall]Outcome{drops: Unanswered, rejects: Refused}[first]
	}
	if gotA, gotB := triesA[0].Outcome, triesB[0].Outcome; gotA != wantA || gotB != wantB {
		return fmt.Errorf("outcomes %v and %v, want %v and %v", gotA, gotB, wantA, wantB)
	}
	for _, way := range []struct{ from, to netip.AddrPort }{{p.toA, p.toB}, {p.toB, p.toA}} {
		if n := lab.SYNs()[way.from.Addr()][way.to]; want && n != 1 {
			return fmt.Errorf("%d SYNs from %v to %v, want 1", n, way.from, way.to)
		}
	}
	return nil
}

// TestRoundsConnectEveryPairOfFirewalls: what one round does not connect, the next ones do, since both sides start
// them together and only what has failed is dialled again.
func TestRoundsConnectEveryPairOfFirewalls(t *testing.T) {
	forEachPairOfFirewalls(t, func(t *testing.T, lab *natlab.Lab, a, b site, first, last firewall) {
		for _, skew := range []time.Duration{0, 2 * apart, -2 * apart, 4 * apart, -8 * apart, 16 * apart} {
			t.Run(skew.String(), func(t *testing.T) {
				p := newPair(t, lab, a, b)
				atA, atB := p.punch(t.Context(), skew, 0, newServer(p, 2*apart))
				defer hangUp(atA, atB)
				if atA.err != nil || atB.err != nil {
					t.Fatalf("dialer: %v, callee: %v", atA.err, atB.err)
				}
				t.Logf("dialer: round %d, %d SYNs, %v; callee: round %d, %d SYNs",
					atA.result.Round, atA.result.SYNs, atA.result.Verified.Sub(atA.result.Started).Round(time.Millisecond),
					atB.result.Round, atB.result.SYNs)
				for _, r := range []*Result{atA.result, atB.result} {
					if r.SYNs > wire.MaxRounds {
						t.Errorf("%d SYNs to one remote: %v", r.SYNs, r.Tries)
					}
				}
			})
		}
	})
}
