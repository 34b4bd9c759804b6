package punch

import (
	"context"
	"io"
	"net"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bodkin-p2p/bodkin/internal/wire"
)

func TestStrangersNeitherWinNorHoldUpThePeer(t *testing.T) {
	otherAttempt := wire.Preface{Attempt: wire.AttemptID{9}}.Append(nil)
	ourAttempt := wire.Preface{Attempt: testAttempt}.Append(nil)
	for name, stranger := range map[string]struct {
		behave         func(c net.Conn)
		dialer, callee Outcome // what each makes of it
	}{
		"never speaks":                  {func(c net.Conn) {}, Unfinished, Unfinished},
		"closes at once":                {func(c net.Conn) { c.Close() }, CutOff, CutOff},
		"says garbage":                  {func(c net.Conn) { io.WriteString(c, "HTTP/1.1 400 Bad Request\r\n\r\n") }, NotThePeer, NotThePeer},
		"says half a preface":           {func(c net.Conn) { c.Write(ourAttempt[:10]); c.Close() }, CutOff, CutOff},
		"names another attempt":         {func(c net.Conn) { c.Write(otherAttempt) }, NotThePeer, NotThePeer},
		"has another key":               {func(c net.Conn) { c.Write(append(ourAttempt, 99, 99, 99)) }, NotThePeer, NotThePeer},
		"repeats everything it is told": {func(c net.Conn) { go io.Copy(c, c) }, NotThePeer, Unfinished},
	} {
		for _, role := range []Role{Dialer, Callee} {
			t.Run(role.String()+" meets one that "+name, func(t *testing.T) {
				want := map[Role]Outcome{Dialer: stranger.dialer, Callee: stranger.callee}[role]
				synctest.Test(t, func(t *testing.T) { meetStranger(t, role, stranger.behave, want) })
			})
		}
	}
}

// meetStranger has the side in role connect to a stranger at s at once, and to the peer a moment later.
func meetStranger(t *testing.T, role Role, behave func(net.Conn), want Outcome) {
	var n memNet
	a, b, dials := meeting(&n)
	mine, its := n.pair(addr("a"), addr("s"), time.Millisecond)
	behave(its)
	var reports []Failure
	remotes := map[Role][]string{Dialer: {"b"}, Callee: {"a"}}
	remotes[role] = append([]string{"s"}, remotes[role]...)
	for i, p := range []*Plan{&a, &b} {
		if p.Role == role {
			dials[i].answers[addr("s")] = after(0, mine, nil)
			p.Report = func(f Failure) { reports = append(reports, f) }
		}
	}
	began := time.Now()
	fromA := runAsync(t.Context(), roundOf(1, remotes[Dialer]...), a)
	fromB := runAsync(t.Context(), roundOf(1, remotes[Callee]...), b)
	atA, atB := <-fromA, <-fromB
	if atA.err != nil || atB.err != nil {
		t.Fatalf("dialer: %v, callee: %v", atA.err, atB.err)
	}
	if got, want := time.Since(began), 5*oneWay; got != want {
		t.Errorf("took %v, want %v as without the stranger", got, want)
	}
	exchange(t, atA.result.Conn, atB.result.Conn)
	tries := map[Role][]Try{Dialer: atA.result.Tries, Callee: atB.result.Tries}[role]
	if got := tryAt(t, tries, "s").Outcome; got != want {
		t.Errorf("the stranger: %v, want %v", got, want)
	}
	told := len(reports) == 1 && reports[0] == Failure{1, addr("s"), wire.FailureKind_FAILURE_KIND_UNVERIFIED}
	if wantTold := want == NotThePeer || want == CutOff && role == Dialer; told != wantTold || !told && len(reports) > 0 {
		t.Errorf("reports %v", reports)
	}
	its.Close()
	if open := n.stillOpen(atA.result.Socket, atB.result.Socket); len(open) > 0 {
		t.Errorf("left open: %v", open)
	}
}

func TestASilentStrangerIsReportedAfterThreeSecondsAndDialledAgainInTheNextRound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var n memNet
		first, silent := n.pair(addr("a"), addr("s"), 0)
		rounds := make(chan Round, 1)
		d := &dialer{answers: map[netip.AddrPort]func(context.Context) (net.Conn, error){addr("s"): after(0, first, nil)}}
		began := time.Now()
		var told time.Duration
		o := <-runAsync(t.Context(), roundOf(1, "s"), Plan{
			Attempt: testAttempt, Role: Dialer, Dial: d.dial, Verify: proveWith(Dialer, 7), Rounds: rounds,
			Report: func(f Failure) {
				told = time.Since(began)
				delete(d.answers, addr("s")) // nothing answers from now on
				rounds <- roundOf(2, "s")
			},
		})
		silent.Close()
		failure := failed(t, o)
		if told != verifyTimeout || len(failure.Tries) != 2 || failure.SYNs != 2 || failure.Rounds != 2 {
			t.Errorf("told after %v, %+v", told, failure)
		}
		if open := n.stillOpen(); len(open) > 0 {
			t.Errorf("left open: %v", open)
		}
	})
}
