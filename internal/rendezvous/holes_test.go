package rendezvous

import (
	"bufio"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bodkin-p2p/bodkin/internal/natbehavior"
	"github.com/bodkin-p2p/bodkin/internal/wire"
)

// holeToken is what the server of these tests gives out.
var holeToken = []byte("0123456789abcdef01234567")

// hole takes the next hole connection and its hello.
func (s *stage) hole(port uint16) *playedConn {
	s.t.Helper()
	hole := <-s.dialed
	if hole.remote.Port() != port {
		s.t.Errorf("hole connection to %v, want port %d", hole.remote, port)
	}
	var hello wire.HoleHello
	if err := wire.Read(bufio.NewReader(hole.raw), &hello); err != nil || string(hello.Token) != string(holeToken) {
		s.t.Fatalf("hello is %v, %v", &hello, err)
	}
	hole.isSample, hole.hold = hello.Sample, time.Duration(hello.HoldS)*time.Second
	return hole
}

// shows answers a hole connection, which the node then closes.
func (p *playedConn) shows(seen string) {
	p.stage.t.Helper()
	observed := &wire.Observed{Endpoint: wire.NewEndpoint(netip.MustParseAddrPort(seen)), ServerPort: uint32(p.remote.Port())}
	if err := wire.Write(p.raw, observed); err != nil {
		p.stage.t.Fatal(err)
	}
	if _, err := p.raw.Read(make([]byte, 1)); err == nil {
		p.stage.t.Error("the hole connection stays open")
	}
	synctest.Wait()
}

func TestHolesAreOpenedAfterEachWelcome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, nil)
		s.run()
		welcome := &wire.Welcome{PingIntervalMs: 20_000, HolePorts: []uint32{8000, 8001, 8002}, HoleToken: holeToken}
		main := s.welcomed(welcome)
		first, second := s.hole(8000), s.hole(8001)
		first.shows("203.0.113.7:30000")
		if state := s.client.State(); state.Behavior.IPv4.Mapping != natbehavior.EndpointIndependent || len(state.Holes) != 1 {
			t.Errorf("after one: %+v", state)
		}
		second.shows("203.0.113.7:30001")
		if state := s.client.State(); state.Behavior.IPv4.Mapping != natbehavior.AddressAndPortDependent || len(state.Holes) != 2 {
			t.Errorf("after two: %+v", state)
		}
		if again := main.next().GetRegister(); again.GetBehavior().GetMapping() != wire.Dependence_DEPENDENCE_ADDRESS_AND_PORT {
			t.Errorf("the server is told %v", again)
		}
		main.raw.Close()
		main = s.welcomed(welcome)
		s.hole(8000) // says nothing
		began := time.Now()
		s.hole(8001).shows("203.0.113.7:30000")
		if state := s.client.State(); state.Behavior.IPv4.Mapping != natbehavior.EndpointIndependent || len(state.Holes) != 1 {
			t.Errorf("after the return: %+v", state)
		}
		main.next()
		if waited := time.Since(began); waited > holeTimeout {
			t.Errorf("a silent hole port was waited for %v, want %v", waited, holeTimeout)
		}
	})
}
