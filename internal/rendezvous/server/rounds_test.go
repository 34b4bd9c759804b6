package server

import (
	"bytes"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bodkin-p2p/bodkin/internal/wire"
)

// joinSampled is join by a node that answers Sample, behind a network of that behavior.
func joinSampled(s *Server, n uint64, b *wire.Behavior) *fakeNode {
	f := connect(s, 1, n)
	m := registering(n, true)
	m.GetRegister().Samples, m.GetRegister().Behavior = true, b
	f.say(m)
	f.say(pingMessage(40 * time.Millisecond))
	f.take()
	return f
}

const (
	dependent   = wire.Dependence_DEPENDENCE_ADDRESS_AND_PORT
	independent = wire.Dependence_DEPENDENCE_ENDPOINT_INDEPENDENT
)

var (
	counting = &wire.Behavior{Mapping: dependent, Filtering: dependent, Allocation: wire.PortAllocation_PORT_ALLOCATION_DELTA, Delta: 1}
	cone     = &wire.Behavior{Mapping: independent, Filtering: dependent, Unsolicited: wire.UnsolicitedAnswer_UNSOLICITED_ANSWER_DROPPED}
	seenAt   = netip.MustParseAddrPort("198.51.100.7:40001")
)

// asked returns the only message taken, which has to ask for a sample.
func (f *fakeNode) asked(t *testing.T) *wire.Sample {
	t.Helper()
	messages := f.take()
	if len(messages) != 1 || messages[0].GetSample() == nil {
		t.Fatalf("node %x was sent %v, want Sample", f.node[24:], messages)
	}
	return messages[0].GetSample()
}

func TestACountedSideIsSampledBeforeItsPeerHears(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newTestServer(t, Limits{})
		a, b := joinSampled(s, 1, cone), joinSampled(s, 2, counting)
		a.say(dialNode(1, 2))
		asked := b.asked(t)
		a.quiet(t)
		if asked.Keep {
			t.Error("the sample's port is to be kept, which is of no use")
		}
		other := make([]byte, wire.AttemptIDLen)
		other[0] = asked.Attempt[0] + 1
		s.attempts.sampled(b.conn, other, seenAt)
		a.quiet(t)
		s.attempts.sampled(b.conn, asked.Attempt, seenAt)
		toA, toB := a.introduced(t), b.introduced(t)
		if toA.Sample.AddrPort() != seenAt || toB.Sample != nil || toA.Round != 1 {
			t.Errorf("samples told are %v and %v in round %d, want %v and none in round 1", toA.Sample, toB.Sample, toA.Round, seenAt)
		}
		s.attempts.sampled(b.conn, asked.Attempt, seenAt) // again
		a.quiet(t)
	})
}

// TestADialerThatSamplesByItselfIsNotAsked, and a second Dial that comes meanwhile is answered, too.
func TestADialerThatSamplesByItselfIsNotAsked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newTestServer(t, Limits{})
		a, b := joinSampled(s, 1, counting), joinSampled(s, 2, cone)
		dial := dialNode(1, 2)
		dial.GetDial().Sampling = true
		a.say(dial)
		a.say(dialNode(2, 2))
		a.quiet(t)
		b.quiet(t)
		s.attempts.sampled(a.conn, nil, seenAt) // of a measurement
		b.quiet(t)
		s.attempts.sampled(a.conn, make([]byte, wire.AttemptIDLen), seenAt)
		if toB := b.introduced(t); toB.Sample.AddrPort() != seenAt {
			t.Errorf("the callee is told %v, want %v", toB.Sample, seenAt)
		}
		messages := a.take()
		if len(messages) != 2 || messages[0].GetIntroduction().GetRequest() != 1 || messages[1].GetIntroduction().GetRequest() != 2 {
			t.Errorf("the dialer was sent %v, want an introduction for each of its dials", messages)
		}
	})
}

func TestARoundBeginsWithoutASampleThatDoesNotCome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newTestServer(t, Limits{})
		a, b := joinSampled(s, 1, cone), joinSampled(s, 2, counting)
		a.say(dialNode(1, 2))
		b.asked(t)
		time.Sleep(sampleTimeout - time.Millisecond)
		synctest.Wait()
		a.quiet(t)
		time.Sleep(time.Millisecond)
		synctest.Wait()
		if toA := a.introduced(t); toA.Sample != nil || toA.Round != 1 {
			t.Errorf("told %v in round %d, want nothing in round 1", toA.Sample, toA.Round)
		}
	})
}

// TestSilenceBeginsAStaggeredRoundFromSecondPorts plays all three rounds in silence.
func TestSilenceBeginsAStaggeredRoundFromSecondPorts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newTestServer(t, Limits{})
		a, b := joinSampled(s, 1, cone), joinSampled(s, 2, cone)
		a.say(dialNode(1, 2))
		a.introduced(t)
		b.introduced(t)
		for i, silence := range []time.Duration{patience(40*ms, 40*ms), lateSide} {
			round := uint32(i + 2)
			time.Sleep(silence)
			synctest.Wait()
			first, second := a.asked(t), b.asked(t)
			if !first.Keep || !second.Keep {
				t.Fatal("second ports are not to be kept")
			}
			s.attempts.sampled(a.conn, nil, seenAt)                             // of a measurement
			s.attempts.sampled(a.conn, make([]byte, wire.AttemptIDLen), seenAt) // for prediction, not to be kept
			s.attempts.sampled(b.conn, second.Attempt, seenAt)
			a.quiet(t)
			s.attempts.sampled(a.conn, first.Attempt, seenAt)
			toA, toB := a.introduced(t), b.introduced(t)
			if toA.Round != round || toA.Fresh.AddrPort() != seenAt || toB.Fresh.AddrPort() != seenAt {
				t.Errorf("round %d to %v and %v, want %d to %v", toA.Round, toA.Fresh, toB.Fresh, round, seenAt)
			}
			later, sooner := toA.DelayUs, toB.DelayUs // the callee goes first, then the dialer
			if round == 3 {
				later, sooner = sooner, later
			}
			if later != 40_000 || sooner != 0 {
				t.Errorf("round %d: the second side waits %d us and the first %d, want 40000 and 0", round, later, sooner)
			}
		}
		time.Sleep(attemptTimeout)
		synctest.Wait()
		a.over(t)
	})
}

func TestABusyTupleMovesBothToSecondPorts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newTestServer(t, Limits{})
		a, b := joinSampled(s, 1, cone), joinSampled(s, 2, cone)
		a.say(dialNode(1, 2))
		toA := a.introduced(t)
		b.introduced(t)
		busy := refusedBy(toA)
		busy.GetReport().Failures[0].Kind = wire.FailureKind_FAILURE_KIND_TUPLE_BUSY
		a.say(busy)
		time.Sleep(gatherMin)
		synctest.Wait()
		attempt := a.asked(t).Attempt
		b.asked(t)
		s.attempts.sampled(a.conn, attempt, seenAt)
		s.attempts.sampled(b.conn, attempt, seenAt)
		toA, toB := a.introduced(t), b.introduced(t)
		if toA.Round != 2 || toA.Fresh == nil || toA.DelayUs != 0 || toB.DelayUs != 0 {
			t.Errorf("round %d from %v with delays %d and %d, want 2 from second ports, together", toA.Round, toA.Fresh, toA.DelayUs, toB.DelayUs)
		}
	})
}

func TestPatienceOfARound(t *testing.T) {
	for _, test := range []struct{ dialer, callee, want time.Duration }{
		{40 * ms, 60 * ms, 310 * ms},
		{60 * ms, 40 * ms, 310 * ms},
		{0, 0, 800 * ms},
		{time.Hour, time.Hour, 1200 * ms},
	} {
		if got := patience(test.dialer, test.callee); got != test.want {
			t.Errorf("round trips %v and %v: %v, want %v", test.dialer, test.callee, got, test.want)
		}
	}
}

// beside is a dial for one more connection between nodes that have one.
func beside(request, node uint64) *wire.ClientMessage {
	dial := dialNode(request, node)
	dial.GetDial().Beside = true
	return dial
}

func TestAnAttemptBesideAConnectionBeginsFromSecondPorts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newTestServer(t, Limits{})
		a, b := joinSampled(s, 1, cone), joinSampled(s, 2, cone)
		a.say(beside(1, 2))
		atA, atB := netip.MustParseAddrPort("198.51.100.1:41000"), netip.MustParseAddrPort("198.51.100.2:42000")
		askedA, askedB := a.asked(t), b.asked(t)
		if !askedA.Keep || !askedB.Keep {
			t.Errorf("asked for %v and %v, want ports to keep", askedA, askedB)
		}
		s.attempts.sampled(b.conn, askedB.Attempt, atB)
		a.quiet(t)
		s.attempts.sampled(a.conn, askedA.Attempt, atA)
		toA, toB := a.introduced(t), b.introduced(t)
		if toA.Fresh.AddrPort() != atB || toB.Fresh.AddrPort() != atA || toA.Round != 1 || !toA.Beside || !toB.Beside {
			t.Errorf("introduced with %v and %v in round %d, beside %v and %v", toA.Fresh, toB.Fresh, toA.Round, toA.Beside, toB.Beside)
		}
	})
}

// TestAnAttemptBesideAConnectionNeedsBothSides has one side give no sample: its way to the server may have died with the one to its peer.
func TestAnAttemptBesideAConnectionNeedsBothSides(t *testing.T) {
	for name, end := range map[string]func(s *Server, b *fakeNode){
		"silent": func(*Server, *fakeNode) { time.Sleep(sampleTimeout) },
		"gone":   func(s *Server, b *fakeNode) { s.attempts.leave(b.conn) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newTestServer(t, Limits{})
				a, b := joinSampled(s, 1, cone), joinSampled(s, 2, cone)
				a.say(beside(7, 2))
				asked := a.asked(t)
				s.attempts.sampled(a.conn, asked.Attempt, seenAt)
				end(s, b)
				synctest.Wait()
				var failed *wire.DialFailed
				for _, m := range a.take() {
					if m.GetDialFailed() != nil {
						failed = m.GetDialFailed()
					}
					if m.GetIntroduction() != nil {
						t.Errorf("introduced: %v", m)
					}
				}
				if failed.GetRequest() != 7 || failed.GetCode() != wire.DialFailed_CODE_NOT_HERE {
					t.Errorf("the dialer heard %v, want that the peer is not here", failed)
				}
				if left := s.attempts.count(); left != 0 {
					t.Errorf("%d attempts are left", left)
				}
			})
		})
	}
}

// TestAnAttemptByTheRelayAloneBeginsAtOnce has it begin while another attempt between the two waits for samples.
func TestAnAttemptByTheRelayAloneBeginsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newTestServer(t, Limits{})
		relayed(s)
		a, b := joinSampled(s, 1, cone), joinSampled(s, 2, cone)
		a.say(beside(1, 2))
		a.asked(t)
		b.asked(t)
		relay := beside(2, 2)
		relay.GetDial().Relayed, relay.GetDial().Returning = true, true
		a.say(relay)
		toA, toB := a.introduced(t), b.introduced(t)
		if toA.Request != 2 || !toA.Relayed || !toB.Relayed || !toA.Returning || !toB.Returning || !toA.Beside || !bytes.Equal(toA.Attempt, toB.Attempt) {
			t.Errorf("introduced with %v and %v", toA, toB)
		}
		for _, i := range []*wire.Introduction{toA, toB} {
			if i.Relay == nil || i.Relay.HeadStartUs != 0 || i.DelayUs != 0 || len(i.Observed)+len(i.Mapped) != 0 || i.Fresh != nil {
				t.Errorf("want the relay at once, and nowhere to dial: %v", i)
			}
		}
		if running := s.attempts.count(); running != 2 {
			t.Errorf("%d attempts run, want both", running)
		}
		again := beside(1, 1)
		again.GetDial().Relayed, again.GetDial().Returning = true, true
		b.say(again)
		if joined := b.introduced(t); !bytes.Equal(joined.Attempt, toA.Attempt) || joined.Request != 1 {
			t.Errorf("the other side, asking too, got %v", joined)
		}
		a.say(&wire.ClientMessage{Body: &wire.ClientMessage_Finished{Finished: &wire.Finished{Attempt: toA.Attempt, Relayed: true, Round: 1}}})
		time.Sleep(attemptTimeout)
		synctest.Wait()
		if left := s.attempts.count(); left != 0 {
			t.Errorf("%d attempts are left", left)
		}
	})
}
