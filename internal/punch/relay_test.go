package punch

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bodkin-p2p/bodkin/internal/candidate"
)

var relayAddr = netip.MustParseAddrPort("203.0.113.10:4000")

// headStart is that of the scripts, in which each line takes a millisecond. "wait 50 -> dial 1" is so much time, and what the machine
// does in it.
const headStart = 100 * time.Millisecond

func (s script) runRelayed(t *testing.T, role Role) *machine {
	t.Helper()
	m := &machine{role: role, relay: fallbackOf(&Relay{Remote: relayAddr, HeadStart: headStart})}
	now := epoch
	m.began[0] = now
	for line := range strings.Lines(string(s)) {
		event, want, ok := strings.Cut(strings.TrimSpace(line), "->")
		if !ok {
			continue
		}
		event, want = strings.TrimSpace(event), strings.TrimSpace(want)
		if got := playRelayed(m, &now, event); got != want {
			t.Fatalf("%v: %q does %q, want %q", role, event, got, want)
		}
	}
	return m
}

func playRelayed(m *machine, now *time.Time, event string) string {
	var millis int
	if n, _ := fmt.Sscanf(event, "wait %d", &millis); n == 0 {
		*now = now.Add(time.Millisecond)
		return play(m, *now, event)
	}
	var words []string
	end := now.Add(time.Duration(millis) * time.Millisecond)
	for {
		at, ok := m.wake()
		if !ok || at.After(end) {
			*now = end
			return strings.Join(words, ", ")
		}
		*now = maxTime(*now, at)
		did := inWords(m.tick(*now))
		if did == "" {
			return "woken for nothing"
		}
		words = append(words, did)
	}
}

func maxTime(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func TestRelayIsForWhatDoesNotOpenDirectly(t *testing.T) {
	for name, c := range map[string]struct {
		script  script
		relayed bool // the winner is
	}{
		"a punch in round 1 never touches it": {script: `
			round 1 a        -> dial 0
			wait 95          ->
			open 0           -> verify 0
			wait 150         ->
			proven 0         -> nominate 0
			wait 50          ->
			nominated 0      ->
		`},
		"silence is relayed after the head start": {relayed: true, script: `
			round 1 a b      -> dial 0, dial 1
			wait 98          ->
			wait 5           -> dial 2
			open 2           -> verify 2
			proven 2         -> nominate 2
			nominated 2      ->
		`},
		"the first proven direct one wins over a proven relayed one": {script: `
			round 1 a        -> dial 0
			wait 150         -> dial 1
			open 1           -> verify 1
			open 0           -> verify 0
			proven 1         ->
			wait 20          ->
			proven 0         -> nominate 0
			nominated 0      -> abort 1
		`},
		"an open connection that is never proven holds it for twice the head start": {relayed: true, script: `
			round 1 a        -> dial 0
			open 0           -> verify 0
			wait 290         ->
			wait 15          -> dial 1
			open 1           -> verify 1
			proven 1         -> nominate 1
			nominated 1      -> abort 0
		`},
		"a stranger does not hold it any longer": {relayed: true, script: `
			round 1 a        -> dial 0
			open 0           -> verify 0
			wait 150         ->
			stranger 0       -> abort 0, report 0 unverified
			wait 1           -> dial 1
			open 1           -> verify 1
			wait 105         ->
			proven 1         -> nominate 1
			nominated 1      ->
		`},
		"nor does one in round 2 that opens in time": {script: `
			round 1 a        -> dial 0
			wait 30          ->
			refused 0        -> report 0 refused
			wait 30          ->
			round 2 a        -> dial 1
			wait 30          ->
			open 1           -> verify 1
			wait 90          ->
			proven 1         -> nominate 1
			nominated 1      ->
		`},
		"a relayed one waits while round 2 is young": {script: `
			round 1 a        -> dial 0
			wait 80          ->
			refused 0        -> report 0 refused
			round 2 a        -> dial 1
			wait 30          -> dial 2
			open 2           -> verify 2
			proven 2         ->
			wait 60          ->
			open 1           -> verify 1
			wait 150         ->
			proven 1         -> nominate 1
			nominated 1      -> abort 2
		`},
		"it is not nominated while round 2 is about to come": {script: `
			round 1 a        -> dial 0
			wait 90          ->
			refused 0        -> report 0 refused
			wait 50          -> dial 1
			open 1           -> verify 1
			proven 1         ->
			round 2 a        -> dial 2
			wait 90          ->
			open 2           -> verify 2
			proven 2         -> nominate 2
			nominated 2      -> abort 1
		`},
		"but not for ever": {relayed: true, script: `
			round 1 a        -> dial 0
			wait 90          ->
			refused 0        -> report 0 refused
			wait 50          -> dial 1
			open 1           -> verify 1
			proven 1         ->
			wait 70          -> nominate 1
			nominated 1      ->
		`},
		"two refused rounds are enough to go there": {relayed: true, script: `
			round 1 a        -> dial 0
			refused 0        -> report 0 refused
			round 2 a        -> dial 1
			refused 1        -> report 1 refused
			wait 1           -> dial 2
			open 2           -> verify 2
			proven 2         ->
			round 3 a        -> dial 3
			refused 3        -> report 3 refused
			wait 1           -> nominate 2
			nominated 2      ->
		`},
		"the end of the rounds opens it at once": {relayed: true, script: `
			round 1 a        -> dial 0
			refused 0        -> report 0 refused
			rounds-over      -> dial 1
			open 1           -> verify 1
			proven 1         -> nominate 1
			nominated 1      ->
		`},
		"nothing to dial": {relayed: true, script: `
			round 1          ->
			wait 100         -> dial 0
			open 0           -> verify 0
			proven 0         -> nominate 0
			nominated 0      ->
		`},
		"the end of the time nominates it": {relayed: true, script: `
			round 1 a        -> dial 0
			wait 150         -> dial 1
			open 1           -> verify 1
			open 0           -> verify 0
			proven 1         ->
			time-over        -> nominate 1
			nominated 1      -> abort 0
		`},
		"a direct one that was lost leaves it": {relayed: true, script: `
			round 1 a        -> dial 0
			wait 150         -> dial 1
			open 1           -> verify 1
			open 0           -> verify 0
			proven 1         ->
			proven 0         -> nominate 0
			lost 0           -> abort 0, nominate 1
			nominated 1      ->
		`},
	} {
		t.Run(name, func(t *testing.T) {
			m := c.script.runRelayed(t, Dialer)
			if !m.over || m.cause != nil {
				t.Fatalf("over: %v, cause: %v", m.over, m.cause)
			}
			if winner := m.tries[m.winner]; winner.isRelayed() != c.relayed {
				t.Errorf("the winner is relayed: %v, want %v", winner.isRelayed(), c.relayed)
			}
			for _, try := range m.tries {
				if try.Outcome == NotRelayed {
					t.Errorf("try %v", try.Try)
				}
			}
		})
	}
}

func TestCalleeKeepsWhatTheDialerNominates(t *testing.T) {
	m := script(`
		round 1 a        -> dial 0
		wait 150         -> dial 1
		open 1           -> verify 1
		proven 1         -> nominate 1
		open 0           -> verify 0
		proven 0         -> nominate 0
		nominated 1      ->
	`).runRelayed(t, Callee)
	if !m.tries[m.winner].isRelayed() {
		t.Error("the winner is not the relayed one")
	}
}

func TestRelayThatFailsIsNotReportedAndLeavesTheRest(t *testing.T) {
	m := script(`
		round 1 a        -> dial 0
		wait 150         -> dial 1
		refused 1        ->
		wait 5000        ->
		open 0           -> verify 0
		proven 0         -> nominate 0
		nominated 0      ->
	`).runRelayed(t, Dialer)
	if got := m.tries[1].Outcome; got != NotRelayed {
		t.Errorf("outcome %v, want %v", got, NotRelayed)
	}
	m = script(`
		round 1 a        -> dial 0
		refused 0        -> report 0 refused
		rounds-over      -> dial 1
		open 1           -> verify 1
		stranger 1       -> abort 1
	`).runRelayed(t, Dialer)
	if m.cause != ErrNoDirectPath {
		t.Errorf("cause %v", m.cause)
	}
}

// TestRunTakesTheRelayWhereNothingElseOpens runs both sides in virtual time: one-way delays 20 ms and 30 ms to the relay.
func TestRunTakesTheRelayWhereNothingElseOpens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mem memNet
		a, b := mem.pair(addr("a"), addr("b"), 50*time.Millisecond)
		run := func(role Role, end net.Conn, connect time.Duration) <-chan outcome {
			return runAsync(t.Context(), roundOf(1, "c"), Plan{
				Attempt: testAttempt, Role: role,
				Dial:   func(ctx context.Context, _ netip.AddrPort) (net.Conn, error) { return silence(ctx) },
				Verify: proveWith(role, 1),
				Relay:  &Relay{Remote: relayAddr, HeadStart: headStart, Dial: after(connect, end, nil)},
			})
		}
		began := time.Now()
		atA, atB := run(Dialer, a, 40*time.Millisecond), run(Callee, b, 60*time.Millisecond)
		near, far := <-atA, <-atB
		if near.err != nil || far.err != nil {
			t.Fatal(near.err, far.err)
		}
		exchange(t, near.result.Conn, far.result.Conn)
		for _, r := range []*Result{near.result, far.result} {
			if r.Remote != (candidate.Candidate{Type: candidate.Relayed, Addr: relayAddr}) || r.SYNs != 1 || r.Accepted {
				t.Errorf("got %v after %d SYNs", r.Remote, r.SYNs)
			}
			if r.FirstSYN != began {
				t.Errorf("first SYN %v after the start", r.FirstSYN.Sub(began))
			}
		}
		// The dialer may speak after the head start, its connection to the relay, and a round trip by way of that.
		if took := near.result.Nominated.Sub(began); took != headStart+140*time.Millisecond {
			t.Errorf("nominated after %v", took)
		}
		near.result.Conn.Close()
		far.result.Conn.Close()
		if open := mem.stillOpen(); len(open) > 0 {
			t.Errorf("%d connections are open", len(open))
		}
	})
}

func TestRunDropsTheRelayWhenADirectOneWins(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mem memNet
		direct, peer := mem.pair(addr("a"), addr("b"), 30*time.Millisecond)
		late, _ := mem.pair(addr("a"), relayAddr, time.Millisecond)
		atB := runAsync(t.Context(), roundOf(1, "a"), Plan{Attempt: testAttempt, Role: Callee, Verify: proveWith(Callee, 1),
			Dial: func(ctx context.Context, _ netip.AddrPort) (net.Conn, error) {
				return after(110*time.Millisecond, peer, nil)(ctx)
			}})
		atA := runAsync(t.Context(), roundOf(1, "b"), Plan{Attempt: testAttempt, Role: Dialer, Verify: proveWith(Dialer, 1),
			Dial: func(ctx context.Context, _ netip.AddrPort) (net.Conn, error) {
				return after(110*time.Millisecond, direct, nil)(ctx)
			},
			Relay: &Relay{Remote: relayAddr, HeadStart: headStart, Dial: after(time.Millisecond, late, nil)}})
		near, far := <-atA, <-atB
		if near.err != nil || far.err != nil {
			t.Fatal(near.err, far.err)
		}
		if near.result.Remote.Type == candidate.Relayed {
			t.Error("the relayed one won")
		}
		if !late.isClosed() {
			t.Error("the relayed one is open")
		}
		if _, err := io.WriteString(late, "x"); err == nil {
			t.Error("the relayed one can be written to")
		}
		near.result.Conn.Close()
		far.result.Conn.Close()
	})
}
