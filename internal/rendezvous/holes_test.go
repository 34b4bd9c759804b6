package rendezvous

import (
	"bufio"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bodkin-p2p/bodkin/internal/wire"
)

func TestMappingIsWhatHolesShow(t *testing.T) {
	at := netip.MustParseAddrPort
	observed := at("203.0.113.7:30000")
	tests := []struct {
		seen []string
		want Mapping
	}{
		{nil, MappingUnknown},
		{[]string{"203.0.113.7:30000"}, MappingEndpointIndependent},
		{[]string{"203.0.113.7:30000", "203.0.113.7:30000"}, MappingEndpointIndependent},
		{[]string{"203.0.113.7:30000", "203.0.113.7:30001"}, MappingEndpointDependent},
		{[]string{"203.0.113.8:30000"}, MappingEndpointDependent},
	}
	for _, test := range tests {
		var holes []Observation
		for _, seen := range test.seen {
			holes = append(holes, Observation{at("192.0.2.1:8000"), at(seen)})
		}
		if got := classify(observed, holes); got != test.want {
			t.Errorf("%v: mapping is %v, want %v", test.seen, got, test.want)
		}
	}
}

func TestHolesAreOpenedAfterEachWelcome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, nil)
		s.run()
		welcome := &wire.Welcome{PingIntervalMs: 20_000, HolePorts: []uint32{8000, 8001, 8002}, HoleToken: []byte("0123456789abcdef01234567")}
		main := s.welcomed(welcome)
		answer := func(port uint16, seen string) {
			t.Helper()
			hole := <-s.dialed
			if hole.remote != netip.AddrPortFrom(netip.MustParseAddr("192.0.2.1"), port) {
				t.Errorf("hole connection to %v, want port %d", hole.remote, port)
			}
			var hello wire.HoleHello
			if err := wire.Read(bufio.NewReader(hole.raw), &hello); err != nil || string(hello.Token) != string(welcome.HoleToken) {
				t.Fatalf("hello is %v, %v", &hello, err)
			}
			if err := wire.Write(hole.raw, &wire.Observed{Endpoint: wire.NewEndpoint(netip.MustParseAddrPort(seen)), ServerPort: uint32(port)}); err != nil {
				t.Fatal(err)
			}
			if _, err := hole.raw.Read(make([]byte, 1)); err == nil {
				t.Error("the hole connection stays open")
			}
			synctest.Wait()
		}
		answer(8000, "203.0.113.7:30000")
		if state := s.client.State(); state.Mapping != MappingEndpointIndependent || len(state.Holes) != 1 {
			t.Errorf("after one: %+v", state)
		}
		answer(8001, "203.0.113.7:30001")
		if state := s.client.State(); state.Mapping != MappingEndpointDependent || len(state.Holes) != 2 {
			t.Errorf("after two: %+v", state)
		}
		main.raw.Close()
		s.welcomed(welcome)
		silent := <-s.dialed // a hole listener that says nothing
		bufio.NewReader(silent.raw).ReadByte()
		began := time.Now()
		answer(8001, "203.0.113.7:30000")
		if waited := time.Since(began); waited != holeTimeout {
			t.Errorf("a silent hole port was waited for %v, want %v", waited, holeTimeout)
		}
		if state := s.client.State(); state.Mapping != MappingEndpointIndependent || len(state.Holes) != 1 {
			t.Errorf("after the return: %+v", state)
		}
	})
}
