package natlab

import (
	"fmt"
	"net/netip"
	"testing"
)

func TestPortsAreAllocatedAsTheBehaviorSays(t *testing.T) {
	sequential := func(delta int) Behavior {
		b := SequentialSymmetric()
		b.PortDelta = delta
		return b
	}
	rising := CarrierGrade()
	rising.RandomInBlock = false
	rising.BlockSize = 4
	playAll(t, []scriptCase{
		{"preserving", PortRestrictedCone(), `
			A:4000 > S:80 SYN -> X:4000 > S:80 SYN
			A:400 > S:80 SYN -> X:400 > S:80 SYN
		`},
		{"sequential by 1", sequential(0), `
			A:4000 > S:80 SYN -> X:p > S:80 SYN
			A:4000 > S:81 SYN -> X:p+1 > S:81 SYN
			B:9 > S:80 SYN -> X:p+2 > S:80 SYN
			udp A:1 > S:80 -> udp X:u > S:80 # counts by itself
			A:1 > T:80 SYN -> X:p+3 > T:80 SYN
		`},
		{"sequential by 2", sequential(2), `
			A:4000 > S:80 SYN -> X:p > S:80 SYN
			A:4000 > S:81 SYN -> X:p+2 > S:81 SYN
		`},
		{"sequential downwards", sequential(-3), `
			A:4000 > S:80 SYN -> X:p > S:80 SYN
			A:4000 > S:81 SYN -> X:q > S:81 SYN
			A:4000 > S:82 SYN -> X:r > S:82 SYN
		`},
		{"sequential in a block", rising, `
			A:1 > S:80 SYN -> X:p > S:80 SYN
			A:2 > S:80 SYN -> X:p+1 > S:80 SYN
			B:1 > S:80 SYN -> X:q > S:80 SYN
			A:3 > S:80 SYN -> X:p+2 > S:80 SYN
			A:4 > S:80 SYN -> X:p+3 > S:80 SYN
			A:5 > S:80 SYN -> drop # the block is used up
			A:4 > T:80 SYN -> X:p+3 > T:80 SYN
			B:2 > S:80 SYN -> X:q+1 > S:80 SYN
			+4m
			A:5 > S:80 SYN -> X:* > S:80 SYN
		`},
	})
}

// portsOf returns the external ports of flows from successive internal ones.
func portsOf(t testing.TB, n *nat, from netip.Addr, count int) []int {
	t.Helper()
	var ports []int
	for i := range count {
		p := packetScript{kind: "tcp", flags: flagSYN, from: scriptEnd{addr: from, port: 20000 + i},
			to: scriptEnd{addr: scriptHosts["S"], port: 80}}
		v := n.outbound(testTime, p.bytes())
		if len(v.outside) != 1 {
			return ports
		}
		out, _ := parse(v.outside[0])
		ports = append(ports, int(out.src().Port()))
	}
	return ports
}

func TestRandomPortsSpreadOverTheRange(t *testing.T) {
	var halves [2]int
	seen := map[int]bool{}
	for _, port := range portsOf(t, testNAT(Symmetric(), "X"), scriptHosts["A"], 200) {
		if port < 1024 || seen[port] {
			t.Fatalf("port %d is low or has been given out before", port)
		}
		seen[port] = true
		halves[port/32768]++
	}
	if halves[0] < 60 || halves[1] < 60 {
		t.Errorf("ports below and above 32768: %v, want about 100 each", halves)
	}
}

func TestPortBlockHoldsAllPortsOfAHostAndNoneOfAnother(t *testing.T) {
	n := testNAT(CarrierGrade(), "X")
	var blocks [2]int
	for i, name := range []string{"A", "B"} {
		ports := portsOf(t, n, scriptHosts[name], 600)
		if len(ports) != 512 {
			t.Errorf("host %s got %d ports, want the 512 of its block", name, len(ports))
		}
		blocks[i] = ports[0] / 512
		for _, port := range ports {
			if port/512 != blocks[i] {
				t.Fatalf("host %s got ports %d and %d, want one block", name, ports[0], port)
			}
		}
	}
	if blocks[0] == blocks[1] {
		t.Error("both hosts got the same block")
	}
}

// The only session of a host expires while its port is taken again, between two sweeps of the tables.
func TestHostKeepsItsBlockWhileItIsUsedAgain(t *testing.T) {
	b := CarrierGrade()
	b.BlockSize = 1
	n := testNAT(b, "X")
	playOn(t, n, `
		A:1 > S:80 SYN -> X:p > S:80 SYN
		+239500ms
		B:1 > S:80 SYN -> X:q > S:80 SYN
		+500ms
		A:2 > S:80 SYN -> X:p > S:80 SYN
	`)
	checkTables(t, n)
}

func TestSequentialPortsWrapAround(t *testing.T) {
	n := testNAT(SequentialSymmetric(), "X")
	n.counters[endpoint{protoTCP, netip.AddrPortFrom(scriptHosts["X"], 0)}] = 65534
	got := portsOf(t, n, scriptHosts["A"], 3)
	if want := []int{65535, 1024, 1025}; len(got) != 3 || got[0] != want[0] || got[1] != want[1] || got[2] != want[2] {
		t.Errorf("got ports %v, want %v", got, want)
	}
}

func TestReplacementPortStaysInTheClassOfTheOldOne(t *testing.T) {
	classes := []struct{ port, low, high int }{{80, 1, 511}, {700, 600, 1023}, {1024, 1024, 65535}, {50000, 1024, 65535}}
	for _, c := range classes {
		n := testNAT(Linux(), "X")
		for _, name := range []string{"B", "A"} {
			p := packetScript{kind: "tcp", flags: flagSYN, from: scriptEnd{addr: scriptHosts[name], port: c.port},
				to: scriptEnd{addr: scriptHosts["S"], port: 80}}
			v := n.outbound(testTime, p.bytes())
			out, _ := parse(v.outside[0])
			got := int(out.src().Port())
			if name == "A" && (got == c.port || got < c.low || got > c.high) {
				t.Errorf("port %d, taken, became %d; want another one in %d-%d", c.port, got, c.low, c.high)
			}
		}
	}
}

func TestNothingPassesWhenPortsAreUsedUp(t *testing.T) {
	oneBlock := CarrierGrade()
	oneBlock.BlockSize = 65536
	onePort := SequentialSymmetric()
	onePort.PortDelta = dynamicPorts.size
	playAll(t, []scriptCase{
		{"blocks", oneBlock, `
			A:4000 > S:80 SYN -> X:p > S:80 SYN
			B:4000 > S:80 SYN -> drop
			+4m
			B:4000 > S:80 SYN -> X:q > S:80 SYN
		`},
		{"sequence", onePort, `
			A:4000 > S:80 SYN -> X:p > S:80 SYN
			A:4001 > S:80 SYN -> drop
		`},
	})

	n := testNAT(FullCone(), "X")
	for port := 1; port < 512; port++ {
		playOn(t, n, fmt.Sprintf("A:%d > S:80 SYN -> X:%d > S:80 SYN", port, port))
	}
	playOn(t, n, `
		B:80 > S:80 SYN -> drop # low ports stay low
		B:8080 > S:80 SYN -> X:8080 > S:80 SYN
	`)
}
