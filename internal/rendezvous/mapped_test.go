package rendezvous

import (
	"bytes"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bodkin-p2p/bodkin/internal/wire"
)

var outside = netip.MustParseAddrPort("203.0.113.7:50000")

// proves says what the server made of an endpoint.
func (p *playedConn) proves(endpoint netip.AddrPort, code wire.MappedProof_Code, retryAfter time.Duration) {
	p.say(&wire.ServerMessage{Body: &wire.ServerMessage_MappedProof{MappedProof: &wire.MappedProof{
		Endpoint: wire.NewEndpoint(endpoint), Code: code, RetryAfterMs: uint32(retryAfter.Milliseconds())}}})
	synctest.Wait()
}

func TestTheServerIsToldOfAMappingOnceInEachConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, nil)
		s.client.SetMapped(outside) // before there is a connection
		s.run()
		p := s.welcomed(plainWelcome)
		m := p.next().GetMapped()
		if m.GetEndpoint().AddrPort() != outside || len(m.GetKey()) != wire.ProofLen {
			t.Fatalf("told %v, want %v", m, outside)
		}
		s.client.SetMapped(outside)
		synctest.Wait()
		if n := len(p.said); n > 1 { // a ping
			t.Errorf("told again: %d messages", n)
		}
		challenge := [wire.ProofLen]byte{7}
		if answer := s.client.AnswerProof(challenge); !bytes.Equal(answer, wire.Answer(m.Key, challenge[:])) {
			t.Errorf("answers %x", answer)
		}
		p.proves(outside, wire.MappedProof_CODE_PROVEN, 0)
		if state := s.client.State(); state.Proof != Proven || state.Mapped != outside {
			t.Errorf("state is %+v, want proven", state)
		}
		if answer := s.client.AnswerProof(challenge); answer != nil {
			t.Error("answers when nothing is to be proven")
		}
		p.raw.Close()
		p = s.welcomed(plainWelcome)
		if again := p.next().GetMapped(); again.GetEndpoint().AddrPort() != outside {
			t.Errorf("the next connection is told %v", again)
		}
		if state := s.client.State(); state.Proof != ProofNone {
			t.Errorf("the next server is believed to have proven it: %+v", state)
		}
		s.client.SetMapped(netip.AddrPort{})
		if m := p.next(); m.GetMapped() == nil || m.GetMapped().Endpoint != nil {
			t.Errorf("told %v, want that there is none", m)
		}
	})
}

func TestAProofThatFailedIsAskedForAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, row := range []struct {
			code       wire.MappedProof_Code
			retryAfter time.Duration
			want       Proof
			again      time.Duration // at the earliest; pings are the clock
		}{
			{wire.MappedProof_CODE_UNPROVEN, 0, Unproven, proofRetry},
			{wire.MappedProof_CODE_LIMITED, 40 * time.Second, ProofNone, 40 * time.Second},
			{wire.MappedProof_CODE_LIMITED, 0, ProofNone, proofRetryMin},
		} {
			s := newStage(t, nil)
			s.run()
			p := s.welcomed(plainWelcome)
			synctest.Wait() // or the client may say it twice: with its registration, and because it is new
			s.client.SetMapped(outside)
			p.next()
			began := time.Now()
			p.proves(outside, row.code, row.retryAfter)
			if got := s.client.State().Proof; got != row.want {
				t.Errorf("%v: state %v, want %v", row.code, got, row.want)
			}
			again := make(chan time.Duration, 1)
			go func() {
				for m := range p.said {
					switch {
					case m.GetPing() != nil:
						wire.Write(p.conn, &wire.ServerMessage{Body: &wire.ServerMessage_Pong{Pong: &wire.Pong{}}})
					case m.GetMapped() != nil:
						again <- time.Since(began)
						return
					}
				}
			}()
			if took := <-again; took < row.again || took > row.again+25*time.Second {
				t.Errorf("%v: asked again after %v, want %v and a ping", row.code, took, row.again)
			}
			s.stop()
			go func() {
				for range p.said {
				}
			}()
			<-s.ended
		}
	})
}

func TestAnAnswerToAnEarlierQuestionIsPassedOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, nil)
		s.run()
		p := s.welcomed(plainWelcome)
		synctest.Wait() // before that, only the newer mapping would be told
		s.client.SetMapped(netip.MustParseAddrPort("203.0.113.7:50001"))
		s.client.SetMapped(outside)
		p.next()
		p.next()
		p.proves(netip.MustParseAddrPort("203.0.113.7:50001"), wire.MappedProof_CODE_PROVEN, 0)
		if state := s.client.State(); state.Proof != ProofNone {
			t.Errorf("state is %+v", state)
		}
		p.proves(outside, wire.MappedProof_CODE_ELSEWHERE, 0)
		if state := s.client.State(); state.Proof != ProofElsewhere {
			t.Errorf("state is %+v, want elsewhere", state)
		}
	})
}
