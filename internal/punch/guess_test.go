package punch

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bodkin-p2p/bodkin/internal/rounds"
	"github.com/bodkin-p2p/bodkin/internal/wire"
)

// ports is so many endpoints at one address.
func ports(n int) []netip.AddrPort {
	all := make([]netip.AddrPort, n)
	for i := range all {
		all[i] = netip.AddrPortFrom(addr("a").Addr(), uint16(10_000+i))
	}
	return all
}

// TestGuessesKeepTheirBudgetWhateverTheServerSays asks for far too much, in every round.
func TestGuessesKeepTheirBudgetWhateverTheServerSays(t *testing.T) {
	for name, test := range map[string]struct {
		search bool
		want   int
	}{"prediction": {false, rounds.MaxPredicted}, "search": {true, rounds.MaxSearched}} {
		m := &machine{role: Dialer}
		for round := range wire.MaxRounds {
			m.start(epoch, Round{Number: round + 1, Guess: Guess{
				Remotes: ports(5000), Ports: 5000, Target: addr("b"), Search: test.search}})
			for i, try := range m.tries {
				if try.stage == dialling {
					if do := m.dialed(epoch, i, dialErrors["refused"]); len(do) != 0 {
						t.Fatalf("%s: a wrong guess does %v, want nothing: nobody is to know", name, inWords(do))
					}
				}
			}
		}
		if len(m.tries) != test.want {
			t.Errorf("%s: %d guesses, want %d", name, len(m.tries), test.want)
		}
	}
}

// TestAGuessIsNoSecondTryOfWhatLives: a known remote that is alive is not dialled a second time as a guess; from another port it may be.
func TestAGuessIsNoSecondTryOfWhatLives(t *testing.T) {
	m := &machine{role: Dialer}
	m.start(epoch, Round{Number: 1, Remotes: roundOf(1, "a").Remotes, Guess: Guess{
		Remotes: []netip.AddrPort{addr("a"), addr("b"), addr("b")}, Ports: 2, Target: addr("a")}})
	if len(m.tries) != 4 { // a, twice a from ports of their own, b
		t.Errorf("%d tries, want 4", len(m.tries))
	}
	again := Round{Number: 2, Remotes: roundOf(2, "a").Remotes}
	if do := m.start(epoch, again); len(do) != 0 {
		t.Errorf("the next round does %v, want nothing", inWords(do))
	}
	again.Number, again.Second = 3, Second{again.Remotes[0], func(context.Context, netip.AddrPort) (net.Conn, error) { return nil, nil }}
	if do := m.start(epoch, again); len(do) != 1 {
		t.Errorf("a second port does %v, want one dial", inWords(do))
	}
}

func TestWrongGuessesAreToldAsOne(t *testing.T) {
	m := &machine{role: Dialer}
	m.start(epoch, Round{Number: 1, Remotes: roundOf(1, "b").Remotes, Guess: Guess{Remotes: ports(60)}})
	for i := 1; i <= 20; i++ {
		m.dialed(epoch, i, dialErrors["refused"])
	}
	m.dialed(epoch, 21, nil)
	m.checked(epoch, 21, errors.New("stranger"))
	m.expire(epoch)
	told := (&Error{Tries: summary(m.tries), Cause: m.cause}).Error()
	if n := len(summary(m.tries)); n != 4 {
		t.Errorf("%d lines, want 4: %s", n, told)
	}
	for _, want := range []string{"20 guesses at", "39 guesses at", "refused", "not to the peer"} {
		if !strings.Contains(told, want) {
			t.Errorf("%q is not in %q", want, told)
		}
	}
}

// TestAMappingThatIsGuessedIsTheConnection has one side open three mappings and the other guess the second of them, at the pace that is given.
func TestAMappingThatIsGuessedIsTheConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const later, pace, spacing = 100 * time.Millisecond, 10 * time.Millisecond, 50 * time.Millisecond
		var n memNet
		guessed := ports(4)
		x, y := n.pair(guessed[2], addr("b"), oneWay)
		began := time.Now()
		var opened, paced atomic.Int32
		mapper := Plan{Attempt: testAttempt, Role: Dialer, Verify: proveWith(Dialer, 7),
			Dial: func(ctx context.Context, _ netip.AddrPort) (net.Conn, error) { return silence(ctx) },
			DialApart: func(ctx context.Context, remote netip.AddrPort) (net.Conn, error) {
				if remote != addr("b") {
					t.Errorf("a mapping for %v, want %v", remote, addr("b"))
				}
				if opened.Add(1) == 2 {
					return after(2*oneWay, x, nil)(ctx)
				}
				return silence(ctx)
			}}
		dials := &dialer{answers: map[netip.AddrPort]func(context.Context) (net.Conn, error){guessed[2]: after(2*oneWay, y, nil)}}
		turn := make(chan struct{}, 1) // a mutex would keep the bubble's clock from running
		guesser := Plan{Attempt: testAttempt, Role: Callee, Verify: proveWith(Callee, 7), Dial: dials.dial,
			Pace: func(ctx context.Context) error {
				turn <- struct{}{}
				defer func() { <-turn }()
				wait(ctx, pace)
				paced.Add(1)
				return ctx.Err()
			}}
		first := roundOf(1, "b")
		first.Guess = Guess{Ports: 3, Target: addr("b")}
		second := Round{Number: 1, Guess: Guess{Remotes: guessed, After: later, Spacing: spacing}}
		fromA, fromB := runAsync(t.Context(), first, mapper), runAsync(t.Context(), second, guesser)
		atA, atB := <-fromA, <-fromB
		if atA.err != nil || atB.err != nil {
			t.Fatalf("%v, %v", atA.err, atB.err)
		}
		exchange(t, atA.result.Conn, atB.result.Conn)
		if n := opened.Load(); n != 3 {
			t.Errorf("%d mappings were opened, want 3", n)
		}
		if n := paced.Load(); n != 4 || atB.result.SYNs != 4 {
			t.Errorf("%d guesses were paced and %d counted, want 4", n, atB.result.SYNs)
		}
		if atB.result.Remote.Addr != guessed[2] {
			t.Errorf("connected to %v, want %v", atB.result.Remote, guessed[2])
		}
		for i, c := range dials.calls {
			want := later + pace + time.Duration(i)*spacing
			if c.remote != guessed[i] || c.at.Sub(began) != want {
				t.Errorf("guess %d is %v and left after %v, want %v after %v", i, c.remote, c.at.Sub(began), guessed[i], want)
			}
		}
		if open := n.stillOpen(atA.result.Socket, atB.result.Socket); len(open) > 0 {
			t.Errorf("left open: %v", open)
		}
	})
}
