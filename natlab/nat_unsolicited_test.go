package natlab

import (
	"net/netip"
	"testing"
	"time"
)

func TestUnsolicitedPacketsAreAnsweredAsTheBehaviorSays(t *testing.T) {
	with := func(u Unsolicited) Behavior {
		b := PortRestrictedCone()
		b.Unsolicited = u
		return b
	}
	playAll(t, []scriptCase{
		{"drop", with(UnsolicitedDrop), `
			S:80 > X:4000 SYN -> drop
			udp S:80 > X:4000 -> drop
			expire -> drop
		`},
		{"reset", with(UnsolicitedReset), `
			S:80 > X:4000 SYN seq=99 -> X:4000 > S:80 RST+ACK seq=0 ack=100
			S:80 > X:4000 SYN seq=99 len=3 -> X:4000 > S:80 RST+ACK seq=0 ack=103
			S:80 > X:4000 ACK seq=7 ack=55 -> X:4000 > S:80 RST seq=55
			S:80 > X:4000 FIN+ACK seq=7 ack=55 -> X:4000 > S:80 RST seq=55
			S:80 > X:4000 RST -> drop # a reset is never answered
			udp S:80 > X:4000 -> X > S unreachable about S:80 > X:4000
			ping S:8 > X -> drop
			S:80 > Y:4000 SYN -> drop # not this NAT's address
			A:4000 > S:80 SYN -> X:4000 > S:80 SYN
			S:80 > X:4000 SYN -> S:80 > A:4000 SYN # no longer unsolicited
		`},
		{"unreachable", with(UnsolicitedUnreachable), `
			S:80 > X:4000 SYN -> X > S unreachable about S:80 > X:4000
			S:80 > X:4000 RST+ACK -> drop
			udp S:80 > X:4000 len=2000 -> X > S unreachable about S:80 > X:4000
			X > S unreachable about S:80 > X:4000 -> drop # nor is an error
		`},
		{"hold", with(UnsolicitedHold), `
			S:80 > X:4000 SYN -> drop
			udp S:80 > X:4000 -> drop
			+5999ms
			S:80 > X:4000 SYN -> drop # a repeated SYN does not wait longer
			expire -> drop
			+1ms
			expire -> X > S unreachable about S:80 > X:4000
			expire -> drop
			S:80 > X:4000 SYN -> drop
			+6s
			expire -> X > S unreachable about S:80 > X:4000
		`},
		{"hold until the inside sends a SYN, too", with(UnsolicitedHold), `
			S:80 > X:4000 SYN -> drop
			+1s
			T:80 > X:4000 SYN -> drop
			+1s
			A:4000 > S:80 SYN -> X:4000 > S:80 SYN
			S:80 > X:4000 SYN -> S:80 > A:4000 SYN
			+5s
			expire -> X > T unreachable about T:80 > X:4000 # S gets no answer
			+9s
			expire -> drop
		`},
	})
}

func TestNATTellsWhenTheFirstHeldSYNIsDue(t *testing.T) {
	n := testNAT(CarrierGrade(), "X")
	if at, ok := n.next(); ok {
		t.Fatalf("next is %v without a held SYN", at)
	}
	send := func(from string, port int, after time.Duration) {
		p := packetScript{kind: "tcp", flags: flagSYN, from: scriptEnd{addr: scriptHosts[from], port: port},
			to: scriptEnd{addr: scriptHosts["X"], port: 4000}}
		n.inbound(testTime.Add(after), p.bytes())
	}
	send("S", 1, 0)
	send("T", 1, time.Second)
	want := func(d time.Duration) {
		t.Helper()
		if at, ok := n.next(); !ok || at.Sub(testTime) != d {
			t.Errorf("next is %v, %v after the start, want %v", at.Sub(testTime), ok, d)
		}
	}
	want(6 * time.Second)
	n.held.cancel(flowKey{protoTCP, netip.AddrPortFrom(scriptHosts["X"], 4000), netip.AddrPortFrom(scriptHosts["S"], 1)})
	want(7 * time.Second)
	send("S", 1, 2*time.Second) // comes again: waits anew
	if v := n.expire(testTime.Add(7 * time.Second)); len(v.outside) != 1 {
		t.Errorf("%d answers after 7 s, want one", len(v.outside))
	}
	want(8 * time.Second)
}

func TestHeldSYNsAreBounded(t *testing.T) {
	n := testNAT(CarrierGrade(), "X")
	for i := range 3 * maxHeld {
		p := packetScript{kind: "tcp", flags: flagSYN, from: scriptEnd{addr: scriptHosts["S"], port: i},
			to: scriptEnd{addr: scriptHosts["X"], port: 4000}}
		n.inbound(testTime, p.bytes())
	}
	if got := len(n.expire(testTime.Add(time.Minute)).outside); got != maxHeld {
		t.Errorf("%d held SYNs were answered, want %d", got, maxHeld)
	}
	if _, ok := n.next(); ok || len(n.held.waiting) != 0 {
		t.Errorf("%d SYNs are still waiting", len(n.held.waiting))
	}
}
