package natlab

import (
	"net/netip"
	"testing"
	"time"
)

// trafficSeen is how many connections of neighbours the internet saw, and from how many endpoints.
func trafficSeen(lab *Lab) (syns int64, endpoints int) {
	for _, f := range lab.Flows() {
		if f.Network == internet && f.Dst == TrafficSink() {
			syns += f.SYNs
			endpoints++
		}
	}
	return syns, endpoints
}

func TestTrafficTakesAMappingForEachConnection(t *testing.T) {
	for name, makeNAT := range map[string]func(*Lab) *NAT{
		"sequential": func(l *Lab) *NAT { return l.NAT("nat", SequentialSymmetric()) },
		"kernel": func(l *Lab) *NAT {
			return l.KernelNAT("nat", Kernel{Masquerade: MasqueradeRandom})
		},
	} {
		t.Run(name, func(t *testing.T) {
			lab := Test(t, Config{})
			nat := makeNAT(lab)
			stop, err := nat.Traffic(1000)
			if err != nil {
				t.Fatal(err)
			}
			deadline := time.Now().Add(20 * time.Second)
			for syns, _ := trafficSeen(lab); syns < 100; syns, _ = trafficSeen(lab) {
				if time.Now().After(deadline) {
					t.Fatalf("%d connections in 20 s, want 1000 a second", syns)
				}
				if err := waitUntil(time.Now().Add(5 * time.Millisecond)); err != nil {
					t.Fatal(err)
				}
			}
			stop()
			if syns, endpoints := trafficSeen(lab); int64(endpoints) != syns {
				t.Errorf("%d connections came from %d endpoints, want one each", syns, endpoints)
			}
		})
	}
}

// The numbers that neighbours take are missing in the sequence that a host sees.
func TestTrafficMakesASequenceJump(t *testing.T) {
	x := newScene(t, func(l *Lab) *NAT { return l.NAT("nat", SequentialSymmetric()) })
	port := func(to netip.AddrPort) int {
		if got := x.dial(x.a, 40000, to); got != "connected" {
			t.Fatal(got)
		}
		return int(x.external(to).Port())
	}
	first, second := port(x.endpoint(x.s, 4000)), port(x.endpoint(x.s, 4001))
	if got := (second - first + dynamicPorts.size) % dynamicPorts.size; got != 1 {
		t.Errorf("quiet: the next port is %d further, want 1", got)
	}
	stop, err := x.nat.Traffic(1000)
	x.must(err)
	deadline := time.Now().Add(20 * time.Second)
	for syns, _ := trafficSeen(x.lab); syns < 10 && time.Now().Before(deadline); syns, _ = trafficSeen(x.lab) {
		x.must(waitUntil(time.Now().Add(5 * time.Millisecond)))
	}
	stop()
	stop() // may be called twice
	syns, _ := trafficSeen(x.lab)
	third := port(x.endpoint(x.r, 4000))
	if got := (third - second + dynamicPorts.size) % dynamicPorts.size; got != int(syns)+1 {
		t.Errorf("after %d connections of neighbours the next port is %d further, want %d", syns, got, syns+1)
	}
}

func TestTrafficHasBounds(t *testing.T) {
	lab := Test(t, Config{})
	nat := lab.NAT("nat", FullCone())
	for _, rate := range []float64{0, -1, trafficMost + 1} {
		if _, err := nat.Traffic(rate); err == nil {
			t.Errorf("%v connections a second were accepted", rate)
		}
	}
	narrow := lab.NAT("narrow", FullCone(), Inside("192.168.1.0/28"))
	if _, err := narrow.Traffic(1); err == nil {
		t.Error("an inside without room for the neighbours was accepted")
	}
}
