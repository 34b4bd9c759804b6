package punch

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/bodkin-p2p/bodkin/internal/reuseport"
	"github.com/bodkin-p2p/bodkin/internal/stopwatch"
	"github.com/bodkin-p2p/bodkin/internal/wire"
	"github.com/bodkin-p2p/bodkin/natlab"
)

// TestALoserInAnyStateHurtsNobody lets a second path, over IPv6, open at every moment around the nomination of the
// first one: the socket that is closed is in SYN_SENT, in SYN_RECV, or open and being verified. The winner must work
// on, and the next attempt meets over the loser's path. Seen to fail without Plan.Background: a SYN of the callee that met
// the dialer's closed socket got to its listener, whose answer with another sequence number the dialer's own router drops,
// and the half-open connection held the addresses and ports for a minute.
func TestALoserInAnyStateHurtsNobody(t *testing.T) {
	lab := natlab.Test(t, natlab.Config{})
	dual := func(name, four, six string, inside [2]string, own ...string) site {
		nat := lab.NAT("nat-"+name, natlab.Linux(), natlab.At(four, six), natlab.Inside(inside[0], inside[1]))
		return site{nat, nat.Host(name, natlab.At(own...))}
	}
	a := dual("a", "198.51.100.1", "2001:db8:ffff::1", [2]string{"10.1.0.0/24", "2001:db8:1::/64"}, "10.1.0.2", "2001:db8:1::2")
	b := dual("b", "198.51.100.2", "2001:db8:ffff::2", [2]string{"10.2.0.0/24", "2001:db8:2::/64"}, "10.2.0.2", "2001:db8:2::2")
	if err := lab.SetDelay(a.host, b.host, apart); err != nil {
		t.Fatal(err)
	}
	// The dialer nominates at 4 x apart, the callee reads it at 5 x apart, and a dial takes 2 x apart.
	for late := apart; late <= 6*apart; late += 2 * apart / 5 {
		t.Run(late.String(), func(t *testing.T) {
			stopwatch.Met(t, func() error { return loseRace(t, newPair(t, lab, a, b), a, b, late) })
		})
	}
}

// loseRace has the path over IPv6 open later. It complains if that one wins all the same, as it may on a busy machine.
func loseRace(t *testing.T, p pair, a, b site, late time.Duration) error {
	six := [2]netip.AddrPort{
		netip.AddrPortFrom(a.host.Addrs()[1], p.a.port.Number()),
		netip.AddrPortFrom(b.host.Addrs()[1], p.b.port.Number()),
	}
	planA, planB := p.a.plan(Dialer, p.b, testAttempt), p.b.plan(Callee, p.a, testAttempt)
	planA.Dial, planB.Dial = slowOver6(p.a.port, late), slowOver6(p.b.port, late)
	var lingering sync.WaitGroup
	planA.Background, planB.Background = lingering.Go, lingering.Go
	atA, atB := runBoth(t.Context(), p.a, p.b, at(1, p.toB, six[1]), at(1, p.toA, six[0]), planA, planB)
	if atA.err != nil || atB.err != nil {
		t.Fatalf("dialer: %v, callee: %v", atA.err, atB.err)
	}
	t.Logf("losers: %v | %v", atA.result.Tries[1].Outcome, atB.result.Tries[1].Outcome)
	if remote := atA.result.Remote.Addr; remote != p.toB {
		hangUp(atA, atB)
		lingering.Wait()
		return fmt.Errorf("the winner is %v, want the one that opened first, %v", remote, p.toB)
	}
	lingering.Wait()
	wait(t.Context(), 2*apart) // resets have arrived
	exchange(t, atA.result.Conn, atB.result.Conn)

	next := wire.AttemptID{99}
	againA, againB := runBoth(t.Context(), p.a, p.b, at(1, six[1]), at(1, six[0]),
		p.a.plan(Dialer, p.b, next), p.b.plan(Callee, p.a, next))
	if againA.err != nil || againB.err != nil {
		t.Fatalf("next attempt over the loser's path: dialer: %v, callee: %v", againA.err, againB.err)
	}
	exchange(t, againA.result.Conn, againB.result.Conn)
	exchange(t, atA.result.Conn, atB.result.Conn)
	hangUp(againA, againB)
	hangUp(atA, atB)
	return nil
}

// slowOver6 is a port's Dial that starts later over IPv6.
func slowOver6(port *reuseport.Port, late time.Duration) func(context.Context, netip.AddrPort) (net.Conn, error) {
	return func(ctx context.Context, remote netip.AddrPort) (net.Conn, error) {
		if remote.Addr().Is6() {
			wait(ctx, late)
		}
		return port.Dial(ctx, remote)
	}
}

// Two nodes behind one router that does not hairpin meet by their own addresses, though the one that the server saw is
// refused.
func TestNeighboursMeetInsideTheirNetwork(t *testing.T) {
	for _, box := range boxes {
		t.Run(box, func(t *testing.T) {
			lab := natlab.Test(t, natlab.Config{})
			a := newSite(t, lab, box, drops, "a")
			b := site{a.nat, a.nat.Host("b")}
			p := newPair(t, lab, a, b)
			inside := func(h site, n *node) netip.AddrPort { return netip.AddrPortFrom(h.host.Addr(), n.port.Number()) }
			atA, atB := runBoth(t.Context(), p.a, p.b, at(1, inside(b, p.b), p.toB), at(1, inside(a, p.a), p.toA),
				p.a.plan(Dialer, p.b, testAttempt), p.b.plan(Callee, p.a, testAttempt))
			if atA.err != nil || atB.err != nil {
				t.Fatalf("dialer: %v, callee: %v", atA.err, atB.err)
			}
			defer hangUp(atA, atB)
			exchange(t, atA.result.Conn, atB.result.Conn)
			if got := atA.result.Remote.Addr; got != inside(b, p.b) {
				t.Errorf("connected to %v, want %v", got, inside(b, p.b))
			}
			t.Logf("after %v: %v", atA.result.Nominated.Sub(atA.result.Started), atA.result.Tries)
		})
	}
}

// A peer that is behind a full cone, or has a public address, is reached without dialling itself.
func TestAPeerWithoutFilteringNeedNotDial(t *testing.T) {
	lab := natlab.Test(t, natlab.Config{})
	open := lab.NAT("open", natlab.FullCone())
	a, b := newSite(t, lab, "go", rejects, "a"), site{open, open.Host("b")}
	if err := lab.SetDelay(a.host, b.host, apart); err != nil {
		t.Fatal(err)
	}
	p := newPair(t, lab, a, b)
	// The server's connection has opened the mapping.
	s := lab.Host("s")
	l, err := s.Listen("tcp", ":4000")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	main, err := p.b.port.Dial(t.Context(), netip.AddrPortFrom(s.Addr(), 4000))
	if err != nil {
		t.Fatal(err)
	}
	defer main.Close()
	var number byte
	// TCP is open after 2 x apart, TLS done after 4; one more round trip would make 6.
	stopwatch.Within(t, 5*apart, func() time.Duration {
		number++
		attempt := wire.AttemptID{number}
		atA, atB := runBoth(t.Context(), p.a, p.b, at(1, p.toB), at(1), p.a.plan(Dialer, p.b, attempt), p.b.plan(Callee, p.a, attempt))
		if atA.err != nil || atB.err != nil {
			t.Fatalf("dialer: %v, callee: %v", atA.err, atB.err)
		}
		defer hangUp(atA, atB)
		exchange(t, atA.result.Conn, atB.result.Conn)
		if r := atB.result; !r.Accepted || r.SYNs != 0 || r.Remote.Addr != p.toA {
			t.Errorf("the callee's end: %+v", r)
		}
		return atA.result.Nominated.Sub(atA.result.FirstSYN)
	})
}
