package punch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/bodkin-p2p/bodkin/internal/candidate"
	"github.com/bodkin-p2p/bodkin/internal/wire"
)

// A script is a machine's life in words: each line is an event, and behind the arrow what the machine does about it.
//
//	round 1 a b -> dial 0, dial 1     remotes are letters, tries are numbers in the order they were started
//	refused 0 -> report 0 refused
//	open 1 -> verify 1
//
// "closed" stands for an accepted connection that is not wanted, and nothing for nothing.
type script string

func (s script) run(t *testing.T, role Role) *machine {
	t.Helper()
	m := &machine{role: role}
	now := epoch
	for line := range strings.Lines(string(s)) {
		event, want, ok := strings.Cut(strings.TrimSpace(line), "->")
		if !ok {
			continue
		}
		event, want = strings.TrimSpace(event), strings.TrimSpace(want)
		now = now.Add(time.Millisecond)
		if got := play(m, now, event); got != want {
			t.Fatalf("%v: %q does %q, want %q", role, event, got, want)
		}
	}
	return m
}

var epoch = time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)

// play gives the machine one event of a script and returns its actions in words.
func play(m *machine, now time.Time, event string) string {
	words := strings.Fields(event)
	arg := 0
	if len(words) > 1 {
		fmt.Sscan(words[1], &arg)
	}
	switch words[0] {
	case "round":
		r := Round{Number: arg}
		for _, name := range words[2:] {
			r.Remotes = append(r.Remotes, remote(name))
		}
		return inWords(m.start(now, r))
	case "rounds-over":
		return inWords(m.noMoreRounds(now))
	case "open":
		return inWords(m.dialed(now, arg, nil))
	case "refused", "unreachable", "busy", "ended", "broken":
		return inWords(m.dialed(now, arg, dialErrors[words[0]]))
	case "accept":
		_, do, ok := m.accept(now, remote(words[1]).Addr)
		if !ok {
			return "closed"
		}
		return inWords(do)
	case "proven":
		return inWords(m.checked(now, arg, nil))
	case "stranger":
		return inWords(m.checked(now, arg, errors.New("stranger")))
	case "cut":
		return inWords(m.checked(now, arg, io.ErrUnexpectedEOF))
	case "nominated":
		return inWords(m.nominated(now, arg, nil))
	case "lost":
		return inWords(m.nominated(now, arg, errors.New("lost")))
	case "time-over":
		return inWords(m.expire(now))
	case "settle":
		return inWords(m.settle())
	case "cancel":
		return inWords(m.cancel(now, context.Canceled))
	}
	panic("unknown event " + event)
}

var dialErrors = map[string]error{
	"refused": systemError{"RST", errnoRefused}, "unreachable": systemError{"ICMP", errnoUnreachable},
	"busy": systemError{"4-tuple", errnoTupleBusy}, "ended": context.Canceled, "broken": errors.New("no descriptor"),
}

// systemError is an error of the system in words that are the same on all of them.
type systemError struct {
	text  string
	errno syscall.Errno
}

func (e systemError) Error() string { return e.text }
func (e systemError) Unwrap() error { return e.errno }

func inWords(do []action) string {
	var words []string
	for _, a := range do {
		name := map[verb]string{dial: "dial", verify: "verify", nominate: "nominate", abort: "abort",
			retire: "retire", report: "report"}[a.verb]
		word := fmt.Sprintf("%s %d", name, a.try)
		if a.verb == report {
			kind := strings.TrimPrefix(a.failure.Kind.String(), "FAILURE_KIND_")
			word += " " + strings.ToLower(kind)
		}
		words = append(words, word)
	}
	return strings.Join(words, ", ")
}

// remote is the candidate of a one-letter name.
func remote(name string) candidate.Candidate {
	addr := netip.AddrFrom4([4]byte{192, 0, 2, name[0]})
	return candidate.Candidate{Type: candidate.ServerReflexive, Addr: netip.AddrPortFrom(addr, 40000)}
}

func TestTheMachineFollowsItsRules(t *testing.T) {
	both := []Role{Dialer, Callee}
	for _, test := range []struct {
		rule   string
		roles  []Role
		script script
	}{
		{"all remotes of a round are dialled at once", both, `
			round 1 a b c -> dial 0, dial 1, dial 2`},
		{"at most six remotes of a round are dialled", both, `
			round 1 a b c d e f g h -> dial 0, dial 1, dial 2, dial 3, dial 4, dial 5`},
		{"a remote named twice is dialled once, and does not use up a place", both, `
			round 1 a a b b c d e f g -> dial 0, dial 1, dial 2, dial 3, dial 4, dial 5`},
		{"a socket that has not failed is never closed or dialled again", both, `
			round 1 a b -> dial 0, dial 1
			refused 0   -> report 0 refused
			round 2 a b -> dial 2
			round 3 a b ->`},
		{"a new remote of a later round is dialled beside those still alive", both, `
			round 1 a   -> dial 0
			round 2 a b -> dial 1`},
		{"a round that is not newer is passed over", both, `
			round 2 a -> dial 0
			refused 0 -> report 0 refused
			round 2 a ->
			round 1 a ->
			round 3 a -> dial 1`},
		{"there are three rounds at most", both, `
			round 3 a -> dial 0
			refused 0 -> report 0 refused
			round 4 a ->`},
		{"each hard failure is reported once and at once", both, `
			round 1 a b c d -> dial 0, dial 1, dial 2, dial 3
			refused 0       -> report 0 refused
			unreachable 1   -> report 1 unreachable
			busy 2          -> report 2 tuple_busy
			broken 3        -> report 3 other
			round 2 a b c d -> dial 4, dial 5, dial 6, dial 7`},
		{"a dial that ends with the attempt is no failure of the remote", both, `
			round 1 a -> dial 0
			ended 0   ->`},
		{"a stranger is closed and reported, and the others go on", both, `
			round 1 a b -> dial 0, dial 1
			open 0      -> verify 0
			stranger 0  -> abort 0, report 0 unverified
			open 1      -> verify 1
			round 2 a b -> dial 2`},
		{"a stranger who came in is closed, and is not the server's business", both, `
			round 1 a  -> dial 0
			accept x   -> verify 1
			stranger 1 -> abort 1`},
		{"the dialer reports a connection that is cut off", []Role{Dialer}, `
			round 1 a b -> dial 0, dial 1
			open 0      -> verify 0
			cut 0       -> abort 0, report 0 unverified
			round 2 a b -> dial 2`},
		{"the callee does not: most likely the dialer has nominated another", []Role{Callee}, `
			round 1 a b -> dial 0, dial 1
			open 0      -> verify 0
			cut 0       -> abort 0
			round 2 a b -> dial 2`},
		{"several connections are verified at once", both, `
			round 1 a b -> dial 0, dial 1
			open 0      -> verify 0
			open 1      -> verify 1
			accept x    -> verify 2`},
		{"the dialer nominates the first verified, and closes the others only when that is written", []Role{Dialer}, `
			round 1 a b c d e -> dial 0, dial 1, dial 2, dial 3, dial 4
			open 0      -> verify 0
			open 1      -> verify 1
			open 2      -> verify 2
			accept x    -> verify 5
			proven 1    -> nominate 1
			proven 0    ->
			nominated 1 -> abort 0, abort 2, abort 5
			open 3      -> abort 3
			refused 4   ->
			proven 5    ->
			stranger 2  ->
			accept y    -> closed
			round 2 a   ->
			rounds-over ->
			time-over   ->
			cancel      ->
			settle      ->`},
		{"the dialer goes on with the next verified if the nomination cannot be written", []Role{Dialer}, `
			round 1 a b c -> dial 0, dial 1, dial 2
			open 0        -> verify 0
			open 1        -> verify 1
			open 2        -> verify 2
			proven 2      -> nominate 2
			proven 1      ->
			proven 0      ->
			lost 2        -> abort 2, nominate 1
			lost 1        -> abort 1, nominate 0
			nominated 0   ->`},
		{"the callee waits for the nomination on every verified connection and keeps the nominated one", []Role{Callee}, `
			round 1 a b c -> dial 0, dial 1, dial 2
			open 0        -> verify 0
			open 1        -> verify 1
			proven 0      -> nominate 0
			proven 1      -> nominate 1
			nominated 1   ->`},
		{"a callee with a winner waits for the dialer to reset the others, and closes in order what it has not", []Role{Callee}, `
			round 1 a b c d -> dial 0, dial 1, dial 2, dial 3
			open 0      -> verify 0
			open 1      -> verify 1
			proven 0    -> nominate 0
			nominated 0 ->
			cut 1       -> retire 1
			open 2      -> verify 2
			proven 2    -> nominate 2
			lost 2      -> retire 2
			accept x    -> closed
			open 3      -> verify 3
			settle      -> retire 3
			proven 3    ->`},
		{"after that it closes what opens", []Role{Callee}, `
			round 1 a b c -> dial 0, dial 1, dial 2
			open 0      -> verify 0
			proven 0    -> nominate 0
			open 1      -> verify 1
			nominated 0 ->
			proven 1    -> nominate 1
			settle      -> retire 1
			open 2      -> retire 2`},
		{"a second nomination changes nothing", []Role{Callee}, `
			round 1 a b -> dial 0, dial 1
			open 0      -> verify 0
			open 1      -> verify 1
			proven 0    -> nominate 0
			proven 1    -> nominate 1
			nominated 1 ->
			nominated 0 -> retire 0
			settle      ->`},
		{"a callee without a winner resets", []Role{Callee}, `
			round 1 a b -> dial 0, dial 1
			open 0      -> verify 0
			cancel      -> abort 0
			open 1      -> abort 1`},
		{"the callee goes on when a verified connection dies, and does not bother the server with it", []Role{Callee}, `
			round 1 a b -> dial 0, dial 1
			open 0      -> verify 0
			proven 0    -> nominate 0
			lost 0      -> abort 0
			open 1      -> verify 1
			proven 1    -> nominate 1
			round 2 a b -> dial 2
			nominated 1 ->`},
		{"a remote that came in first is not dialled", both, `
			accept a    -> verify 0
			round 1 a b -> dial 1
			stranger 0  -> abort 0
			round 2 a b -> dial 2`},
		{"a busy tuple is not reported if the peer's own connection holds it", both, `
			round 1 a b -> dial 0, dial 1
			accept a    -> verify 2
			busy 0      ->
			busy 1      -> report 1 tuple_busy`},
		{"after the last round the attempt fails with the last try", both, `
			round 1 a b -> dial 0, dial 1
			rounds-over ->
			refused 0   -> report 0 refused
			open 1      -> verify 1
			stranger 1  -> abort 1, report 1 unverified
			accept x    -> closed`},
		{"the time over closes what is open", both, `
			round 1 a b -> dial 0, dial 1
			open 0      -> verify 0
			time-over   -> abort 0
			open 1      -> abort 1
			proven 0    ->
			settle      ->`},
		{"a nomination that is being written is not called back by the clock", []Role{Dialer}, `
			round 1 a b -> dial 0, dial 1
			open 0      -> verify 0
			proven 0    -> nominate 0
			time-over   ->
			round 2 c   ->
			nominated 0 -> `},
		{"if it fails, though, the time is over", []Role{Dialer}, `
			round 1 a b -> dial 0, dial 1
			open 0      -> verify 0
			open 1      -> verify 1
			proven 0    -> nominate 0
			time-over   ->
			lost 0      -> abort 0, abort 1`},
		{"cancelling closes what is open, a nomination too", both, `
			round 1 a b -> dial 0, dial 1
			open 0      -> verify 0
			proven 0    -> nominate 0
			cancel      -> abort 0
			nominated 0 ->
			open 1      -> abort 1
			settle      ->`},
	} {
		t.Run(test.rule, func(t *testing.T) {
			for _, role := range test.roles {
				test.script.run(t, role)
			}
		})
	}
}

func TestAnAttemptLooksAtSixteenInboundConnections(t *testing.T) {
	m := &machine{role: Callee}
	for i := range maxAccepted {
		if got, want := play(m, epoch, "accept x"), fmt.Sprintf("verify %d", i); got != want {
			t.Fatalf("accepted connection %d: got %q, want %q", i, got, want)
		}
		play(m, epoch, fmt.Sprintf("stranger %d", i)) // that they have failed gives no room for more
	}
	if got := play(m, epoch, "accept x"); got != "closed" {
		t.Errorf("connection %d: got %q, want it closed", maxAccepted, got)
	}
}

func TestDialsAreCountedAndBounded(t *testing.T) {
	m := &machine{role: Dialer}
	for round := range wire.MaxRounds + 2 {
		play(m, epoch, fmt.Sprintf("round %d a b c d e f g h i", round+1))
		for i, try := range m.tries {
			if try.stage == dialling {
				play(m, epoch, fmt.Sprintf("refused %d", i))
			}
		}
	}
	if want := candidate.MaxRound * wire.MaxRounds; len(m.tries) != want {
		t.Errorf("%d tries, want %d", len(m.tries), want)
	}
}
