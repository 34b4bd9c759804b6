package punch

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bodkin-p2p/bodkin/internal/wire"
)

const oneWay = 25 * time.Millisecond

// meeting is both sides of an attempt over one path, whose TCP connections are open after a round trip.
func meeting(n *memNet) (a, b Plan, dials [2]*dialer) {
	x, y := n.pair(addr("a"), addr("b"), oneWay)
	dials[0] = &dialer{answers: map[netip.AddrPort]func(context.Context) (net.Conn, error){addr("b"): after(2*oneWay, x, nil)}}
	dials[1] = &dialer{answers: map[netip.AddrPort]func(context.Context) (net.Conn, error){addr("a"): after(2*oneWay, y, nil)}}
	a = Plan{Attempt: testAttempt, Role: Dialer, Dial: dials[0].dial, Verify: proveWith(Dialer, 7)}
	b = Plan{Attempt: testAttempt, Role: Callee, Dial: dials[1].dial, Verify: proveWith(Callee, 7)}
	return a, b, dials
}

func TestBothSidesKeepTheSameConnectionAfterTwoRoundTrips(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var n memNet
		a, b, _ := meeting(&n)
		began := time.Now()
		fromA := runAsync(t.Context(), roundOf(1, "b", "x"), a)
		fromB := runAsync(t.Context(), roundOf(1, "a", "y"), b)
		atA := <-fromA
		if atA.err != nil {
			t.Fatal(atA.err)
		}
		// The dialer may send protected bytes now: its TLS did not wait for the other side's preface.
		if got, want := time.Since(began), 4*oneWay; got != want {
			t.Errorf("the dialer may send after %v, want %v", got, want)
		}
		atB := <-fromB
		if atB.err != nil {
			t.Fatal(atB.err)
		}
		if got, want := time.Since(began), 5*oneWay; got != want {
			t.Errorf("the callee knows after %v, want %v", got, want)
		}
		exchange(t, atA.result.Conn, atB.result.Conn)
		for _, o := range []outcome{atA, atB} {
			r := o.result
			if _, ok := r.Conn.(secured); !ok {
				t.Errorf("Conn is %T, not what Verify returned", r.Conn)
			}
			if r.SYNs != 2 || r.Round != 1 || r.Accepted || len(r.Tries) != 2 || !r.FirstSYN.Equal(began) ||
				r.Connected.Sub(began) != 2*oneWay || r.Nominated.Before(r.Verified) {
				t.Errorf("result %+v", r)
			}
			if got := tryAt(t, r.Tries, map[bool]string{true: "x", false: "y"}[o == atA]).Outcome; got != Unanswered {
				t.Errorf("the silent remote: %v, want %v", got, Unanswered)
			}
		}
		if open := n.stillOpen(atA.result.Socket, atB.result.Socket); len(open) > 0 {
			t.Errorf("left open: %v", open)
		}
		// The connection is an ordinary one from here on: closing it ends it for the other side.
		atA.result.Conn.Close()
		if _, err := atB.result.Conn.Read(make([]byte, 1)); err != io.EOF {
			t.Errorf("read after the other side closed: %v, want EOF", err)
		}
	})
}

func TestBytesThatFollowTheNominationAtOnceAreNotLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var n memNet
		a, b, _ := meeting(&n)
		fromA := runAsync(t.Context(), roundOf(1, "b"), a)
		fromB := runAsync(t.Context(), roundOf(1, "a"), b)
		atA := <-fromA
		if _, err := io.WriteString(atA.result.Conn, "first"); err != nil {
			t.Fatal(err)
		}
		atA.result.Conn.Close()
		got, err := io.ReadAll((<-fromB).result.Conn)
		if string(got) != "first" || err != nil {
			t.Errorf("the callee reads %q, %v, want %q", got, err, "first")
		}
	})
}

func TestAnAttemptEndsWithItsTimeAndListsEveryTry(t *testing.T) {
	for _, test := range []struct {
		role    Role
		timeout time.Duration
		want    time.Duration
	}{
		{Dialer, 0, 6 * time.Second},
		{Callee, 0, 7 * time.Second}, // for a nomination on its way
		{Dialer, 2 * time.Second, 2 * time.Second},
	} {
		synctest.Test(t, func(t *testing.T) {
			d := &dialer{answers: map[netip.AddrPort]func(context.Context) (net.Conn, error){
				addr("r"): after(2*oneWay, nil, errnoRefused),
			}}
			var reports []Failure
			began := time.Now()
			o := <-runAsync(t.Context(), roundOf(1, "r", "x", "y"), Plan{
				Attempt: testAttempt, Role: test.role, Dial: d.dial, Verify: proveWith(test.role, 7),
				Timeout: test.timeout, Report: func(f Failure) { reports = append(reports, f) },
			})
			if got := time.Since(began); got != test.want {
				t.Errorf("%v: ended after %v, want %v", test.role, got, test.want)
			}
			failure := failed(t, o)
			if !errors.Is(o.err, ErrNoDirectPath) || len(failure.Tries) != 3 || failure.SYNs != 3 {
				t.Errorf("%+v", failure)
			}
			if got := tryAt(t, failure.Tries, "r"); got.Outcome != Refused || got.Ended.Sub(began) != 2*oneWay {
				t.Errorf("refused try: %+v", got)
			}
			if want := (Failure{1, addr("r"), wire.FailureKind_FAILURE_KIND_REFUSED}); len(reports) != 1 || reports[0] != want {
				t.Errorf("reports %v, want %v", reports, want)
			}
		})
	}
}

func TestNothingIsRedialledByTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &dialer{answers: map[netip.AddrPort]func(context.Context) (net.Conn, error){
			addr("r"): after(0, nil, errnoRefused),
		}}
		rounds := make(chan Round)
		out := runAsync(t.Context(), roundOf(1, "r", "x"), Plan{
			Attempt: testAttempt, Role: Dialer, Dial: d.dial, Verify: proveWith(Dialer, 7), Rounds: rounds,
		})
		time.Sleep(3 * time.Second)
		if r, x := d.callsTo(addr("r")), d.callsTo(addr("x")); r != 1 || x != 1 {
			t.Errorf("after 3 s: refused remote dialled %d times, silent one %d times, want once each", r, x)
		}
		rounds <- roundOf(2, "r", "x")
		synctest.Wait() // refused again
		rounds <- roundOf(3, "r", "x")
		o := <-out
		if r, x := d.callsTo(addr("r")), d.callsTo(addr("x")); r != 3 || x != 1 {
			t.Errorf("after three rounds: refused remote dialled %d times, silent one %d times, want 3 and 1", r, x)
		}
		failed(t, o)
	})
}

func TestARoundStartsAfterItsDelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &dialer{}
		rounds := make(chan Round)
		began := time.Now()
		first := roundOf(1, "x")
		first.Delay = 10 * time.Millisecond
		out := runAsync(t.Context(), first, Plan{
			Attempt: testAttempt, Role: Dialer, Dial: d.dial, Verify: proveWith(Dialer, 7), Rounds: rounds,
		})
		time.Sleep(time.Second)
		second := roundOf(2, "y")
		second.Delay = 30 * time.Millisecond
		rounds <- second
		failed(t, <-out)
		for i, want := range []time.Duration{10 * time.Millisecond, 1030 * time.Millisecond} {
			if got := d.calls[i].at.Sub(began); got != want {
				t.Errorf("dial %d left after %v, want %v", i, got, want)
			}
		}
	})
}

func TestAnAttemptWithoutFurtherRoundsFailsWithItsLastTry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rounds := make(chan Round)
		d := &dialer{answers: map[netip.AddrPort]func(context.Context) (net.Conn, error){
			addr("r"): after(2*oneWay, nil, errnoRefused),
			addr("q"): after(4*oneWay, nil, errnoUnreachable),
		}}
		began := time.Now()
		out := runAsync(t.Context(), roundOf(1, "r", "q"), Plan{
			Attempt: testAttempt, Role: Dialer, Dial: d.dial, Verify: proveWith(Dialer, 7), Rounds: rounds,
		})
		close(rounds)
		if o := <-out; !errors.Is(o.err, ErrNoDirectPath) {
			t.Errorf("got %v, want %v", o.err, ErrNoDirectPath)
		}
		if got := time.Since(began); got != 4*oneWay {
			t.Errorf("failed after %v, want %v", got, 4*oneWay)
		}
	})
}

func TestInboundConnectionsBeyondTheBoundAreClosedAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var n memNet
		accepted := make(chan net.Conn)
		out := runAsync(t.Context(), roundOf(1), Plan{
			Attempt: testAttempt, Role: Callee, Dial: (&dialer{}).dial, Verify: proveWith(Callee, 7), Accepted: accepted,
		})
		for i := range maxAccepted + 3 {
			outside, inside := n.pair(addr("x"), addr("b"), 0)
			defer outside.Close()
			accepted <- inside
			synctest.Wait()
			if closed := inside.isClosed(); closed != (i >= maxAccepted) {
				t.Errorf("connection %d: closed %v", i, closed)
			}
		}
		if failure := failed(t, <-out); len(failure.Tries) != maxAccepted {
			t.Errorf("%d tries, want %d", len(failure.Tries), maxAccepted)
		}
		for _, end := range n.stillOpen() {
			if end.local == addr("b") {
				t.Error("left open")
			}
		}
	})
}

// TestTheOthersAreClosedAfterTheNomination: were they closed before, and the winner then died, nothing would be left.
func TestTheOthersAreClosedAfterTheNomination(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var n memNet
		a, b, dials := meeting(&n)
		slow, slowest := n.pair(addr("a"), addr("s"), time.Second)
		var atNomination []string
		look := func(what string, stillThere bool) {
			if stillThere {
				atNomination = append(atNomination, what)
			}
		}
		silent := make(chan context.Context, 1)
		dials[0].answers[addr("s")] = after(0, slow, nil)
		dials[0].answers[addr("x")] = func(ctx context.Context) (net.Conn, error) {
			silent <- ctx
			return silence(ctx)
		}
		prove := a.Verify
		a.Verify = func(ctx context.Context, c net.Conn) (net.Conn, error) {
			conn, err := prove(ctx, c)
			return watched{conn, func() {
				look("the dial without an answer", (<-silent).Err() == nil)
				look("the connection that is being verified", !slow.isClosed())
			}}, err
		}
		fromA := runAsync(t.Context(), roundOf(1, "b", "s", "x"), a)
		fromB := runAsync(t.Context(), roundOf(1, "a"), b)
		atA, atB := <-fromA, <-fromB
		if atA.err != nil || atB.err != nil {
			t.Fatal(atA.err, atB.err)
		}
		if len(atNomination) != 2 {
			t.Errorf("when the nomination was written, only these were alive: %q", atNomination)
		}
		if !slow.isClosed() {
			t.Error("the slow one is open after the end")
		}
		slowest.Close()
	})
}

// watched tells when it is written to.
type watched struct {
	net.Conn
	onWrite func()
}

func (w watched) Write(b []byte) (int, error) {
	w.onWrite()
	return w.Conn.Write(b)
}
