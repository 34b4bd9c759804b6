package punch

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/bodkin-p2p/bodkin/internal/identity"
	"github.com/bodkin-p2p/bodkin/internal/reuseport"
	"github.com/bodkin-p2p/bodkin/internal/tcptest"
	"github.com/bodkin-p2p/bodkin/internal/wire"
)

// TestTwoPortsMeetAHundredTimes has the same two ports dial each other again and again. Here nothing filters, so the
// faster SYN usually meets the other side's listener, and that side's own dial finds its 4-tuple busy.
func TestTwoPortsMeetAHundredTimes(t *testing.T) {
	room := newRoom(t)
	a, b := newNode(t, room, reuseport.Config{}), newNode(t, room, reuseport.Config{})
	accepted := 0
	for i := range 100 {
		attempt := wire.AttemptID{byte(i)}
		atA, atB := runBoth(t.Context(), a, b, at(1, b.loopback()), at(1, a.loopback()),
			a.plan(Dialer, b, attempt), b.plan(Callee, a, attempt))
		if atA.err != nil || atB.err != nil {
			t.Fatalf("attempt %d: dialer: %v, callee: %v", i, atA.err, atB.err)
		}
		exchange(t, atA.result.Conn, atB.result.Conn)
		for _, r := range []*Result{atA.result, atB.result} {
			if r.Accepted {
				accepted++
			}
		}
		hangUp(atA, atB)
	}
	t.Logf("of 200 ends, %d were accepted and %d dialled", accepted, 200-accepted)
}

// What Run returns is an ordinary connection: its end is orderly, and what was written before arrives.
func TestTheResultIsClosedInAnOrderlyWay(t *testing.T) {
	room := newRoom(t)
	a, b := newNode(t, room, reuseport.Config{}), newNode(t, room, reuseport.Config{})
	planA, planB := a.plan(Dialer, b, testAttempt), b.plan(Callee, a, testAttempt)
	planA.Verify, planB.Verify = proveWith(Dialer, 7), proveWith(Callee, 7) // TLS has an end of its own
	atA, atB := runBoth(t.Context(), a, b, at(1, b.loopback()), at(1, a.loopback()), planA, planB)
	if atA.err != nil || atB.err != nil {
		t.Fatalf("dialer: %v, callee: %v", atA.err, atB.err)
	}
	defer reuseport.Abort(atB.result.Socket)
	io.WriteString(atA.result.Conn, "last words")
	if err := atA.result.Conn.Close(); err != nil {
		t.Error(err)
	}
	if got, err := io.ReadAll(atB.result.Conn); string(got) != "last words" || err != nil {
		t.Errorf("read %q, %v", got, err)
	}
}

// Resets from both sides could cross, see TestTheSamePortsMeetAgainUnlessResetsCross.
func TestTheDialerResetsItsSpareConnectionsAndTheCalleeEndsThemInOrder(t *testing.T) {
	for _, role := range []Role{Dialer, Callee} {
		t.Run(role.String(), func(t *testing.T) {
			accepted := make(chan net.Conn, 2)
			var far [2]net.Conn // the test is the peer: it proves itself on both, and one is nominated
			var ends [2]error   // how they ended for it
			var proofs, lingering sync.WaitGroup
			for i := range far {
				near, other := tcptest.Pair(t)
				accepted <- near
				far[i] = newLink(other, testAttempt, false)
				proofs.Go(func() { _, ends[i] = proveWith(Dialer+Callee-role, 7)(t.Context(), far[i]) })
			}
			out := runAsync(t.Context(), at(1), Plan{
				Attempt: testAttempt, Role: role, Dial: (&dialer{}).dial, Verify: proveWith(role, 7), Accepted: accepted,
				Background: lingering.Go,
			})
			proofs.Wait()
			if role == Callee {
				writeNomination(far[0], testAttempt)
			}
			o := <-out
			if o.err != nil {
				t.Fatal(o.err)
			}
			defer lingering.Wait()
			defer o.result.Conn.Close()
			spare := 0
			if o.result.Socket.RemoteAddr().String() == far[0].LocalAddr().String() {
				spare = 1
			}
			if ends[spare] == nil {
				_, ends[spare] = io.ReadAll(far[spare])
			}
			if wasReset := reuseport.Classify(ends[spare]) == reuseport.Refused; wasReset != (role == Dialer) {
				t.Errorf("the peer sees the spare connection end with %v", ends[spare])
			}
		})
	}
}

// refusing is an address of this machine where nothing listens.
func refusing(t *testing.T) netip.AddrPort {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).AddrPort()
}

func TestRefusedRemotesAreReportedAndDialledAgainInTheNextRound(t *testing.T) {
	room := newRoom(t)
	a, b := newNode(t, room, reuseport.Config{}), newNode(t, room, reuseport.Config{})
	dead := refusing(t)
	rounds := make(chan Round, 2)
	var reports []Failure
	p := a.plan(Dialer, b, testAttempt)
	p.Rounds = rounds
	p.Report = func(f Failure) {
		reports = append(reports, f)
		if f.Round < wire.MaxRounds {
			rounds <- at(f.Round+1, dead)
		} else {
			close(rounds)
		}
	}
	o := a.run(t.Context(), at(1, dead), p)
	failure := failed(t, o)
	if !errors.Is(o.err, ErrNoDirectPath) || failure.SYNs != 3 || failure.Rounds != 3 || len(failure.Tries) != 3 {
		t.Errorf("%+v", failure)
	}
	for i, f := range reports {
		if want := (Failure{i + 1, dead, wire.FailureKind_FAILURE_KIND_REFUSED}); f != want {
			t.Errorf("report %d: %+v, want %+v", i, f, want)
		}
	}
	for _, try := range failure.Tries {
		if try.Outcome != Refused {
			t.Errorf("%v, want it refused", try)
		}
	}
}

// stranger listens on this machine and treats every connection in its own way.
func stranger(t *testing.T, behave func(c net.Conn)) netip.AddrPort {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			behave(c)
		}
	}()
	t.Cleanup(func() {
		l.Close()
		<-done
	})
	return l.Addr().(*net.TCPAddr).AddrPort()
}

func TestRealStrangersNeitherWinNorHoldUpThePeer(t *testing.T) {
	room := newRoom(t)
	a, b := newNode(t, room, reuseport.Config{}), newNode(t, room, reuseport.Config{})
	impostor, err := identity.NewKey() // in the room, but not the one that was called
	if err != nil {
		t.Fatal(err)
	}
	impostorTLS, err := identity.PeerConfig(impostor, room, a.key.NodeID())
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		behave func(c net.Conn)
		want   Outcome
	}{
		"never speaks": {func(c net.Conn) { go listen(c) }, Unfinished},
		"closes":       {func(c net.Conn) { c.Close() }, CutOff},
		"says garbage": {func(c net.Conn) {
			io.WriteString(c, "220 mail.example.net ESMTP ready\r\n")
			go listen(c)
		}, NotThePeer},
		"has another key": {func(c net.Conn) {
			go func() {
				l := newLink(c, testAttempt, false)
				l.Write(wire.Preface{Attempt: testAttempt}.Append(nil))
				tls.Server(l, impostorTLS).HandshakeContext(t.Context())
				listen(c)
			}()
		}, NotThePeer},
	} {
		t.Run(name, func(t *testing.T) {
			nearby := stranger(t, test.behave)
			pa, pb := a.plan(Dialer, b, testAttempt), b.plan(Callee, a, testAttempt)
			var reports []Failure
			failed := make(chan struct{}, 1)
			pa.Report = func(f Failure) {
				reports = append(reports, f)
				failed <- struct{}{}
			}
			pa.Dial = func(ctx context.Context, remote netip.AddrPort) (net.Conn, error) {
				switch { // the stranger has every chance to win
				case remote != b.loopback():
				case test.want == Unfinished:
					wait(ctx, 200*time.Millisecond)
				default:
					<-failed
				}
				return a.port.Dial(ctx, remote)
			}
			began := time.Now()
			atA, atB := runBoth(t.Context(), a, b, at(1, nearby, b.loopback()), at(1), pa, pb)
			if atA.err != nil || atB.err != nil {
				t.Fatalf("dialer: %v, callee: %v", atA.err, atB.err)
			}
			defer hangUp(atA, atB)
			if took := time.Since(began); took > verifyTimeout {
				t.Errorf("took %v: the stranger held the peer up", took)
			}
			if got := atA.result.Remote.Addr; got != b.loopback() {
				t.Errorf("connected to %v, want the peer at %v", got, b.loopback())
			}
			if got := atA.result.Tries[0]; got.Outcome != test.want {
				t.Errorf("%v, want it %v", got, test.want)
			}
			unverified := Failure{1, nearby, wire.FailureKind_FAILURE_KIND_UNVERIFIED}
			if told := len(reports) == 1 && reports[0] == unverified; told != (test.want != Unfinished) {
				t.Errorf("reports %+v", reports)
			}
		})
	}
}

// listen reads until the other end goes away.
func listen(c net.Conn) {
	io.Copy(io.Discard, c)
	c.Close()
}
