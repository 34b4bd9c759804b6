package rendezvous

import (
	"context"
	"errors"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bodkin-p2p/bodkin/internal/identity"
	"github.com/bodkin-p2p/bodkin/internal/wire"
)

// asked starts Introduce and returns the Dial that the server gets, and where the outcome will be.
func asked(s *stage, p *playedConn, target Target) (*wire.Dial, <-chan answer) {
	done := make(chan answer, 1)
	go func() {
		i, err := s.client.Introduce(s.t.Context(), target)
		done <- answer{i, err}
	}()
	dial := p.next().GetDial()
	if dial == nil {
		s.t.Fatal("no Dial came")
	}
	return dial, done
}

func TestIntroduceReturnsTheAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, nil)
		s.run()
		p := s.welcomed(plainWelcome)
		s.client.Registered(t.Context())
		peer := identity.NodeID{7}
		dial, done := asked(s, p, ByNode(peer))
		if string(dial.GetNode()) != string(peer[:]) {
			t.Errorf("dialled %x", dial.GetNode())
		}
		introduction := &wire.Introduction{Attempt: append(make([]byte, 15), 9), Request: dial.Request, Round: 1, Role: wire.Role_ROLE_DIALER, Peer: peer[:],
			SealedProfile: []byte("sealed"), NameTag: append(make([]byte, 15), 8), Observed: []*wire.Endpoint{{Ip: []byte{192, 0, 2, 1}, Port: 5}}, DelayUs: 1500, DeadlineMs: 6000}
		p.say(&wire.ServerMessage{Body: &wire.ServerMessage_Introduction{Introduction: introduction}})
		got := <-done
		if got.err != nil {
			t.Fatal(got.err)
		}
		i := got.introduction
		if i.Attempt[15] != 9 || i.Round != 1 || i.Role != Dialer || i.Peer != peer || string(i.Sealed) != "sealed" || i.NameTag[15] != 8 || i.Delay != 1500*time.Microsecond ||
			i.Deadline != 6*time.Second || len(i.Observed) != 1 || i.Observed[0].String() != "192.0.2.1:5" || !i.Received.Equal(time.Now()) {
			t.Errorf("introduction is %+v", i)
		}
		introduction.Round = 2
		p.say(&wire.ServerMessage{Body: &wire.ServerMessage_Introduction{Introduction: introduction}})
		p.say(&wire.ServerMessage{Body: &wire.ServerMessage_AttemptOver{AttemptOver: &wire.AttemptOver{Attempt: introduction.Attempt, Reason: wire.AttemptOver_REASON_PEER_GONE}}})
		synctest.Wait()
		if len(s.told) != 2 || s.told[1].Round != 2 || len(s.over) != 1 || s.over[0] != OverPeerGone {
			t.Errorf("told of %d introductions and %v", len(s.told), s.over)
		}
		failed := []Failure{{netip.MustParseAddrPort("192.0.2.1:5"), FailureRefused}}
		if err := errors.Join(s.client.Report(i.Attempt, 2, failed), s.client.Finished(i.Attempt, 2, DirectCarrier)); err != nil {
			t.Fatal(err)
		}
		if r := p.next().GetReport(); r.GetRound() != 2 || len(r.GetFailures()) != 1 || r.Failures[0].Kind != wire.FailureKind_FAILURE_KIND_REFUSED {
			t.Errorf("reported %v", r)
		}
		if f := p.next().GetFinished(); !f.GetDirect() || f.GetRound() != 2 || string(f.GetAttempt()) != string(i.Attempt[:]) {
			t.Errorf("finished %v", f)
		}
	})
}

func TestIntroduceTellsWhyNot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, nil)
		if _, err := s.client.Introduce(t.Context(), ByNode(identity.NodeID{1})); err != ErrOffline {
			t.Errorf("before Run: %v, want ErrOffline", err)
		}
		s.run()
		p := s.welcomed(plainWelcome)
		s.client.Registered(t.Context())

		dial, done := asked(s, p, ByNameTag([16]byte{1}))
		p.say(&wire.ServerMessage{Body: &wire.ServerMessage_DialFailed{DialFailed: &wire.DialFailed{Request: dial.Request, Code: wire.DialFailed_CODE_NOT_HERE}}})
		if got := <-done; got.err != ErrNotHere {
			t.Errorf("unknown peer: %v, want ErrNotHere", got.err)
		}
		dial, done = asked(s, p, ByNameTag([16]byte{1}))
		p.say(&wire.ServerMessage{Body: &wire.ServerMessage_DialFailed{DialFailed: &wire.DialFailed{Request: dial.Request, Code: wire.DialFailed_CODE_LIMITED, RetryAfterMs: 500}}})
		var limited *LimitedError
		if got := <-done; !errors.Is(got.err, ErrLimited) || !errors.As(got.err, &limited) || limited.RetryAfter != 500*time.Millisecond {
			t.Errorf("too many dials: %v, want a LimitedError of 500 ms", got.err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := s.client.Introduce(ctx, ByNode(identity.NodeID{1})); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("no answer: %v, want the context's error", err)
		}
		p.next()
		_, done = asked(s, p, ByNode(identity.NodeID{1}))
		p.raw.Close()
		if got := <-done; got.err != ErrOffline {
			t.Errorf("connection lost: %v, want ErrOffline", got.err)
		}
		if err := s.client.Finished(wire.AttemptID{}, 1, DirectCarrier); err != ErrOffline {
			t.Errorf("Finished without a connection: %v, want ErrOffline", err)
		}
	})
}
