package rendezvous

import (
	"bufio"
	"context"
	"net"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bodkin-p2p/bodkin/internal/natbehavior"
	"github.com/bodkin-p2p/bodkin/internal/wire"
)

// wideWelcome is that of a server with two more addresses, of which the invite of these tests names the first.
var wideWelcome = &wire.Welcome{PingIntervalMs: 20_000, HolePorts: []uint32{8000}, HoleToken: holeToken, Holes: []*wire.Endpoint{
	wire.NewEndpoint(netip.MustParseAddrPort("192.0.2.2:8000")), wire.NewEndpoint(netip.MustParseAddrPort("198.51.100.99:8000"))}}

// newWideStage has an invite that names two addresses.
func newWideStage(t *testing.T, change func(*ClientConfig)) *stage {
	return newStage(t, func(c *ClientConfig) {
		c.Servers = []string{"192.0.2.1:4000", "192.0.2.2:4000"}
		if change != nil {
			change(c)
		}
	})
}

// serves answers pings, and each question to be dialled, until the connection ends.
func (p *playedConn) serves(answer func(*wire.DialBack) *wire.DialledBack) { p.servesAfter(0, answer) }

// servesAfter is serves by one who takes so long for each answer.
func (p *playedConn) servesAfter(delay time.Duration, answer func(*wire.DialBack) *wire.DialledBack) {
	go func() {
		for m := range p.said {
			reply := &wire.ServerMessage{Body: &wire.ServerMessage_Pong{Pong: &wire.Pong{}}}
			switch {
			case m.GetDialBack() != nil:
				reply.Body = &wire.ServerMessage_DialledBack{DialledBack: answer(m.GetDialBack())}
			case m.GetPing() == nil:
				continue
			}
			time.Sleep(delay)
			if wire.Write(p.conn, reply) != nil {
				return
			}
		}
	}()
}

// always is the answer of those tries.
func always(tries ...*wire.DialBackTry) func(*wire.DialBack) *wire.DialledBack {
	return func(m *wire.DialBack) *wire.DialledBack { return &wire.DialledBack{Number: m.Number, Tries: tries} }
}

// try is a dial from an address of the server.
func try(from string, isOther bool, answer wire.UnsolicitedAnswer) *wire.DialBackTry {
	return &wire.DialBackTry{From: netip.MustParseAddr(from).AsSlice(), To: wire.NewEndpoint(netip.MustParseAddrPort("203.0.113.7:30000")),
		OtherAddress: isOther, Answer: answer}
}

const (
	accepted = wire.UnsolicitedAnswer_UNSOLICITED_ANSWER_ACCEPTED
	dropped  = wire.UnsolicitedAnswer_UNSOLICITED_ANSWER_DROPPED
)

func TestOnlyAddressesThatTheInviteNamesAreAsked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newWideStage(t, nil)
		s.run()
		s.welcomed(wideWelcome).serves(always(try("192.0.2.1", false, accepted)))
		s.hole(8000).shows("203.0.113.7:30000")
		second := s.hole(8000)
		if second.remote.Addr() != netip.MustParseAddr("192.0.2.2") {
			t.Errorf("the node went to %v, want the address that its invite names", second.remote)
		}
		second.shows("203.0.113.7:30000")
		time.Sleep(time.Minute)
		synctest.Wait()
		select {
		case stray := <-s.dialed:
			t.Errorf("the node went to %v as well", stray.remote)
		default:
		}
		if state := s.client.State(); !state.Measured || len(state.IPv4.Samples) != 3 {
			t.Errorf("measured %v, %d samples; want all of 3", state.Measured, len(state.IPv4.Samples))
		}
	})
}

func TestFilteringIsAskedOfAddressesThatTheFilterDoesNotKnow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newWideStage(t, nil)
		s.run()
		other := dropped
		s.welcomed(wideWelcome).serves(func(m *wire.DialBack) *wire.DialledBack {
			return always(try("192.0.2.1", false, accepted), try("192.0.2.2", true, other))(m)
		})
		measure := func(answer wire.UnsolicitedAnswer) natbehavior.Report {
			other = answer
			s.hole(8000).shows("203.0.113.7:30000")
			s.hole(8000).shows("203.0.113.7:30000")
			return s.client.State().Behavior.IPv4
		}
		if r := measure(dropped); r.Filtering != natbehavior.AddressDependent {
			t.Errorf("filtering is %v, want address-dependent", r.Filtering)
		}
		s.client.Remeasure()
		if r := measure(accepted); r.Filtering != natbehavior.AddressDependent {
			t.Errorf("right after the node itself went there, filtering is %v, want what it was", r.Filtering)
		}
		time.Sleep(filterForgets + time.Second)
		s.client.Remeasure()
		if r := measure(accepted); r.Filtering != natbehavior.EndpointIndependent {
			t.Errorf("once the filter has forgotten, filtering is %v, want endpoint-independent", r.Filtering)
		}
	})
}

func TestABusyServerIsAskedAgainLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, nil)
		s.run()
		s.welcomed(&wire.Welcome{PingIntervalMs: 20_000, HolePorts: []uint32{8000}, HoleToken: holeToken}).serves(
			func(m *wire.DialBack) *wire.DialledBack {
				return &wire.DialledBack{Number: m.Number, RetryAfterMs: 30_000}
			})
		s.hole(8000).shows("203.0.113.7:30000")
		time.Sleep(time.Second)
		synctest.Wait()
		if s.client.State().Measured {
			t.Error("measured, with half of it missing")
		}
		began := time.Now()
		s.hole(8000)
		if waited := time.Since(began); waited < 28*time.Second || waited > 30*time.Second {
			t.Errorf("asked again after %v, want 30 s", waited+time.Second)
		}
	})
}

func TestSamplesAreTakenFromFreshPorts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s *stage
		next := uint16(50000)
		s = newStage(t, func(c *ClientConfig) {
			c.DialSample = func(_ context.Context, local, remote netip.AddrPort, started func()) (net.Conn, error) {
				near, far := net.Pipe()
				next++
				conn := sampleConn{near, next}
				started()
				s.dialed <- &playedConn{stage: s, raw: far, remote: remote}
				return conn, nil
			}
		})
		s.run()
		began := time.Now()
		s.welcomed(&wire.Welcome{PingIntervalMs: 20_000, HolePorts: []uint32{8000}, HoleToken: holeToken,
			Observed: wire.NewEndpoint(netip.MustParseAddrPort("203.0.113.7:20000"))}).serves(always())
		port, fresh := 20_000, 0
		for range samples + 1 {
			hole := s.hole(8000)
			if hole.isSample {
				fresh++
			}
			port += 3
			hole.shows(netip.AddrPortFrom(netip.MustParseAddr("203.0.113.7"), uint16(port)).String())
		}
		if took := time.Since(began); took > 200*time.Millisecond {
			t.Errorf("took %v besides the round trips, want at most 200 ms", took)
		}
		if fresh != samples {
			t.Errorf("%d samples, want %d", fresh, samples)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if r := s.client.State().Behavior.IPv4; r.Allocation != natbehavior.Delta || r.Delta != 3 {
			t.Errorf("got %v by %d, want a counter's step of 3", r.Allocation, r.Delta)
		}
	})
}

// A sampleConn leaves from a port of its own.
type sampleConn struct {
	net.Conn
	port uint16
}

func (c sampleConn) LocalAddr() net.Addr {
	return &net.TCPAddr{IP: net.IPv4(10, 0, 0, 2), Port: int(c.port)}
}

// TestTheLifetimeOfIdleConnectionsIsMeasured plays a network that forgets connections after 10 minutes.
func TestTheLifetimeOfIdleConnectionsIsMeasured(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const forgets = 10 * time.Minute
		var s *stage
		s = newStage(t, func(c *ClientConfig) {
			c.DialSample = func(_ context.Context, _, remote netip.AddrPort, started func()) (net.Conn, error) {
				near, far := net.Pipe()
				started()
				s.dialed <- &playedConn{stage: s, raw: far, remote: remote}
				return sampleConn{near, 50000}, nil
			}
		})
		s.run()
		p := s.welcomed(&wire.Welcome{PingIntervalMs: 20_000, HolePorts: []uint32{8000}, HoleToken: holeToken})
		p.serves(always())
		var mu sync.Mutex
		var held []time.Duration
		serve := func(hole *playedConn) {
			var hello wire.HoleHello
			if wire.Read(bufio.NewReader(hole.raw), &hello) != nil {
				hole.raw.Close() // the node looks whether it reaches itself
				return
			}
			observed := &wire.Observed{Endpoint: wire.NewEndpoint(netip.MustParseAddrPort("203.0.113.7:30000")), ServerPort: 8000}
			wire.Write(hole.raw, observed)
			if hold := time.Duration(hello.HoldS) * time.Second; hold > 0 {
				mu.Lock()
				held = append(held, hold)
				mu.Unlock()
				time.Sleep(hold)
				if hold <= forgets {
					wire.Write(hole.raw, observed)
				}
			}
		}
		go func() {
			for hole := range s.dialed {
				go serve(hole)
			}
		}()
		time.Sleep(time.Hour)
		synctest.Wait()
		if got, want := s.client.State().IPv4.Lifetime, 8*time.Minute; got != want {
			t.Errorf("lifetime %v, want %v", got, want)
		}
		if want := []time.Duration{time.Minute, 2 * time.Minute, 4 * time.Minute, 8 * time.Minute, 16 * time.Minute}; !slices.Equal(held, want) {
			t.Errorf("connections were idle for %v, want %v", held, want)
		}
		close(s.dialed)
	})
}

// TestTheMappingOfTheOtherFamilyIsKept has a main connection of IPv4 and a server that sees the node translated over IPv6.
func TestTheMappingOfTheOtherFamilyIsKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, func(c *ClientConfig) { c.Servers = []string{"192.0.2.1:4000", "[2001:db8::1]:4000"} })
		s.run()
		s.welcomed(&wire.Welcome{PingIntervalMs: 20_000, HolePorts: []uint32{8000}, HoleToken: holeToken, Holes: []*wire.Endpoint{
			wire.NewEndpoint(netip.MustParseAddrPort("[2001:db8::1]:8000"))}}).serves(always())
		for range 2 {
			hole := s.hole(8000)
			seen := "203.0.113.7:30000"
			if hole.remote.Addr().Is6() {
				seen = "[2001:db8:9::9]:30000"
			}
			hole.shows(seen)
		}
		kept := s.hole(8000)
		if !kept.remote.Addr().Is6() || kept.hold == 0 {
			t.Fatalf("then a hole connection to %v, held for %v; want one to IPv6 that is held", kept.remote, kept.hold)
		}
		observed := &wire.Observed{Endpoint: wire.NewEndpoint(netip.MustParseAddrPort("[2001:db8:9::9]:30001")), ServerPort: 8000}
		if err := wire.Write(kept.raw, observed); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		s.client.Remeasure()
		again := s.hole(8000)
		if again.remote.Addr().Is6() {
			t.Errorf("measured again over the addresses of the kept connection")
		}
		again.shows("203.0.113.7:30000")
		time.Sleep(time.Second)
		if last := s.client.State().Behavior.IPv6.Last; last.Port() != 30001 {
			t.Errorf("the mapping over IPv6 is %v, want that of the kept connection", last)
		}
		kept.raw.Close()
		if next := s.hole(8000); !next.remote.Addr().Is6() || next.hold == 0 {
			t.Errorf("after its end: to %v, held for %v; want the same again", next.remote, next.hold)
		}
	})
}
