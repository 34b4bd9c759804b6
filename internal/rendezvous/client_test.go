package rendezvous

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bodkin-p2p/bodkin/internal/identity"
	"github.com/bodkin-p2p/bodkin/internal/wire"
)

func TestClientRegistersAndTellsItsState(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, nil)
		s.run()
		p := s.accept()
		r := p.next().GetRegister()
		if tag := s.room.NameTag("a"); r.Version != 1 || !r.Primary || string(r.SealedProfile) != "sealed" || string(r.NameTag) != string(tag[:]) || r.PortReuse != wire.PortReuse_PORT_REUSE_WORKS {
			t.Errorf("registered as %v", r)
		}
		p.say(&wire.ServerMessage{Body: &wire.ServerMessage_Welcome{Welcome: &wire.Welcome{
			Observed: wire.NewEndpoint(netip.MustParseAddrPort("203.0.113.7:30000")), HoleToken: make([]byte, 24), PingIntervalMs: 20_000}}})
		state, err := s.client.Registered(t.Context())
		if err != nil || !state.Connected || state.Observed.String() != "203.0.113.7:30000" || state.Remote.String() != "192.0.2.1:4000" || state.Server != "192.0.2.1:4000" {
			t.Errorf("registered: %+v, %v", state, err)
		}
		s.client.Update()
		if r := p.next().GetRegister(); r == nil {
			t.Error("Update did not register again")
		}
		s.stop()
		if m := p.next(); m != nil || p.err != io.EOF {
			t.Errorf("the end is %v, %v; want close_notify", m, p.err)
		}
		if err := <-s.ended; err != context.Canceled {
			t.Errorf("Run returned %v", err)
		}
		if len(s.states) != 2 || !s.states[0].Connected || s.states[1].Connected {
			t.Errorf("told of states %+v, want connected and then not", s.states)
		}
		if _, err := s.client.Registered(context.Background()); !errors.Is(err, net.ErrClosed) {
			t.Errorf("Registered after the end gives %v, want ErrClosed", err)
		}
	})
}

func TestPingsCarryTheRoundTrip(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, nil)
		s.run()
		p := s.welcomed(plainWelcome)
		start := time.Now()
		var at []time.Duration
		var rtts []uint32
		for range 5 {
			m := <-p.said
			at, rtts = append(at, time.Since(start)), append(rtts, m.GetPing().GetRttUs())
			time.Sleep(30 * time.Millisecond)
			p.say(&wire.ServerMessage{Body: &wire.ServerMessage_Pong{Pong: &wire.Pong{}}})
		}
		if at[0] != 0 || at[1] > time.Second || at[2]-at[1] < 17*time.Second || at[4]-at[3] > 20*time.Second {
			t.Errorf("pings at %v, want at once, within a second, and then each 17.5 to 20 s", at)
		}
		if rtts[0] != 0 || rtts[1] != 30_000 || rtts[4] != 30_000 {
			t.Errorf("pings told %v us, want 0 and then 30000", rtts)
		}
		synctest.Wait()
		if rtt := s.client.State().RTT; rtt != 30*time.Millisecond {
			t.Errorf("state tells %v", rtt)
		}
	})
}

func TestSilentServerIsLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, nil)
		s.run()
		s.welcomed(plainWelcome) // and never a pong: a black hole
		lost := time.Now()
		p := s.welcomed(plainWelcome)
		if after := time.Since(lost); after < 45*time.Second || after > 55*time.Second {
			t.Errorf("came back after %v, want 2.5 ping intervals and a short wait", after)
		}
		go p.pong(0)
		time.Sleep(time.Hour)
		if len(s.dialed) > 0 || !s.client.State().Connected {
			t.Error("left a server that answers")
		}
	})
}

func TestEveryAddressIsTriedAndTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, func(c *ClientConfig) {
			c.Servers = []string{"192.0.2.1:4000", "s.example:4000", "nowhere.example:4000", "192.0.2.9"}
			c.Resolve = func(_ context.Context, host string) ([]netip.Addr, error) {
				if host == "s.example" {
					return []netip.Addr{netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("192.0.2.2")}, nil
				}
				return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
			}
		})
		s.refuse.Store(true)
		s.run()
		_, err := s.client.Registered(t.Context())
		var unreachable *UnreachableError
		if !errors.Is(err, ErrUnreachable) || !errors.As(err, &unreachable) || !errors.Is(err, errNoRoute) || len(unreachable.Attempts) != 5 {
			t.Fatalf("error is %v, want one for each of five", err)
		}
		for _, part := range []string{"192.0.2.1:4000: no route", "s.example:4000 ([2001:db8::1]:4000)", "s.example:4000 (192.0.2.2:4000)", "nowhere.example:4000: ", "missing port"} {
			if !strings.Contains(err.Error(), part) {
				t.Errorf("error does not tell %q: %v", part, err)
			}
		}
		s.refuse.Store(false)
		s.welcomed(plainWelcome)
		if state, err := s.client.Registered(t.Context()); err != nil || !state.Connected {
			t.Errorf("after it is reachable again: %+v, %v", state, err)
		}
	})
}

func TestFailureIsToldToWhoAsksLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, nil)
		s.refuse.Store(true)
		s.run()
		synctest.Wait() // the first attempt has failed, and Run waits
		start := time.Now()
		if _, err := s.client.Registered(t.Context()); !errors.Is(err, errNoRoute) || time.Since(start) != 0 {
			t.Errorf("told %v after %v, want the failure at once", err, time.Since(start))
		}
		if _, err := s.client.Registered(t.Context()); !errors.Is(err, errNoRoute) || time.Since(start) == 0 {
			t.Errorf("asked again: told %v after %v, want the next failure", err, time.Since(start))
		}
	})
}

func TestDeadAddressCostsAQuarterOfASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, func(c *ClientConfig) {
			c.Servers = []string{"s.example:4000"}
			c.Resolve = func(context.Context, string) ([]netip.Addr, error) {
				return []netip.Addr{netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("192.0.2.1")}, nil
			}
			pipe := c.Dial
			c.Dial = func(ctx context.Context, remote netip.AddrPort) (net.Conn, error) {
				if remote.Addr().Is6() {
					<-ctx.Done() // SYNs that nobody answers
					return nil, ctx.Err()
				}
				return pipe(ctx, remote)
			}
		})
		start := time.Now()
		s.run()
		p := s.welcomed(plainWelcome)
		if took := time.Since(start); took != stagger {
			t.Errorf("registered after %v, want %v", took, stagger)
		}
		p.raw.Close()
		s.welcomed(plainWelcome)
		if took := time.Since(start); took > stagger+backoffFirst {
			t.Errorf("came back after %v; the address that served is to be tried first", took)
		}
	})
}

func TestWrongServerIsNotTrusted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, nil)
		s.run()
		playHandshake(<-s.dialed, must(identity.NewKey()))
		if _, err := s.client.Registered(t.Context()); !errors.Is(err, identity.ErrWrongServer) || !errors.Is(err, ErrUnreachable) {
			t.Errorf("error is %v, want ErrWrongServer in an UnreachableError", err)
		}
	})
}

func TestRefusalEndsOrDelays(t *testing.T) {
	tests := []struct {
		code  wire.Refused_Code
		first bool // before any registration
		final bool
	}{
		{wire.Refused_CODE_ROOM, true, true}, {wire.Refused_CODE_VERSION, true, true}, {wire.Refused_CODE_REPLACED, false, true},
		{wire.Refused_CODE_NAME_TAKEN, true, true}, {wire.Refused_CODE_NAME_TAKEN, false, false}, {wire.Refused_CODE_BUSY, true, false},
		{wire.Refused_CODE_BAD_MESSAGE, true, false}, {99, true, false},
	}
	for _, test := range tests {
		t.Run(fmt.Sprint(test.code, test.first), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newStage(t, nil)
				s.run()
				if !test.first {
					s.welcomed(plainWelcome).raw.Close()
				}
				p := s.accept()
				p.next()
				outcome := make(chan error, 1)
				go func() {
					_, err := s.client.Registered(t.Context())
					outcome <- err
				}()
				synctest.Wait()
				p.say(&wire.ServerMessage{Body: &wire.ServerMessage_Refused{Refused: &wire.Refused{Code: test.code, Text: "because", RetryAfterMs: 60_000}}})
				refused := time.Now()
				isThat := func(err error) bool {
					var told *RefusedError
					return errors.As(err, &told) && told.Code == RefusedCode(test.code) && told.Text == "because" && told.RetryAfter == time.Minute
				}
				if err := <-outcome; !isThat(err) {
					t.Errorf("Registered gives %v", err)
				}
				if test.final {
					if err := <-s.ended; !isThat(err) {
						t.Errorf("Run returned %v", err)
					}
					return
				}
				s.welcomed(plainWelcome)
				if after := time.Since(refused); after < time.Minute || after > 2*time.Minute {
					t.Errorf("came back after %v, want a minute or two", after)
				}
			})
		})
	}
}

func TestServerThatNeverAnswersIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, nil)
		s.run()
		s.accept().next() // Register
		start := time.Now()
		if _, err := s.client.Registered(t.Context()); !errors.Is(err, ErrUnreachable) {
			t.Errorf("error is %v", err)
		}
		if after := time.Since(start); after != connectTimeout {
			t.Errorf("given up after %v, want %v", after, connectTimeout)
		}
	})
}

func TestManyFailuresDoNotHammerTheServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tries := 0
		s := newStage(t, func(c *ClientConfig) {
			c.Dial = func(context.Context, netip.AddrPort) (net.Conn, error) { tries++; return nil, errNoRoute }
		})
		s.run()
		time.Sleep(time.Hour)
		synctest.Wait()
		// In the long run one try each 15 s in the mean, 240 in an hour.
		if tries < 180 || tries > 320 {
			t.Errorf("%d tries in an hour, want about 240", tries)
		}
	})
}

func TestNothingIsLeftWhenEndedAtAnyTime(t *testing.T) {
	for range 200 {
		after := rand.N(300 * time.Millisecond)
		synctest.Test(t, func(t *testing.T) { // fails by itself if a goroutine is left
			s := newStage(t, func(c *ClientConfig) {
				pipe := c.Dial
				c.Dial = func(ctx context.Context, remote netip.AddrPort) (net.Conn, error) {
					select {
					case <-time.After(50 * time.Millisecond):
					case <-ctx.Done():
						return nil, ctx.Err()
					}
					return pipe(ctx, remote)
				}
			})
			s.run()
			ctx, cancel := context.WithCancel(t.Context())
			var others sync.WaitGroup
			others.Go(func() { // a server at 50 ms
				select {
				case p := <-s.dialed:
					playRegistration(p, s.key)
				case <-ctx.Done():
				}
			})
			others.Go(func() {
				for range s.client.Watch(ctx) {
				}
			})
			others.Go(func() { s.client.Introduce(ctx, ByNode(identity.NodeID{1})) })
			time.Sleep(after)
			s.stop()
			if err := <-s.ended; err != context.Canceled {
				t.Errorf("Run returned %v", err)
			}
			cancel()
			others.Wait()
		})
	}
}

// TestHostileServerIsLeftOrIgnored has a server that proved its identity say what no server says.
func TestHostileServerIsLeftOrIgnored(t *testing.T) {
	introduction := func(change func(*wire.Introduction)) []byte {
		i := &wire.Introduction{Attempt: make([]byte, 16), Round: 1, Role: wire.Role_ROLE_CALLEE, Peer: make([]byte, 32), SealedProfile: []byte("x"), NameTag: make([]byte, wire.NameTagLen),
			Observed: []*wire.Endpoint{{Ip: []byte{192, 0, 2, 1}, Port: 5}}, DeadlineMs: 6000}
		change(i)
		return unchecked(&wire.ServerMessage{Body: &wire.ServerMessage_Introduction{Introduction: i}})
	}
	tests := []struct {
		name  string
		bytes []byte
		stays bool
	}{
		{"garbage", []byte("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"), false},
		{"a frame of 1 MiB", []byte("\x80\x80\x40"), false},
		{"a message that is none", []byte("\x03abc"), false},
		{"an unknown message", []byte("\x04\xa2\x06\x01x"), true},
		{"an empty message", []byte("\x00"), true},
		{"an introduction without endpoints", introduction(func(i *wire.Introduction) { i.Observed = nil }), true},
		{"a relay after an hour", introduction(func(i *wire.Introduction) {
			i.Relay = &wire.RelayOffer{Token: make([]byte, 16), HeadStartUs: 3_600_000_000}
		}), false},
		{"the end of a relayed connection that never was", unchecked(&wire.ServerMessage{Body: &wire.ServerMessage_RelayOver{
			RelayOver: &wire.RelayOver{Attempt: make([]byte, 16), Status: wire.RelayStatus_RELAY_STATUS_TIME}}}), true},
		{"an introduction with a thousand endpoints", introduction(func(i *wire.Introduction) {
			for range 1000 {
				i.Observed = append(i.Observed, i.Observed[0])
			}
		}), false},
		{"an introduction with a delay of an hour", introduction(func(i *wire.Introduction) { i.DelayUs = 3_600_000_000 }), false},
		{"an introduction to a short id", introduction(func(i *wire.Introduction) { i.Peer = make([]byte, 31) }), false},
		{"an answer to a question that nobody asked", introduction(func(i *wire.Introduction) { i.Request = 77 }), true},
		{"a second welcome", unchecked(&wire.ServerMessage{Body: &wire.ServerMessage_Welcome{Welcome: &wire.Welcome{
			Observed: &wire.Endpoint{Ip: []byte{1, 2, 3, 4}, Port: 1}, HoleToken: make([]byte, 16)}}}), true},
		{"pongs for no ping", unchecked(&wire.ServerMessage{Body: &wire.ServerMessage_Pong{Pong: &wire.Pong{ReconnectSpreadMs: 1 << 31}}}), true},
		{"presence that nobody asked for", unchecked(&wire.ServerMessage{Body: &wire.ServerMessage_Presence{Presence: &wire.Presence{
			Kind: wire.Presence_KIND_JOINED, Node: make([]byte, 32), SealedProfile: []byte("x"), NameTag: make([]byte, wire.NameTagLen)}}}), true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newStage(t, nil)
				s.run()
				p := s.welcomed(plainWelcome)
				for range 3 {
					if _, err := p.conn.Write(test.bytes); err != nil {
						break
					}
				}
				synctest.Wait()
				if s.client.State().Connected != test.stays {
					t.Errorf("connected: %v, want %v", !test.stays, test.stays)
				}
			})
		})
	}
}

func TestServerThatReadsNothingIsLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, nil)
		s.run()
		p := <-s.dialed
		playWelcome(p, s.key) // and reads no more
		synctest.Wait()
		for i := 0; s.client.Report(wire.AttemptID{}, 1, nil) == nil; i++ {
			if i > queueMax {
				t.Fatal("the queue has no end")
			}
		}
		synctest.Wait()
		if s.client.State().Connected {
			t.Error("still connected")
		}
	})
}

func TestHurryCutsThePauseButNotItsBeginning(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := NewClient(ClientConfig{})
		c.Hurry() // from before the pause: does not count
		start := time.Now()
		time.AfterFunc(wantedAfter/2, c.Hurry)
		if !c.rest(t.Context(), time.Minute, true) || time.Since(start) != wantedAfter {
			t.Errorf("rested %v, want %v", time.Since(start), wantedAfter)
		}
		start = time.Now()
		time.AfterFunc(5*time.Second, c.Hurry)
		if !c.rest(t.Context(), time.Minute, true) || time.Since(start) != 5*time.Second {
			t.Errorf("rested %v, want 5s", time.Since(start))
		}
		start = time.Now()
		time.AfterFunc(5*time.Second, c.Hurry)
		if !c.rest(t.Context(), time.Minute, false) || time.Since(start) != time.Minute {
			t.Errorf("rested %v although the server asked for a minute", time.Since(start))
		}
	})
}
